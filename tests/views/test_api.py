"""The JSON beside the pages."""

from __future__ import annotations

import collections.abc as c
import datetime as dt
import typing as t

from ..host import CATALOGS, Host
from .person import Person


def test_usage_as_json(host: Host) -> None:
    with host.app.app_context():
        host.billing.record("tokens", 95_000, customer=host.customer())

    answer = host.client().get("/billing/api/usage")
    found = _json(answer)
    tokens = found["meters"][0]

    assert answer.headers["Cache-Control"] == "private, no-store"
    assert found["plan"] == {"key": "free", "name": "Free"}
    assert tokens["meter"] == "tokens"
    assert (tokens["used"], tokens["limit"], tokens["remaining"]) == (95_000, 100_000, 5_000)
    assert (tokens["has_reset"], tokens["resets_at"]) == (False, None)
    assert tokens["level"] == "critical"
    assert tokens["overage_rate"] is None
    assert found["meters"][1]["has_reset"] is True
    assert found["meters"][1]["resets_at"].endswith("+00:00")


def test_the_fields_are_the_documented_ones(make_app: c.Callable[..., Host]) -> None:
    """Other programs read them, so none may vanish or change its name."""
    host = make_app(catalog=CATALOGS / "runs.toml")
    person = Person(host)
    person.buy("max")
    usage = _json(person.client.get("/billing/api/usage"))
    tokens = usage["meters"][0]
    resets_at = dt.datetime.fromisoformat(tokens.pop("resets_at"))

    assert tokens == {
        "meter": "tokens",
        "name": "Tokens",
        "unit": "token",
        "plan": {"key": "max", "name": "Max"},
        "window": "billing_period",
        "used": 0,
        "limit": 10_000_000,
        "remaining": 10_000_000,
        "unlimited": False,
        "has_reset": True,
        "level": "ok",
        "colour": "ok",
        "over": 0,
        "goes_on": True,
        "stops_at": 15_000_000,
        "overage_rate": 200,
        "estimated_charge": None,
    }
    subscription = _json(person.client.get("/billing/api/subscription"))
    ends = dt.datetime.fromisoformat(subscription.pop("current_period_end"))
    starts = dt.datetime.fromisoformat(subscription.pop("current_period_start"))

    assert starts < ends == resets_at
    assert dt.datetime.fromisoformat(subscription.pop("started_at")) == starts
    assert subscription == {
        "plan": {"key": "max", "name": "Max"},
        "allowed": True,
        "reason": "active",
        "until": None,
        "status": "active",
        "interval": "month",
        "quantity": 1,
        "unit_amount": 49_900,
        "currency": "usd",
        "ended_at": None,
        "trial_end": None,
        "cancel_at": None,
    }


def test_what_is_unlimited_has_neither_limit_nor_rest(make_app: c.Callable[..., Host]) -> None:
    host = make_app(catalog=CATALOGS / "single.toml")
    person = Person(host)
    nothing = _json(person.client.get("/billing/api/usage"))
    assert (nothing["plan"], nothing["meters"][0]["limit"]) == (None, 0)

    person.buy("membership")
    [reports] = _json(person.client.get("/billing/api/usage"))["meters"]
    assert (reports["limit"], reports["remaining"], reports["unlimited"]) == (None, None, True)


def test_the_subscription_as_json(host: Host) -> None:
    free = _json(host.client().get("/billing/api/subscription"))
    assert (free["plan"], free["status"], free["reason"]) == (
        {"key": "free", "name": "Free"},
        None,
        "free",
    )

    person = Person(host)
    person.buy("pro", "year")
    trial = _json(person.client.get("/billing/api/subscription"))
    assert trial["plan"] == {"key": "pro", "name": "Pro"}
    assert trial["status"] == "trialing"
    assert trial["allowed"] is True
    assert trial["interval"] == "year"
    assert trial["started_at"] < trial["trial_end"]
    assert trial["ended_at"] is None


def test_nobody_is_refused_as_json(host: Host) -> None:
    for path in ("/billing/api/usage", "/billing/api/subscription"):
        answer = host.client(None).get(path, headers={"Accept": "text/html"})
        assert answer.status_code == 401
        assert answer.content_type == "application/problem+json"
        assert _json(answer)["code"] == "not_signed_in"


def _json(answer: t.Any) -> dict[str, t.Any]:
    found: dict[str, t.Any] = answer.json
    return found
