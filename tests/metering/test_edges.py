"""Use in the very second that a period ends or a quota is reset falls into one period, once."""

from __future__ import annotations

import collections.abc as c
import datetime as dt
import random
import typing as t

import pytest

from flask_billing import clock, metering
from flask_billing.catalog import Window
from flask_billing.metering import Fact
from flask_billing.models import UsageCounter, UsageEvent

from ..host import Host

CAME = "2028-01-31T09:30"
#: The window, the customer's time zone, when they came, and the end of a period, all UTC.
EDGES: dict[str, tuple[Window, str | None, str, str]] = {
    "an hour": ("hour", None, CAME, "2028-02-29T12:00"),
    "29 February in UTC": ("day", None, CAME, "2028-02-29T00:00"),
    "the day Berlin's clocks go forward": ("day", "Europe/Berlin", CAME, "2028-03-25T23:00"),
    "the day after": ("day", "Europe/Berlin", CAME, "2028-03-26T22:00"),
    "the day New York's clocks go back": ("day", "America/New_York", CAME, "2028-11-05T04:00"),
    "the day after that": ("day", "America/New_York", CAME, "2028-11-06T05:00"),
    "a week that ends as Auckland's clocks go back": (
        "week", "Pacific/Auckland", CAME, "2028-04-02T12:00",
    ),
    "February of a leap year": ("month", "Asia/Kathmandu", CAME, "2028-02-29T18:15"),
    "March in Berlin": ("month", "Europe/Berlin", CAME, "2028-03-31T22:00"),
    "a cycle from 31 January to 29 February": ("billing_period", None, CAME, "2028-02-29T09:30"),
    "a cycle from 29 February to 31 March": ("billing_period", None, CAME, "2028-03-31T09:30"),
    "a cycle to 28 February": (
        "billing_period", None, "2027-01-30T23:59:59", "2027-02-28T23:59:59",
    ),
    "a one-shot allowance": ("lifetime", None, CAME, "2028-02-29T12:00"),
}  # fmt: skip
SECOND, TICK = dt.timedelta(seconds=1), dt.timedelta(microseconds=1)


class Edge:
    """A customer at the end of a period, whom two processes serve."""

    def __init__(
        self,
        make_app: c.Callable[..., Host],
        url: str,
        window: Window,
        zone: str | None,
        came: str,
    ) -> None:
        self.window = window
        self.booked = 0
        limits = [
            {"meter": "tokens", "included": 10**6, "window": window},
            {"meter": "tokens", "included": 10**5, "window": window, "scope": "member"},
        ]
        plans = {"free": {"name": "Free", "limits": limits}}
        catalog = {"meters": {"tokens": {"name": "Tokens"}}, "plans": plans}
        self.host = make_app(url, catalog=catalog)
        # It learns of nothing by itself, and its clock is behind.
        self.other = make_app(
            url, catalog=catalog, create=False, BILLING_LIMIT_CACHE=dt.timedelta(days=900)
        )
        self.behind = dt.timedelta(0)
        self.now = _at(came)
        clock.set_source(self.host.app, lambda: self.now)
        clock.set_source(self.other.app, lambda: self.now - self.behind)

        with self.host.app.app_context():
            self.host.customer().timezone = zone
            self.host.db.session.commit()

    def consume(self) -> None:
        """Use some, as somebody."""
        self.booked += 1

        with self.host.app.app_context():
            metering.consume("tokens", 1, customer=self.host.customer(), member="ann")

    def consume_elsewhere(self) -> None:
        """Use some in the other process."""
        self.booked += 2

        with self.other.app.app_context():
            metering.consume("tokens", 2, customer=self.other.customer(), member="bob")

    def reserve_elsewhere(self) -> None:
        """Hold some in the other process and use less."""
        self.booked += 4

        with self.other.app.app_context():
            metering.reserve("tokens", 9, customer=self.other.customer(), member="bob").settle(4)

    def record(self) -> None:
        """Book facts together, and one with its time."""
        self.booked += 24

        with self.host.app.app_context():
            customer = self.host.customer()
            key = str(len(self.host.rows(UsageEvent)))
            metering.record_many([Fact("tokens", 8, key, customer, None, {"member": "ann"})])
            metering.record("tokens", 16, at=self.now, customer=customer, member="bob")

    def take_back(self) -> None:
        """Use some and fail."""
        with self.host.app.app_context():
            customer = self.host.customer()
            metering.refund(metering.consume("tokens", 32, customer=customer, member="ann"))

    def reset(self) -> None:
        """An admin resets the quota."""
        with self.host.app.app_context():
            metering.reset_quota(
                self.host.customer(), "tokens", self.window, actor="ada", reason="-"
            )

    def used(self) -> int:
        """What the page says."""
        with self.host.app.app_context():
            return metering.usage("tokens", customer=self.host.customer()).used

    def balances(self) -> bool:
        """Whether each unit is booked, in one counter of the pool and one of its member."""
        rows = self.host.rows(UsageCounter)
        events = sum(event.quantity for event in self.host.rows(UsageEvent))
        pool = sum(row.used for row in rows if "|" not in row.bucket)
        members = sum(row.used for row in rows if "|" in row.bucket)

        with self.host.app.app_context():
            differences = metering.reconcile_usage(since=dt.timedelta(days=500)).differences

        return (events, pool, members, differences) == (*[self.booked] * 3, [])


def _at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


@pytest.mark.parametrize("behind", [dt.timedelta(0), SECOND], ids=["in step", "behind"])
@pytest.mark.parametrize("edge", EDGES)
def test_use_around_the_end_of_a_period_and_a_reset_counts_once(
    make_app: c.Callable[..., Host], database_url: str, edge: str, behind: dt.timedelta
) -> None:
    window, zone, came, ends = EDGES[edge]
    shop = Edge(make_app, database_url, window, zone, came)
    end, dice = _at(ends), random.Random(edge)
    booking: list[c.Callable[[], None]] = [
        shop.consume, shop.consume_elsewhere, shop.reserve_elsewhere, shop.record, shop.take_back,
    ]  # fmt: skip
    shop.now = end - 2 * SECOND

    for _ in range(2):
        shop.consume()
        shop.consume_elsewhere()

    shop.behind = behind

    for before in (SECOND, TICK):
        shop.now = end - before
        shop.consume()
        shop.consume_elsewhere()

    old = shop.used()
    assert old == 12
    shop.now = end
    shop.consume()
    assert shop.used() == (13 if window == "lifetime" else 1), "the next period begins here"
    assert shop.balances()

    for moment in (end, end + TICK, end + SECOND):
        shop.now = max(moment, end + behind)

        for steps in ([*booking, shop.reset], [*booking, shop.reset, shop.reset], booking):
            dice.shuffle(steps)

            for step in steps:
                step()

            assert shop.balances(), (moment, [step.__name__ for step in steps])

    shop.now += 2 * SECOND
    shop.reset()
    assert shop.used() == 0
    shop.consume()
    shop.record()
    shop.consume_elsewhere() if not behind else shop.consume()
    assert shop.used() == 25 + (1 if behind else 2)
    assert shop.balances()


def _moves(edge: Edge, zone: str) -> None:
    with edge.host.app.app_context():
        edge.host.customer().timezone = zone
        edge.host.db.session.commit()


@pytest.mark.parametrize("window", ["day", "week", "month"])
def test_customers_who_move_around_the_world_have_each_unit_in_one_period(
    make_app: c.Callable[..., Host], database_url: str, window: t.Any
) -> None:
    edge = Edge(make_app, database_url, window, "Asia/Kathmandu", CAME)
    zones = ["America/New_York", "Pacific/Auckland", "Europe/Berlin", "Asia/Kathmandu"]
    edge.now = _at("2028-02-27T12:00")

    for turn in range(18):
        edge.consume()
        edge.record()
        _moves(edge, zones[turn % len(zones)])
        edge.consume()
        assert edge.balances(), turn
        edge.now += dt.timedelta(hours=5, minutes=45)

    with edge.host.app.app_context():
        metering.close_all_ended()

    assert edge.balances()
