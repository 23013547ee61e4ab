"""Every unit belongs to one billing period, however plans and anchors change to and fro."""

from __future__ import annotations

import collections.abc as c
import typing as t
from datetime import timedelta

import pytest
import sqlalchemy as sa

from flask_billing import metering
from flask_billing.metering import Fact
from flask_billing.models import Subscription, UsageCounter, UsageEvent

from ..host import Host
from .shop import Shop

MONTH = {"meter": "tokens", "included": 500, "window": "month"}
CYCLE = {"meter": "tokens", "included": 1000, "window": "billing_period"}


def plan(name: str, rank: int, *limits: dict[str, t.Any]) -> dict[str, t.Any]:
    """A plan with these limits."""
    prices = [{"interval": "month", "amount": 900}] if rank else []
    return {"name": name, "rank": rank, "prices": prices, "limits": [*limits]}


CATALOG = {
    "meters": {"tokens": {"name": "Tokens"}},
    "plans": {
        "free": plan("Free", 0, {**CYCLE, "included": 100}),
        "monthly": plan("Monthly", 1, MONTH),
        "pro": plan("Pro", 2, CYCLE, {**CYCLE, "included": 400, "scope": "member"}),
    },
}


@pytest.fixture
def shop(make_app: c.Callable[..., Host], database_url: str) -> c.Iterator[Shop]:
    """A customer who came at noon, and whose books balance in the end, repaired or not."""
    host = make_app(database_url, catalog=CATALOG)

    with host.app.app_context():
        shop = Shop(host)
        host.customer()
        shop.wait(days=1)
        yield shop
        assert metering.reconcile_usage(repair=True).differences == []
        periods = [row for row in host.rows(UsageCounter) if row.bucket[:2] == "b:"]
        counted = sum(row.used for row in periods if "|" not in row.bucket)
        assert counted == sum(event.quantity for event in host.rows(UsageEvent))

        # Whatever they are tampered with, they are put right again.
        before = used(shop)
        session = host.db.session
        session.execute(sa.update(UsageCounter).values(used=UsageCounter.used + 3))
        session.commit()
        assert metering.reconcile_usage(repair=True).unrepaired == []
        assert used(shop) == before


def used(shop: Shop) -> dict[str, int]:
    """Units by the key of their counter."""
    return {row.bucket: row.used for row in shop.host.rows(UsageCounter)}


def use(shop: Shop, quantity: int, **options: t.Any) -> metering.Decision:
    """Use tokens, an hour later."""
    shop.wait(hours=1)
    return metering.consume("tokens", quantity, customer=shop.host.customer(), **options)


def change(shop: Shop, **columns: object) -> None:
    """Let Stripe say something else of the subscription."""
    session = shop.host.db.session
    session.execute(sa.update(Subscription).values(**columns))
    session.commit()


def test_a_period_goes_on_while_another_plan_counts_by_the_month(shop: Shop) -> None:
    shop.subscribe("pro")
    use(shop, 60, member="ann")
    change(shop, plan="monthly")
    use(shop, 7, member="ann")
    metering.record_many([Fact("tokens", 2, "many", shop.host.customer(), None, {"member": "bob"})])
    hold = metering.reserve("tokens", 50, customer=shop.host.customer(), member="ann")
    change(shop, plan="pro")
    hold.settle(20)

    use(shop, 1, member="ann")
    assert used(shop) == {
        "b:2026-11-21T12:00Z": 90,
        "b:2026-11-21T12:00Z|member=ann": 88,
        "m:2026-11": 90,
    }


def test_a_period_that_is_left_and_taken_up_again_has_not_what_the_other_counted(
    shop: Shop,
) -> None:
    shop.subscribe("pro")
    anchor = shop.now
    use(shop, 60)
    shop.wait(days=4)
    other = shop.now
    change(shop, anchor=other)
    use(shop, 9, key="other")
    metering.correct("other", 5, customer=shop.host.customer(), actor="ada", reason="-")
    change(shop, anchor=anchor)

    assert use(shop, 7).used == 67
    change(shop, anchor=other)
    assert use(shop, 1).used == 6
    shop.wait(days=30)
    metering.close_all_ended()


def test_a_period_that_is_opened_after_another_has_counted_leaves_that_out(shop: Shop) -> None:
    shop.wait(days=5)
    shop.subscribe("pro")
    late = shop.now + timedelta(hours=2)
    use(shop, 60)
    hold = metering.reserve("tokens", 30, customer=shop.host.customer())
    change(shop, status="canceled")
    hold.settle(5)

    assert use(shop, 7).used == 7
    change(shop, status="active")
    metering.record("tokens", 3, at=late, customer=shop.host.customer())
    assert sorted(used(shop).items())[:2] == [
        ("b:2026-11-20T12:00Z", 7),
        ("b:2026-11-26T12:00Z", 68),
    ]


def test_a_late_fact_of_before_a_subscription_is_of_the_period_of_then(shop: Shop) -> None:
    use(shop, 10)
    happened = shop.now
    shop.wait(days=5)
    shop.subscribe("pro")
    use(shop, 60)
    customer = shop.host.customer()
    metering.record("tokens", 4, at=happened, customer=customer)
    metering.record_many([Fact("tokens", 1, key, customer, happened) for key in "ab"])

    assert [row.used for row in shop.host.rows(UsageCounter) if "|" not in row.bucket] == [16, 60]


def test_resets_divide_a_period_that_others_lie_in(shop: Shop) -> None:
    shop.subscribe("pro")
    anchor = shop.now
    use(shop, 60, key="first")
    metering.reset_quota(shop.host.customer(), "tokens", "billing_period", actor="ada", reason="-")
    assert use(shop, 5).used == 5
    change(shop, anchor=shop.now)
    use(shop, 9)
    change(shop, anchor=anchor)
    assert use(shop, 1).used == 6
    metering.correct("first", 50, customer=shop.host.customer(), actor="ada", reason="-")
    assert sorted(used(shop).values()) == sorted([50, 6, 9, 50, 6, 9])


def test_a_trial_that_goes_on_longer_is_booked_into_before_any_job_runs(shop: Shop) -> None:
    shop.subscribe("pro")
    began = shop.now
    ends = began + timedelta(days=14)
    change(shop, status="trialing", trial_start=began, trial_end=ends, anchor=ends)
    use(shop, 60)
    change(shop, trial_end=ends + timedelta(days=7), anchor=ends + timedelta(days=7))
    shop.now = ends + timedelta(hours=1)
    assert use(shop, 7).used == 67
    metering.close_all_ended()
    assert use(shop, 1).used == 68


def test_a_trial_that_ends_early_leaves_what_was_used_in_it_to_it(shop: Shop) -> None:
    shop.subscribe("pro")
    began = shop.now
    ends = began + timedelta(days=14)
    change(shop, status="trialing", trial_start=began, trial_end=ends, anchor=ends)
    use(shop, 60)
    shop.wait(days=3)
    change(shop, status="active", trial_end=shop.now, anchor=shop.now)
    assert use(shop, 7).used == 7
    metering.record("tokens", 2, at=began + timedelta(days=1), customer=shop.host.customer())
    shop.wait(days=12)
    metering.close_all_ended()
    assert sorted(used(shop).values()) == sorted([62, 7, 62, 7])
