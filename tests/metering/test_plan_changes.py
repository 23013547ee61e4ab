"""Quotas while people change plans: bought, changed, canceled and downgraded at Stripe itself."""

from __future__ import annotations

import collections.abc as c
import contextlib
import typing as t
from datetime import UTC, datetime, timedelta

import pytest

from flask_billing import metering
from flask_billing.metering import Fact, QuotaExceeded, Usage
from flask_billing.models import UsageCounter, UsageEvent
from flask_billing.sandbox import Sandbox

from ..host import Host
from ..subscriptions.subscriber import Subscriber

FIFTH: t.Final = datetime(2027, 1, 5, 10, tzinfo=UTC)


def plan(name: str, rank: int, tokens: dict[str, t.Any], calls: int, **more: t.Any) -> t.Any:
    """A plan that counts calls by the month, and tokens as it says."""
    prices = [{"interval": "month", "amount": 2900 * rank}] if rank else []
    counted = [
        {"meter": "tokens", **tokens},
        {"meter": "calls", "included": calls, "window": "month"},
    ]
    return {"name": name, "rank": rank, "prices": prices, "limits": counted, **more}


CATALOG: t.Final = {
    "meters": {"tokens": {"name": "Tokens"}, "calls": {"name": "Calls"}},
    "plans": {
        "free": plan("Free", 0, {"included": 100, "window": "month"}, 50),
        "starter": plan("Starter", 1, {"included": 1000, "window": "billing_period"}, 200),
        "pro": plan("Pro", 2, {"included": 5000, "window": "billing_period"}, 1000),
    },
}


@pytest.fixture
def host(make_app: c.Callable[..., Host], database_url: str) -> c.Iterator[Host]:
    """A host on the fifth of January, whose books balance in the end."""
    host = make_app(database_url, catalog=CATALOG, sandbox=Sandbox(now=FIFTH))

    with host.app.app_context():
        host.customer()

    yield host

    with host.app.app_context():
        assert metering.reconcile_usage().differences == []

    for counter in host.rows(UsageCounter):
        if counter.bucket.startswith("m:"):
            assert counter.used == sum(
                event.quantity
                for event in host.rows(UsageEvent, meter=counter.meter)
                if counter.period_start <= event.occurred_at < counter.period_end
            )


def use(host: Host, meter: str, quantity: int, **options: t.Any) -> None:
    """Use what the quota allows."""
    with host.app.app_context():
        metering.consume(meter, quantity, customer=host.customer(), **options)


def refuses(host: Host, meter: str, quantity: int) -> bool:
    """Whether so much is refused."""
    with contextlib.suppress(QuotaExceeded):
        use(host, meter, quantity)
        return False

    return True


def usage(host: Host, meter: str) -> tuple[int, int | None]:
    """What is used, and the limit."""
    with host.app.app_context():
        found: Usage = metering.usage(meter, customer=host.customer())

    return found.used, found.limit


def subscribe(host: Host, plan: str) -> Subscriber:
    """Buy a plan, an hour later."""
    host.sandbox.clock.advance(hours=1)
    return Subscriber(host, plan)


def cancel_now(subscriber: Subscriber) -> None:
    """End the plan at Stripe, at once."""
    subscriber.stripe.v1.subscriptions.cancel(subscriber.row.stripe_id)
    subscriber.host.sandbox.webhooks.deliver()


def test_an_upgrade_keeps_what_was_used_and_raises_the_limit_at_once(host: Host) -> None:
    use(host, "calls", 50)
    use(host, "tokens", 40)
    assert refuses(host, "calls", 1)

    customer = subscribe(host, "starter")
    assert usage(host, "calls") == (50, 200)
    assert usage(host, "tokens") == (0, 1000)  # another window, which begins now
    use(host, "calls", 150)
    use(host, "tokens", 990)
    assert refuses(host, "calls", 1)
    assert refuses(host, "tokens", 11)

    customer.pass_days(3)
    customer.change("pro")
    assert usage(host, "calls") == (200, 1000)
    assert usage(host, "tokens") == (990, 5000)
    use(host, "tokens", 4010)
    assert refuses(host, "tokens", 1)


def test_a_downgrade_lowers_the_limit_when_the_period_ends(host: Host) -> None:
    customer = subscribe(host, "pro")
    use(host, "calls", 150)
    use(host, "tokens", 3000)
    change = customer.change("starter")
    host.sandbox.webhooks.deliver()

    assert change.state == "pending"
    assert usage(host, "tokens") == (3000, 5000)
    use(host, "tokens", 2000)
    customer.pass_days(27)  # February, and still the period that was paid for
    assert usage(host, "calls") == (0, 1000)
    assert usage(host, "tokens") == (5000, 5000)
    use(host, "calls", 300)

    customer.pass_days(5)
    assert customer.plan[0] == "starter"
    assert usage(host, "tokens") == (0, 1000)
    assert usage(host, "calls") == (300, 200)  # the same month
    assert refuses(host, "calls", 1)
    use(host, "tokens", 1000)
    assert refuses(host, "tokens", 1)


def test_a_window_that_is_taken_up_again_knows_what_was_used_meanwhile(host: Host) -> None:
    use(host, "tokens", 10)
    customer = subscribe(host, "starter")
    use(host, "tokens", 60)
    cancel_now(customer)

    assert usage(host, "tokens") == (70, 100)
    assert refuses(host, "tokens", 31)
    use(host, "tokens", 30)
    assert {row.bucket[0]: (row.used, row.plan) for row in tokens(host)} == {
        "m": (100, "free"),
        "b": (60, "starter"),
    }


def test_whatever_is_booked_meanwhile_is_known(host: Host) -> None:
    use(host, "tokens", 10)
    customer = subscribe(host, "starter")
    host.sandbox.clock.advance(hours=1)

    with host.app.app_context():
        mine, now = host.customer(), host.sandbox.clock.now()
        metering.record_many([Fact("tokens", 3, "many", mine), Fact("tokens", 4, "more", mine)])
        metering.record("tokens", 5, at=now - timedelta(minutes=5), customer=mine)
        decision = metering.consume("tokens", 99, key="failed", customer=mine)
        metering.refund(decision)
        metering.consume("tokens", 20, key="corrected", customer=mine)
        metering.correct("corrected", 6, reason="-", actor="ada", customer=mine)
        hold = metering.reserve("tokens", 50, customer=mine)
        cancel_now(customer)
        hold.settle(8)

    assert usage(host, "tokens") == (10 + 3 + 4 + 5 + 6 + 8, 100)


def test_what_was_held_before_counts_in_a_window_that_was_opened_since(host: Host) -> None:
    customer = subscribe(host, "starter")

    with host.app.app_context():
        mine = host.customer()
        hold = metering.reserve("tokens", 50, customer=mine)
        host.sandbox.clock.advance(hours=1)
        cancel_now(customer)
        metering.consume("tokens", 1, customer=mine)
        hold.settle(40)

    assert usage(host, "tokens") == (41, 100)


def test_a_fact_that_arrives_late_counts_in_periods_that_ended(host: Host) -> None:
    use(host, "tokens", 10)
    customer = subscribe(host, "starter")
    used_at = host.sandbox.clock.now() + timedelta(days=10)
    customer.pass_days(29)

    with host.app.app_context():
        mine = host.customer()
        metering.record("tokens", 5, at=used_at, customer=mine)
        facts = [Fact("tokens", 2, key, mine, used_at) for key in "ab"]
        metering.record_many([*facts, Fact("tokens", 1, "now", mine)])

    assert sorted((row.bucket[0], row.used) for row in tokens(host)) == [("b", 10), ("m", 19)]


def test_a_unit_is_in_one_billing_period_whatever_the_plan(
    make_app: c.Callable[..., Host], database_url: str
) -> None:
    cycle = {"included": 100, "window": "billing_period"}
    plans = {**CATALOG["plans"], "free": plan("Free", 0, cycle, 50)}
    catalog = {**CATALOG, "plans": plans}
    host = make_app(database_url, catalog=catalog, sandbox=Sandbox(now=FIFTH))
    use(host, "tokens", 10)
    host.sandbox.clock.advance(days=5)
    customer = Subscriber(host, "starter")
    use(host, "tokens", 60)
    customer.pass_days(1)

    with host.app.app_context():
        hold = metering.reserve("tokens", 5, customer=host.customer())
        cancel_now(customer)
        hold.settle(5)

    use(host, "tokens", 7)
    used = {f"{row.period_start:%m-%d}": (row.used, row.plan) for row in tokens(host)}
    assert used == {"01-05": (17, "free"), "01-10": (65, "starter")}


def tokens(host: Host) -> c.Sequence[UsageCounter]:
    """The counters of tokens."""
    return host.rows(UsageCounter, meter="tokens")
