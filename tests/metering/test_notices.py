"""Thresholds: told once per period and limit, and mailed once for the highest."""

from __future__ import annotations

import collections.abc as c
import concurrent.futures
import contextlib
import datetime as dt
import typing as t

import pytest

from flask_billing import clock, metering
from flask_billing.metering.overrides import set_override
from flask_billing.models import Outbox, UsageNotice

from ..host import Host

CATALOG: dict[str, t.Any] = {
    "meters": {"calls": {"name": "Calls"}},
    "plans": {
        "free": {
            "name": "Free",
            "limits": [
                {"meter": "calls", "included": 100, "window": "day"},
                {"meter": "calls", "included": 1000, "window": "month", "thresholds": [10, 50]},
            ],
        }
    },
}
NOON = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
DAY = "d:2026-11-20"


@pytest.fixture
def shop(make_app: c.Callable[..., Host], database_url: str) -> Host:
    """A host at noon."""
    host = make_app(database_url, catalog=CATALOG)
    clock.set_source(host.app, lambda: NOON)
    return host


def use(host: Host, *amounts: int) -> None:
    """Book amounts one after another."""
    with host.app.app_context():
        for amount in amounts:
            metering.record("calls", amount, customer=host.customer())


def told(host: Host, kind: str, name: str) -> list[tuple[str, int]]:
    """Bucket and percent of what is in the outbox."""
    return sorted(
        (row.body["bucket"], row.body["percent"]) for row in host.rows(Outbox, kind=kind, name=name)
    )


def signals(host: Host) -> list[tuple[str, int]]:
    """Thresholds signalled."""
    return told(host, "signal", "usage.threshold_reached")


def mails(host: Host) -> list[tuple[str, int]]:
    """Thresholds mailed."""
    return told(host, "mail", "usage_threshold")


def test_a_leap_is_mailed_once_for_the_highest(shop: Host) -> None:
    use(shop, 79)
    assert (signals(shop), mails(shop)) == ([], [])

    use(shop, 18)
    assert signals(shop) == [(DAY, 80), (DAY, 95)]
    assert mails(shop) == [(DAY, 95)]

    use(shop, 3)  # two limits at once: 100 % of the day, 10 % of the month
    assert signals(shop) == [(DAY, 80), (DAY, 95), (DAY, 100), ("m:2026-11", 10)]
    assert mails(shop) == [(DAY, 95), (DAY, 100)]
    assert len(shop.rows(UsageNotice)) == 4


def test_each_period_tells_anew(shop: Host) -> None:
    use(shop, 80)
    clock.set_source(shop.app, lambda: NOON + dt.timedelta(days=1))
    use(shop, 79, 1)

    # The 100th of the month came on the way.
    assert mails(shop) == [(DAY, 80), ("d:2026-11-21", 80), ("m:2026-11", 10)]


def test_what_was_taken_back_and_used_again_is_told_once(shop: Host) -> None:
    with shop.app.app_context():
        for _ in range(3):
            metering.refund(metering.consume("calls", 80, customer=shop.customer()))

    assert (signals(shop), mails(shop)) == ([(DAY, 80)], [(DAY, 80)])


def test_another_limit_tells_anew(shop: Host) -> None:
    use(shop, 80)

    with shop.app.app_context():
        set_override(shop.customer(), "calls", 200, window="day", actor="ada", reason="a test")
        shop.db.session.commit()
        shop.state.caches.clear()

    use(shop, 79, 1)
    assert [
        (row.body["limit"], row.body["percent"])
        for row in shop.rows(Outbox, name="usage_threshold")
    ] == [(100, 80), (1000, 10), (200, 80)]


def test_a_lowered_limit_mails_the_highest_it_passed_once(shop: Host) -> None:
    use(shop, 60)

    for limit in (62, 61):
        with shop.app.app_context():
            set_override(shop.customer(), "calls", limit, window="day", actor="ada", reason="-")
            shop.db.session.commit()

    use(shop, 1)
    shop.state.caches.clear()
    assert signals(shop) == [(DAY, 80), (DAY, 95), (DAY, 100)]
    assert mails(shop) == [(DAY, 100)]


def test_mails_can_be_switched_off(shop: Host) -> None:
    shop.app.config["BILLING_USAGE_MAILS"] = False
    use(shop, 100)

    assert signals(shop) == [(DAY, 80), (DAY, 95), (DAY, 100), ("m:2026-11", 10)]
    assert mails(shop) == []


def test_eight_at_once_tell_once(shop: Host) -> None:
    heard: list[int] = []

    @shop.billing.on("usage.threshold_reached")
    def listen(sender: object, percent: int, bucket: str, **_: object) -> None:
        if bucket == DAY:
            heard.append(percent)

    @shop.billing.on("quota.exceeded")
    def exceeded(sender: object, bucket: str, **_: object) -> None:
        heard.append(-1)

    def work(number: int) -> None:
        with shop.app.app_context():
            for _ in range(15):
                with contextlib.suppress(metering.QuotaExceeded):
                    metering.consume("calls", 1, customer=shop.customer())

    use(shop, 1)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))

    assert sorted(heard) == [-1, 80, 95, 100]
    assert mails(shop) == [(DAY, 80), (DAY, 95), (DAY, 100)]
    assert len(shop.rows(Outbox, name="quota.exceeded")) == 1
