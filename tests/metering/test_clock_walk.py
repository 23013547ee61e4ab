"""A clock that walks over month ends, clock changes and leap days, with customers around the world.

The periods expected are told in each customer's own calendar, by the standard library, and not
by the code under test.
"""

from __future__ import annotations

import calendar
import collections
import collections.abc as c
import datetime as dt
import typing as t
import zoneinfo

import pytest

from flask_billing import clock, metering
from flask_billing.models import UsageCounter, UsageEvent, UsageNotice

from ..host import Host

WINDOWS = ("hour", "day", "week", "month", "billing_period")
ZONES = (None, "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Pacific/Auckland")
CATALOG: dict[str, t.Any] = {
    "meters": {window: {"name": window} for window in WINDOWS},
    "plans": {
        "free": {
            "name": "Free",
            "limits": [
                {"meter": window, "included": 2, "window": window, "thresholds": [100]}
                for window in WINDOWS
            ],
        }
    },
}
#: Where each walk begins, how far a step goes, and how many there are. The first is when the
#: customers came, so their billing periods are counted from there.
WALKS = {
    "31 January to the end of March of a leap year": ("2028-01-31T22:30", 11 * 60, 130),
    "28 February of no leap year": ("2027-02-26T09:15", 5 * 60, 20),
    "29 February, hour by hour": ("2028-02-28T20:10", 60, 36),
    "Berlin's spring, every 20 minutes": ("2026-03-28T22:10", 20, 12),
    "New York's autumn, every 20 minutes": ("2026-11-01T03:10", 20, 16),
    "the turn of a year": ("2026-12-30T12:00", 7 * 60, 14),
}


def period(window: str, now: dt.datetime, zone: dt.tzinfo, came: dt.datetime) -> t.Hashable:
    """What tells one period of a customer from the next."""
    day = now.astimezone(zone).date()

    if window == "hour":
        return now.replace(minute=0)

    if window == "day":
        return day

    if window == "week":
        return day.isocalendar()[:2]

    if window == "month":
        return day.year, day.month

    return sum(1 for start in _anniversaries(came) if start <= now)


def _anniversaries(came: dt.datetime) -> c.Iterator[dt.datetime]:
    for month in range(came.month - 1, came.month + 11):
        year, number = came.year + month // 12, month % 12 + 1
        day = min(came.day, calendar.monthrange(year, number)[1])
        yield came.replace(year=year, month=number, day=day)


@pytest.mark.parametrize("walk", WALKS)
def test_each_period_gives_its_quota_once(
    make_app: c.Callable[..., Host], database_url: str, walk: str
) -> None:
    start, minutes, steps = WALKS[walk]
    came = now = dt.datetime.fromisoformat(start).replace(tzinfo=dt.UTC)
    host = make_app(database_url, catalog=CATALOG)
    clock.set_source(host.app, lambda: now)
    granted: collections.Counter[tuple[int, str, t.Hashable]] = collections.Counter()

    with host.app.app_context():
        customers = [host.customer(str(number)) for number, _ in enumerate(ZONES)]

        for customer, name in zip(customers, ZONES, strict=True):
            customer.timezone = name

        host.db.session.commit()
        zones = [zoneinfo.ZoneInfo(zone or "UTC") for zone in ZONES]

        for _ in range(steps):
            for customer, zone in zip(customers, zones, strict=True):
                for window in WINDOWS:
                    mine = (customer.id, window, period(window, now, zone, came))
                    decision = _use(customer, window)
                    left = granted[mine] < 2

                    assert bool(decision) == left, (now, zone, window)
                    assert decision.resets_at is not None
                    assert decision.resets_at > now
                    assert period(window, decision.resets_at, zone, came) != mine[2]
                    last = decision.resets_at - dt.timedelta(minutes=1)
                    assert period(window, last, zone, came) == mine[2], (now, window)
                    granted[mine] += left

            now += dt.timedelta(minutes=minutes)

    _books_balance(host, granted)


def _use(customer: t.Any, meter: str) -> metering.Decision:
    try:
        return metering.consume(meter, customer=customer)
    except metering.QuotaExceeded as refusal:
        return refusal.decision


def _books_balance(host: Host, granted: collections.Counter[tuple[int, str, t.Hashable]]) -> None:
    """One counter a period, with what it gave; and one notice for each that is used up."""
    counters = host.rows(UsageCounter)
    expected = sorted((customer, meter, used) for (customer, meter, _), used in granted.items())

    assert sorted((row.customer_id, row.meter, row.used) for row in counters) == expected
    assert len(host.rows(UsageEvent)) == granted.total()
    assert len(host.rows(UsageNotice)) == sum(used == 2 for used in granted.values())
