"""Requests that count by configuration, whose views know nothing of it."""

from __future__ import annotations

import collections.abc as c
import typing as t

import pytest
from flask import Blueprint, abort, request
from flask.typing import ResponseReturnValue
from flask.views import MethodView

from flask_billing.errors import ConfigError
from flask_billing.models import UsageCounter, UsageEvent

from ..host import Host, user

CATALOG: dict[str, t.Any] = {
    "meters": {
        "calls": {"name": "Calls"},
        "words": {"name": "Words"},
        "strict": {"name": "Strict", "on_error": "closed"},
    },
    "plans": {
        "free": {
            "name": "Free",
            "limits": [
                {"meter": "calls", "included": 3, "window": "day"},
                {"meter": "words", "included": 50, "window": "day"},
            ],
        }
    },
}
API: dict[str, t.Any] = {"meter": "calls", "blueprints": ["api"]}


class BrokenError(Exception):
    """What a view raises that fails."""


def words() -> int:
    """What a request to write costs."""
    return int(request.args["words"])


@pytest.fixture
def shop(make_app: c.Callable[..., Host], database_url: str) -> c.Callable[..., Host]:
    """Makes hosts whose views do not count, tracked by these rules."""

    def make(*rules: dict[str, t.Any], **settings: object) -> Host:
        host = make_app(database_url, catalog=CATALOG, BILLING_TRACKING=rules, **settings)
        add_views(host)
        return host

    return make


def add_views(host: Host) -> None:
    """A blueprint with another in it, and a few views beside it."""
    api, inner = Blueprint("api", "api"), Blueprint("inner", "inner")

    @api.route("/answer/<int:status>", methods=["GET", "POST"])
    def answer(status: int) -> ResponseReturnValue:
        return "answered", status

    @api.get("/stop/<int:status>")
    def stop(status: int) -> ResponseReturnValue:
        abort(status)

    @api.get("/break")
    def broken() -> ResponseReturnValue:
        raise BrokenError

    @api.get("/explicit")
    @host.billing.metered("calls", 2)
    def explicit() -> ResponseReturnValue:
        return "counts by itself"

    @inner.get("/deep")
    def deep() -> ResponseReturnValue:
        return "deep"

    class Item(MethodView):
        @host.billing.metered("calls", 2)
        def get(self) -> ResponseReturnValue:
            return "counts by itself"

        def post(self) -> ResponseReturnValue:
            return "does not"

    def unrecognisable(view: c.Callable[..., t.Any]) -> c.Callable[..., t.Any]:
        def hidden() -> t.Any:
            return view()

        return hidden

    api.add_url_rule("/hidden", "hidden", unrecognisable(host.billing.metered("calls")(explicit)))
    api.add_url_rule("/item", view_func=Item.as_view("item"))
    api.register_blueprint(inner, url_prefix="/inner")
    host.app.register_blueprint(api, url_prefix="/api")


def used(host: Host, meter: str = "calls") -> int:
    """Committed usage."""
    return sum(counter.used for counter in host.rows(UsageCounter, meter=meter))


def test_views_of_a_blueprint_count_with_endpoint_and_status(
    shop: c.Callable[..., Host],
) -> None:
    host = shop(API)
    client = host.client()
    statuses = [
        client.get(path).status_code for path in ("/api/answer/201", "/api/inner/deep", "/")
    ]
    answer = client.get("/api/stop/404")

    assert statuses == [201, 200, 200]
    assert [(event.endpoint, event.status) for event in host.rows(UsageEvent)] == [
        ("api.answer", 201), ("api.inner.deep", 200), ("api.stop", 404),
    ]  # fmt: skip
    assert (used(host), answer.headers["RateLimit-Remaining"]) == (3, "0")


def test_beyond_the_quota_the_view_does_not_run(shop: c.Callable[..., Host]) -> None:
    host = shop(API)
    client = host.client()
    answers = [client.get("/api/answer/200") for _ in range(4)]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    problem = answers[-1].get_json()
    assert (problem["code"], problem["meter"], problem["used"]) == ("quota_exceeded", "calls", 3)
    assert used(host) == 3


@pytest.mark.parametrize(
    ("rule", "counted"),
    [
        ({"paths": ["/api/*"]}, ["/api/answer/200", "/api/inner/deep"]),
        ({"paths": ["/*"]}, ["/api/answer/200", "/api/inner/deep", "/"]),
        ({"endpoints": ["api.ans*", "index"]}, ["/api/answer/200", "/"]),
        ({"blueprints": ["api.inner"]}, ["/api/inner/deep"]),
        ({"blueprints": ["api"], "exclude": ["api.answer"]}, ["/api/inner/deep"]),
        ({"blueprints": ["api"], "exclude": ["/api/inner/*"]}, ["/api/answer/200"]),
        ({"paths": ["/*"], "methods": ["post"]}, []),
    ],
)
def test_rules_name_what_counts(
    shop: c.Callable[..., Host], rule: dict[str, t.Any], counted: list[str]
) -> None:
    host = shop({"meter": "calls", **rule})
    client = host.client()
    paths = ("/api/answer/200", "/api/inner/deep", "/", "/billing/plans", "/static/none.css", "/no")
    before = len(host.rows(UsageEvent))
    found = []

    for path in paths:
        client.get(path)
        client.options(path)
        now = len(host.rows(UsageEvent))
        found += [path] * (now - before)
        before = now

    assert found == counted


@pytest.mark.parametrize("path", ["/api/answer/503", "/api/stop/500", "/api/break"])
def test_a_failure_costs_nothing(shop: c.Callable[..., Host], path: str) -> None:
    host = shop(API, PROPAGATE_EXCEPTIONS=False)

    assert host.client().get(path).status_code >= 500
    assert used(host) == 0
    assert [event.quantity for event in host.rows(UsageEvent)] == [1, -1]


@pytest.mark.parametrize(
    ("path", "cost"), [("/api/explicit", 2), ("/api/item", 2), ("/api/hidden", 1)]
)
def test_a_metered_view_counts_once(shop: c.Callable[..., Host], path: str, cost: int) -> None:
    host = shop(API)

    assert host.client().get(path).status_code == 200
    assert [event.quantity for event in host.rows(UsageEvent)] == [cost]


def test_a_method_without_a_meter_of_its_own_counts(shop: c.Callable[..., Host]) -> None:
    host = shop(API)
    host.client().post("/api/item")

    assert used(host) == 1


def test_a_cost_is_a_number_a_function_or_its_name(shop: c.Callable[..., Host]) -> None:
    host = shop(
        {"meter": "calls", "endpoints": ["api.answer"], "cost": 2},
        {"meter": "calls", "blueprints": ["api"]},
        {"meter": "words", "endpoints": ["api.answer"], "cost": words},
        {"meter": "strict", "blueprints": ["api"], "cost": f"{__name__}:words"},
    )
    client = host.client()

    assert client.get("/api/answer/200?words=20").status_code == 200
    assert [used(host, meter) for meter in ("calls", "words", "strict")] == [2, 20, 20]
    assert client.get("/api/inner/deep?words=0").status_code == 200
    assert [used(host, meter) for meter in ("calls", "words", "strict")] == [3, 20, 20]


def test_what_another_meter_refuses_costs_nothing(shop: c.Callable[..., Host]) -> None:
    host = shop(API, {"meter": "words", "blueprints": ["api"], "cost": words})
    answer = host.client().get("/api/answer/200?words=51")

    assert (answer.status_code, answer.get_json()["meter"]) == (429, "words")
    assert (used(host), used(host, "words")) == (0, 0)


def test_a_cost_that_fails_breaks_no_request_of_an_open_meter(
    shop: c.Callable[..., Host], caplog: pytest.LogCaptureFixture
) -> None:
    host = shop({"meter": "words", "blueprints": ["api"], "cost": words})

    assert host.client().get("/api/answer/200").status_code == 200
    assert "A request to api.answer could not be counted on words" in caplog.text
    assert "/api/" not in caplog.messages[-1], "a path is what anybody types, line breaks included"

    strict = shop(
        {"meter": "strict", "blueprints": ["api"], "cost": lambda: 1 // 0},
        PROPAGATE_EXCEPTIONS=False,
    )
    assert strict.client().get("/api/answer/200").status_code == 500


def test_whoever_signs_in_before_the_request_is_counted(shop: c.Callable[..., Host]) -> None:
    host = shop(API)
    signed_in: list[str] = []

    @host.app.before_request
    def sign_in() -> ResponseReturnValue | None:
        if "key" in request.args:
            signed_in[:] = [request.args["key"]]
            return None

        return ("no key", 401) if request.path.startswith("/api") else None

    host.billing.owner_loader(lambda: user(signed_in[0]) if signed_in else None)
    client = host.client(None)

    assert client.get("/api/answer/200").status_code == 401
    assert client.get("/api/answer/200?key=7").status_code == 200
    assert used(host) == 1


def test_requests_of_nobody_are_not_counted(shop: c.Callable[..., Host]) -> None:
    host = shop(API)

    assert host.client(None).get("/api/answer/200").status_code == 200
    assert host.rows(UsageEvent) == []


def test_nothing_is_counted_where_metering_is_off(shop: c.Callable[..., Host]) -> None:
    host = shop({"meter": "strict", "blueprints": ["api"], "cost": words})
    host.app.config["BILLING_METERING_ENABLED"] = False

    assert host.client().get("/api/answer/200").status_code == 200
    assert host.rows(UsageEvent) == []


@pytest.mark.parametrize(
    ("setting", "fix"),
    [
        ("api", "Set it to a list of rules"),
        (["api"], "[0] is 'api'. Make it a mapping"),
        ([{"metre": "calls"}], "the key 'metre'. A rule knows meter, blueprints"),
        ([API, {"meter": "cals", "paths": ["/x"]}], "[1] counts on the meter 'cals'"),
        ([{"meter": "calls"}], "Give it blueprints, paths or endpoints"),
        ([{"meter": "calls", "paths": "/api/*"}], "Make it a list of texts"),
        ([{"meter": "calls", "paths": ["api/*"]}], "Begin it with a slash"),
        ([{**API, "cost": 0}], "Make it a whole number from 1"),
        ([{**API, "cost": True}], "Make it a whole number from 1"),
        ([{**API, "cost": "no.such:function"}], "cannot be imported"),
    ],
)
def test_a_rule_that_cannot_work_stops_the_start(
    make_app: c.Callable[..., Host], setting: object, fix: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        make_app(catalog=CATALOG, BILLING_TRACKING=setting)

    assert "BILLING_TRACKING" in str(caught.value)
    assert fix in str(caught.value)


def test_a_rule_that_names_what_the_app_does_not_have_is_told_at_the_first_request(
    shop: c.Callable[..., Host], caplog: pytest.LogCaptureFixture
) -> None:
    host = shop(
        {**API, "blueprints": ["api", "api.inner", "apii"]},
        {"meter": "words", "endpoints": ["api.ans*", "api.anwser"], "cost": 2},
    )
    client = host.client()
    assert [client.get("/api/answer/200").status_code for _ in range(2)] == [200, 200]
    told = [record.getMessage() for record in caplog.records if "names the" in record.getMessage()]

    assert len(told) == 2
    assert told[0].startswith("BILLING_TRACKING[0] names the blueprint 'apii', which the app does")
    assert told[0].endswith("Register it before the first request, or correct the name. "
                            "There are: api, api.inner.")  # fmt: skip
    assert told[1].startswith("BILLING_TRACKING[1] names the endpoint 'api.anwser', which")
    assert "api.answer" in told[1]
