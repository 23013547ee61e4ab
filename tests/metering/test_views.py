"""Metered views, as browsers, scripts and htmx meet them."""

from __future__ import annotations

import collections.abc as c
import json
import typing as t

import pytest
from flask import abort, request
from flask.typing import ResponseReturnValue
from werkzeug.test import TestResponse

from flask_billing import metering
from flask_billing.errors import InvalidUsageError
from flask_billing.models import UsageCounter, UsageEvent, UsageRollup

from ..host import Host

CATALOG: dict[str, t.Any] = {
    "meters": {
        "calls": {"name": "API calls", "unit": "call"},
        "words": {"name": "Words"},
        "seen": {"name": "Seen"},
    },
    "plans": {
        "free": {
            "name": "Free",
            "limits": [
                {"meter": "calls", "included": 5, "window": "day"},
                {"meter": "words", "included": 100, "window": "lifetime"},
            ],
        },
        "pro": {
            "name": "Pro",
            "rank": 1,
            "prices": [{"interval": "month", "amount": 9900}],
            "limits": [
                {"meter": "calls", "included": 5000, "window": "day"},
                {"meter": "words", "included": -1},
            ],
        },
    },
}
PEOPLE = {"Accept": "text/html,application/xhtml+xml"}
HTMX = {"HX-Request": "true", "Accept": "text/html"}


class BrokenError(Exception):
    """What a view raises that fails."""


@pytest.fixture
def shop(make_app: c.Callable[..., Host]) -> Host:
    """A host whose views cost calls and words."""
    host = make_app(catalog=CATALOG)
    add_views(host)
    return host


@pytest.fixture
def any_shop(make_app: c.Callable[..., Host], database_url: str) -> Host:
    """The same on SQLite and on PostgreSQL in turn, for what is written there."""
    host = make_app(database_url, catalog=CATALOG)
    add_views(host)
    return host


def add_views(host: Host) -> None:
    """Views that answer with what the address says."""
    app, billing = host.app, host.billing

    @app.route("/answer/<int:status>", methods=["GET", "POST"])
    @billing.metered("calls")
    def answer(status: int) -> ResponseReturnValue:
        return "answered", status, dict(request.args)

    @app.get("/abort/<int:status>")
    @billing.metered("calls")
    def stop(status: int) -> ResponseReturnValue:
        abort(status)

    @app.get("/break")
    @billing.metered("calls")
    def broken() -> ResponseReturnValue:
        raise BrokenError

    @app.post("/write")
    @billing.metered("words", lambda: int(request.form["words"]))
    def write() -> ResponseReturnValue:
        return "written"

    @app.post("/generate-words")
    @billing.metered("calls")
    def generate_words() -> ResponseReturnValue:
        billing.consume("words", int(request.form["words"]))
        return "generated"

    @app.get("/seen")
    @billing.metered("seen")
    def seen() -> ResponseReturnValue:
        return "seen"


def exhausted(host: Host, **options: t.Any) -> TestResponse:
    """The answer to the call after the last one."""
    client = host.client()

    for _ in range(5):
        assert client.get("/answer/200").status_code == 200

    return client.get("/answer/200", **options)


def used(host: Host, meter: str = "calls") -> int:
    """Committed usage."""
    return sum(counter.used for counter in host.rows(UsageCounter, meter=meter))


def test_a_call_is_counted_with_its_endpoint_and_status(any_shop: Host) -> None:
    client = any_shop.client()
    statuses = [
        client.get(path).status_code for path in ("/answer/200", "/answer/201", "/abort/404")
    ]
    events = any_shop.rows(UsageEvent)

    assert statuses == [200, 201, 404]
    assert [(event.endpoint, event.status, event.quantity) for event in events] == [
        ("answer", 200, 1),
        ("answer", 201, 1),
        ("stop", 404, 1),
    ]
    assert used(any_shop) == 3


def test_every_answer_tells_what_is_left(shop: Host) -> None:
    answer = shop.client().get("/answer/200")

    assert answer.headers["RateLimit-Limit"] == "5"
    assert answer.headers["RateLimit-Remaining"] == "4"
    assert 0 < int(answer.headers["RateLimit-Reset"]) <= 86_400


def test_an_unlimited_meter_tells_nothing(shop: Host) -> None:
    answer = shop.client().get("/seen")

    assert not [name for name, _ in answer.headers if name.startswith("RateLimit")]


@pytest.mark.parametrize("path", ["/answer/500", "/answer/503", "/abort/502"])
def test_a_server_error_costs_nothing(any_shop: Host, path: str) -> None:
    any_shop.client().get(path)
    events = any_shop.rows(UsageEvent)

    assert used(any_shop) == 0
    assert [event.quantity for event in events] == [1, -1]
    assert {event.status for event in events} == {int(path[-3:])}
    assert [(rollup.events, rollup.quantity) for rollup in any_shop.rows(UsageRollup)] == [(0, 0)]


@pytest.mark.parametrize("propagates", [True, False])
def test_an_exception_costs_nothing(any_shop: Host, propagates: bool) -> None:
    any_shop.app.config["PROPAGATE_EXCEPTIONS"] = propagates

    if propagates:
        with pytest.raises(BrokenError):
            any_shop.client().get("/break")
    else:
        assert any_shop.client().get("/break").status_code == 500

    assert used(any_shop) == 0
    assert [event.quantity for event in any_shop.rows(UsageEvent)] == [1, -1]


def test_a_call_that_another_meter_refuses_costs_nothing(any_shop: Host) -> None:
    client = any_shop.client()

    assert client.post("/generate-words", data={"words": 80}).status_code == 200
    assert client.post("/generate-words", data={"words": 30}).status_code == 429
    assert (used(any_shop, "words"), used(any_shop)) == (80, 1)


def test_a_cost_may_depend_on_the_request(any_shop: Host) -> None:
    client = any_shop.client()

    assert client.post("/write", data={"words": 60}).status_code == 200
    assert client.post("/write", data={"words": 60}).status_code == 429
    assert client.post("/write", data={"words": 40}).status_code == 200
    assert used(any_shop, "words") == 100


def test_a_request_that_costs_nothing_is_not_counted(any_shop: Host) -> None:
    assert any_shop.client().post("/write", data={"words": 0}).status_code == 200
    assert any_shop.client(None).post("/write", data={"words": 0}).status_code == 401
    assert any_shop.rows(UsageEvent) == []


def test_a_script_gets_a_problem_document(any_shop: Host) -> None:
    answer = exhausted(any_shop)
    problem = json.loads(answer.data)
    resets_at = problem.pop("resets_at")

    assert (answer.status_code, answer.mimetype) == (429, "application/problem+json")
    assert problem == {
        "type": "about:blank",
        "title": "Quota exceeded",
        "status": 429,
        "detail": "API calls: 5 of 5 used, and this needs 1 more. Nothing was used or charged.",
        "code": "quota_exceeded",
        "reason": "over_limit",
        "meter": "calls",
        "used": 5,
        "limit": 5,
        "remaining": 0,
        "requested": 1,
        "window": "day",
        "plan": "free",
        "suggested_plan": "pro",
        "upgrade_url": "/billing/plans",
    }
    assert resets_at.endswith("T00:00:00+00:00")
    assert answer.headers["Retry-After"] == answer.headers["RateLimit-Reset"]
    assert answer.headers["RateLimit-Remaining"] == "0"
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_person_gets_the_upgrade_page(shop: Host) -> None:
    answer = exhausted(shop, headers=PEOPLE)

    assert (answer.status_code, answer.mimetype) == (429, "text/html")
    assert "<html" in answer.text
    assert "Upgrade to Pro" in answer.text
    assert 'href="/billing/plans"' in answer.text


def test_htmx_gets_a_fragment_and_an_event(shop: Host) -> None:
    answer = exhausted(shop, headers=HTMX)
    event = json.loads(answer.headers["HX-Trigger"])

    assert answer.status_code == 429
    assert "<html" not in answer.text
    assert "Upgrade to Pro" in answer.text
    assert event["billing:quota-exceeded"]["meter"] == "calls"
    assert "HX-Request" in answer.headers["Vary"]


def test_a_boosted_link_gets_the_whole_page(shop: Host) -> None:
    answer = exhausted(shop, headers={**HTMX, "HX-Boosted": "true"})

    assert "<html" in answer.text


def test_a_one_shot_allowance_names_no_time_to_retry(any_shop: Host) -> None:
    client = any_shop.client()
    client.post("/write", data={"words": 100})
    answer = client.post("/write", data={"words": 1})

    assert answer.status_code == 429
    assert "Retry-After" not in answer.headers
    assert "RateLimit-Reset" not in answer.headers
    assert json.loads(answer.data)["resets_at"] is None


def test_the_status_of_a_refusal_can_be_402(make_app: c.Callable[..., Host]) -> None:
    host = make_app(catalog=CATALOG, BILLING_QUOTA_STATUS=402)
    add_views(host)

    assert exhausted(host).status_code == 402


@pytest.mark.parametrize(
    ("existing", "merged"),
    [
        ("", "billing:usage"),
        ("saved, closed", "saved, closed, billing:usage"),
        ('{"saved": {"id": 7}}', '{"saved": {"id": 7}, "billing:usage": null}'),
        ("{saved: 7}", "{saved: 7}"),  # which is no JSON, and breaks no request
    ],
)
def test_open_meters_are_told_to_look_again(shop: Host, existing: str, merged: str) -> None:
    query = {"HX-Trigger": existing} if existing else {}
    answer = shop.client().get("/answer/200", query_string=query, headers=HTMX)

    assert answer.headers["HX-Trigger"] == merged


def test_who_is_not_signed_in_is_not_counted(any_shop: Host) -> None:
    script = any_shop.client(None).get("/answer/200")
    person = any_shop.client(None).get("/answer/200", headers=PEOPLE)

    assert (script.status_code, person.status_code) == (401, 401)
    assert any_shop.rows(UsageEvent) == []


def test_consume_in_a_view_is_for_whoever_is_signed_in(any_shop: Host) -> None:
    any_shop.client("1").post("/generate-words", data={"words": 10})
    any_shop.client("2").post("/generate-words", data={"words": 20})

    with any_shop.app.app_context():
        left = [metering.usage("words", customer=any_shop.customer(owner)).used for owner in "12"]

    assert left == [10, 20]


def test_usage_stays_when_the_view_rolls_back(any_shop: Host) -> None:
    @any_shop.app.post("/roll-back")
    @any_shop.billing.metered("calls")
    def roll_back() -> ResponseReturnValue:
        any_shop.db.session.rollback()
        return "rolled back"

    any_shop.client().post("/roll-back")

    assert used(any_shop) == 1


def test_a_view_that_names_no_meter_is_refused_where_it_is_written(host: Host) -> None:
    with pytest.raises(InvalidUsageError, match=r'as @billing\.metered\("reports"\) does'):
        host.billing.metered(t.cast("str", lambda: "report"))
