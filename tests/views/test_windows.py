"""A meter with several windows, told in one line: by the one that stops use first."""

from __future__ import annotations

import collections.abc as c
import datetime as dt
import typing as t

import pytest
from flask import render_template_string

from flask_billing import clock, metering

from ..host import Host
from .person import Person, words

MakeApp = c.Callable[..., Host]
Limits = c.Sequence[dict[str, t.Any]]

NOW: t.Final = dt.datetime(2026, 11, 20, 12, 30, tzinfo=dt.UTC)
HOUR: t.Final = {"included": 100, "window": "hour"}
MONTH: t.Final = {"included": 1000, "window": "month"}
BILLED: t.Final = {**MONTH, "policy": "overage", "overage_rate": 50_000}
SOFT: t.Final = {"included": 50, "window": "day", "policy": "soft"}


@pytest.fixture
def shop(make_app: MakeApp, database_url: str) -> c.Callable[..., Host]:
    """An app whose one customer used so much earlier in the month, and so much in this hour."""

    def open_shop(limits: Limits, before: int, now: int, topup: int = 0) -> Host:
        host = make_app(
            database_url,
            catalog={
                "meters": {"api_calls": {"name": "API calls", "unit": "call"}},
                "plans": {
                    "free": {
                        "name": "Free",
                        "limits": [{"meter": "api_calls", **limit} for limit in limits],
                    }
                },
            },
        )
        clock.set_source(host.app, lambda: NOW)

        @host.app.get("/of-the-host")
        def of_the_host() -> str:
            return render_template_string('{{ billing_meter("api_calls") }}')

        with host.app.app_context():
            customer = host.customer()
            earlier = NOW - dt.timedelta(days=3)

            if topup:
                metering.grant_credits(
                    customer, "api_calls", topup, kind="topup", source_key="x", actor="a",
                    reason="Bought them",
                )  # fmt: skip
                host.db.session.commit()

            metering.record("api_calls", before, at=earlier, customer=customer)
            metering.record("api_calls", now, customer=customer)

        return host

    return open_shop


@pytest.mark.parametrize(
    ("limits", "before", "now", "shown", "limit", "left"),
    [
        pytest.param([BILLED, HOUR], 5_000, 94, "This hour", 100, 5, id="one goes on"),
        pytest.param([BILLED, HOUR], 5_000, 1, "This hour", 100, 98, id="though it is fresh"),
        pytest.param(
            [{**BILLED, "overage_cap": 4_100}, HOUR], 5_000, 50, "This month", 5_100, 49,
            id="a cap that is nearer",
        ),
        pytest.param(
            [{**BILLED, "overage_cap": 9_000}, HOUR], 5_000, 60, "This hour", 100, 39,
            id="a cap that is farther",
        ),
        pytest.param([SOFT, MONTH], 100, 90, "This month", 1000, 809, id="a soft one is passed"),
        pytest.param([HOUR, MONTH], 900, 80, "This month", 1000, 19, id="the fuller of two"),
        pytest.param([HOUR, MONTH], 100, 80, "This hour", 100, 19, id="the other is fuller"),
    ],
)  # fmt: skip
def test_the_window_that_stops_first_is_told(
    shop: c.Callable[..., Host],
    limits: Limits,
    before: int,
    now: int,
    shown: str,
    limit: int,
    left: int,
) -> None:
    host = shop(limits, before, now)
    person = Person(host)
    headers = person.client.post("/generate").headers
    window = {"This hour": "hour", "This month": "month"}[shown]

    assert (headers["RateLimit-Limit"], headers["RateLimit-Remaining"]) == (str(limit), str(left))

    with host.app.app_context():
        usage = metering.usage("api_calls", customer=host.customer())
        advice = metering.check("api_calls", 1, customer=host.customer())
        booked = metering.record("api_calls", 1, customer=host.customer())

    assert {usage.window, advice.status.window, booked.status.window} == {window}
    assert (usage.stops_at, usage.left) == (limit, left)

    for path in ("/of-the-host", "/billing/meters/api_calls"):
        assert shown in words(person.open(path, htmx=path.startswith("/billing"))), path


def test_where_none_stops_the_fullest_is_told(shop: c.Callable[..., Host]) -> None:
    host = shop([BILLED, SOFT], 3_000, 30)

    assert "This month" in words(Person(host).open("/of-the-host"))


@pytest.mark.parametrize(("topup", "window"), [(1_000_000, "hour"), (10, "month")])
def test_credits_put_a_stop_off(shop: c.Callable[..., Host], topup: int, window: str) -> None:
    # The month is used up, and goes on by credits; the hour has ten left.
    host = shop([{**MONTH, "policy": "credits"}, HOUR], 910, 90, topup)

    with host.app.app_context():
        assert metering.usage("api_calls", customer=host.customer()).window == window


def test_a_soft_limit_that_was_passed_is_the_reason_whatever_is_told(
    shop: c.Callable[..., Host],
) -> None:
    host = shop([SOFT, MONTH], 100, 49)

    with host.app.app_context():
        told = [
            decision.reason
            for quantity in (1, 1, 1)
            for decision in (
                metering.check("api_calls", quantity, customer=host.customer()),
                metering.consume("api_calls", quantity, customer=host.customer()),
            )
        ]

    assert told == ["within_limit", "within_limit", *["over_limit"] * 4]
