"""Who is offered what: rarely, honestly, and only what has exact terms."""

from __future__ import annotations

import collections.abc as c
import typing as t
from datetime import UTC, datetime, timedelta

import pytest

from flask_billing import Catalog, retention, subscriptions
from flask_billing.catalog import Offer
from flask_billing.coupons import taken_off
from flask_billing.models import Cancellation, Customer, Subscription
from flask_billing.retention import experiments
from flask_billing.retention.renewals import months_for, renewals

from ..host import Host
from .shop import catalog, keys, pass_days, said, settle, subscription_row, visit

MakeApp = c.Callable[..., Host]

DISCOUNT = {"key": "stay-20", "kind": "discount", "percent_off": 20, "months": 3}
PAUSE = {"key": "rest", "kind": "pause", "months": 1}


def offered(host: Host, reason: str | None = None, source: t.Any = "cancel") -> list[str]:
    """What user 1 is offered now."""
    with host.app.app_context():
        return keys(visit(host.customer(), reason, source)[1])


def test_nothing_in_the_first_fourteen_days(make_app: MakeApp) -> None:
    host = make_app(catalog=catalog([DISCOUNT, PAUSE]))
    settle(host, days=13)
    assert offered(host) == []

    pass_days(host, 1)
    assert offered(host) == ["stay-20", "rest"]


def test_a_trial_does_not_count_as_paid_for(make_app: MakeApp) -> None:
    host = make_app(catalog=catalog([DISCOUNT]))
    settle(host, "pro", days=20)  # of which 14 are its trial
    assert offered(host) == []

    pass_days(host, 9)
    assert offered(host) == ["stay-20"]


def test_one_and_one_of_another_kind(make_app: MakeApp) -> None:
    more = {"key": "stay-30", "kind": "discount", "percent_off": 30, "months": 3}
    smaller = {"key": "smaller", "kind": "plan", "plan": "starter"}
    host = make_app(catalog=catalog([DISCOUNT, more, PAUSE, smaller]))
    settle(host, "enterprise")

    assert offered(host) == ["stay-20", "rest"]
    assert offered(host, source="downgrade") == ["stay-20"]


def test_a_smaller_plan_is_cheaper_and_smaller(make_app: MakeApp) -> None:
    offers = [
        {"key": key, "kind": "plan", "plan": key} for key in ("starter", "enterprise", "legacy")
    ]
    host = make_app(catalog=catalog(offers))
    settle(host)
    assert offered(host) == []


def test_a_plan_that_is_too_small_for_what_is_used_is_not_offered(make_app: MakeApp) -> None:
    host = make_app(catalog=catalog([{"key": "smaller", "kind": "plan", "plan": "starter"}]))
    settle(host, "enterprise")
    assert offered(host) == ["smaller"]

    with host.app.app_context():
        host.billing.record("tokens", 600_000, customer=host.customer())

    assert offered(host) == []


def test_the_cooldown_is_the_catalogs(make_app: MakeApp) -> None:
    short = {**DISCOUNT, "months": 1, "cooldown_days": 60}
    more = {**short, "key": "stay-30", "percent_off": 30}
    host = make_app(catalog=catalog([short, more]))
    settle(host)

    with host.app.app_context():
        customer = host.customer()
        _, (first,) = visit(customer)
        retention.accept(customer, first.id, said(first))

    assert offered(host) == [], "neither beside the discount"
    pass_days(host, 45)
    assert subscription_row(host).discount is None
    assert offered(host) == [], "nor within the cooldown"
    pass_days(host, 16)
    assert offered(host) == ["stay-20"]


def test_a_pause_without_an_offer_counts_as_well(make_app: MakeApp) -> None:
    host = make_app(catalog=catalog([PAUSE]))
    settle(host)

    with host.app.app_context():
        subscriptions.pause(host.customer(), 1)
        subscriptions.undo_pause(host.customer())

    assert offered(host) == []
    pass_days(host, 190)
    assert offered(host) == ["rest"]


def test_a_yearly_plan_is_not_paused(make_app: MakeApp) -> None:
    host = make_app(catalog=catalog([PAUSE]))
    settle(host, interval="year")
    assert offered(host) == []


def test_a_discount_that_is_there_already_is_enough(make_app: MakeApp) -> None:
    host = make_app(catalog=catalog([DISCOUNT]))
    settle(host)
    client = host.sandbox.client()
    client.v1.coupons.create({"id": "by-hand", "percent_off": 5, "duration": "forever"})
    client.v1.subscriptions.update(
        subscription_row(host).stripe_id, {"discounts": [{"coupon": "by-hand"}]}
    )
    host.sandbox.webhooks.deliver()
    assert offered(host) == []


@pytest.mark.parametrize(
    ("percent", "amount", "off"), [(20, 2900, 580), (25, 2, 0), (25, 6, 1), (33, 500, 165)]
)
def test_a_percentage_is_rounded_as_stripe_does(percent: int, amount: int, off: int) -> None:
    offer = Offer(key="one", kind="discount", percent_off=percent)
    assert taken_off(offer, amount) == off


def test_a_discount_never_takes_in_fewer_renewals_than_it_says() -> None:
    start = datetime(2026, 1, 1, 9, tzinfo=UTC)

    for day in range(0, 420, 3):
        for hour in (0, 8, 10, 23):
            now = start + timedelta(days=day, hours=hour)
            subscription = billed_on(31, now)

            for wanted in (1, 2, 3, 6):
                months, covered = months_for(subscription, wanted, now)
                upcoming = renewals(subscription)
                assert next(upcoming) == subscription.current_period_end
                assert wanted <= covered <= wanted + 1
                assert wanted <= months <= wanted + 1


def billed_on(day: int, now: datetime) -> Subscription:
    """A monthly subscription, in the period it is in at a moment."""
    anchor = datetime(2025, 1, day, 9, tzinfo=UTC)
    subscription = Subscription(interval="month", anchor=anchor, current_period_end=anchor)
    subscription.current_period_end = next(
        moment for moment in renewals(subscription) if moment > now
    )
    return subscription


EXPERIMENT = {
    "key": "size",
    "variants": [{"key": "twenty", "offers": ["stay-20"]}, {"key": "thirty"}],
}


def test_everybody_stays_in_their_arm_and_some_see_nothing() -> None:
    sold = Catalog.parse(catalog([DISCOUNT, PAUSE], experiment=EXPERIMENT))
    arms = [experiments.variant_of(Customer(id=number), sold) for number in range(1, 2001)]

    assert arms == [experiments.variant_of(Customer(id=number), sold) for number in range(1, 2001)]
    assert set(arms) == {"size:twenty", "size:thirty", "size:holdout"}
    assert 60 < arms.count("size:holdout") < 140
    assert abs(arms.count("size:twenty") - arms.count("size:thirty")) < 200

    discount, pause = sold.offers
    assert experiments.shown_to(discount, "size:twenty", sold)
    assert not experiments.shown_to(discount, "size:thirty", sold)
    assert experiments.shown_to(pause, "size:thirty", sold)
    assert not experiments.shown_to(pause, "size:holdout", sold)


def test_a_visit_remembers_its_arm(make_app: MakeApp) -> None:
    held_out = {**EXPERIMENT, "holdout": 50}
    host = make_app(catalog=catalog([DISCOUNT, PAUSE], experiment=held_out))
    settle(host)
    shown = offered(host)
    (row,) = host.rows(Cancellation)

    assert row.variant.startswith("size:")
    expected = {"size:holdout": [], "size:twenty": ["stay-20", "rest"], "size:thirty": ["rest"]}
    assert shown == expected[row.variant]
