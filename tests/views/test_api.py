"""The JSON beside the pages."""

from __future__ import annotations

import typing as t

from ..host import Host
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
