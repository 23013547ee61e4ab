"""The books balance by themselves; where somebody tampered with them it is told, and put right."""

from __future__ import annotations

import collections.abc as c
import typing as t
from datetime import timedelta

import pytest
import sqlalchemy as sa

from flask_billing import jobs, metering
from flask_billing.metering.books_repair import repair
from flask_billing.models import (
    CreditGrant,
    Customer,
    Subscription,
    UsageCounter,
    UsageRollup,
)
from flask_billing.testing import StripeSandbox

from ..host import Host, user
from .shop import Shop, balance, limits
from .test_closing import subscription_plans

CATALOG = limits(
    {"meter": "tokens", "included": 100, "window": "month", "rollover": True},
    {"meter": "tokens", "included": 1000, "window": "day"},
    {"meter": "tokens", "included": 60, "window": "month", "scope": "member"},
    {"meter": "calls", "included": 5, "window": "lifetime"},
)


@pytest.fixture
def shop(make_app: c.Callable[..., Host], database_url: str) -> c.Iterator[Shop]:
    """A customer with usage of every kind."""
    host = make_app(database_url, catalog=CATALOG)

    with host.app.app_context():
        shop = Shop(host)
        customer = host.customer()
        metering.grant_credits(
            customer, "tokens", 50, kind="topup", source_key="order", actor="ada", reason="-"
        )
        host.db.session.commit()
        record = metering.record
        record("tokens", 30, key="a", customer=customer, member="1", model="large")
        record("tokens", 90, key="b", customer=customer, member="a name longer than any key takes")
        record("tokens", 7, customer=customer, at=shop.now - timedelta(days=2), input_tokens=5)
        metering.correct("a", 20, reason="-", actor="ada", customer=customer)
        metering.reserve("tokens", 11, key="held", customer=customer)
        metering.reserve("tokens", 9, key="settled", customer=customer).settle(8)
        record("calls", 3, customer=customer)
        shop.wait(days=11)
        metering.close_all_ended()
        record("tokens", 4, customer=customer)
        yield shop


def look(shop: Shop, **options: t.Any) -> list[tuple[str, tuple[int, ...], tuple[int, ...], bool]]:
    found = metering.reconcile_usage(**options).differences
    return [(one.what, one.booked, one.summed, one.repaired) for one in found]


def edit(shop: Shop, statement: t.Any) -> None:
    """Somebody edits rows by hand."""
    shop.host.db.session.execute(statement)
    shop.host.db.session.commit()


def test_the_books_balance_after_all_that_may_happen(shop: Shop) -> None:
    books = metering.reconcile_usage()

    assert books.differences == []
    assert books.compared > 10


def test_what_was_tampered_with_is_told_and_changed_only_when_asked_to(shop: Shop) -> None:
    balance(shop.host)
    december = UsageCounter.bucket == "m:2026-12"
    edit(shop, sa.update(UsageCounter).where(december).values(used=99, reserved=5))
    edit(shop, sa.update(CreditGrant).where(CreditGrant.kind == "topup").values(used=1))
    expected = [("reserved", (5,), (0,)), ("used", (99,), (4,)), ("grant used", (1,), (28,))]
    assert [one[:3] for one in look(shop)] == expected
    assert [one[:3] for one in look(shop)] == expected, "nothing was changed"

    assert [one[3] for one in look(shop, repair=True)] == [True, True, True]
    assert look(shop) == []
    balance(shop.host)


def test_daily_sums_are_put_right_by_dimension(shop: Shop) -> None:
    edit(shop, sa.update(UsageRollup).where(UsageRollup.model == "large").values(quantity=999))
    edit(shop, sa.delete(UsageRollup).where(UsageRollup.input_tokens == 5))

    assert [one[:2] for one in look(shop)] == [
        ("daily sum", (0, 0, 0, 0, 0)),
        ("daily sum", (999, 0, 0, 0, 0)),
    ]
    assert all(one[3] for one in look(shop, repair=True))
    assert look(shop) == []
    total = sum(row.quantity for row in shop.host.rows(UsageRollup, meter="tokens"))
    assert total == 20 + 90 + 7 + 8 + 4


def test_a_figure_that_somebody_books_on_meanwhile_is_left_alone(shop: Shop) -> None:
    december = UsageCounter.bucket == "m:2026-12"
    edit(shop, sa.update(UsageCounter).where(december).values(used=99))
    [found] = metering.reconcile_usage().differences
    metering.record("tokens", 1, customer=shop.host.customer())

    assert not repair(found)
    [counter] = shop.host.rows(UsageCounter, bucket="m:2026-12")
    assert counter.used == 100


def test_a_period_cut_short_by_another_anchor_balances(
    make_app: c.Callable[..., Host], database_url: str
) -> None:
    host = make_app(database_url, catalog=subscription_plans())

    with host.app.app_context():
        shop = Shop(host)
        metering.record("tokens", 5, customer=host.customer())
        shop.wait(days=10)
        shop.subscribe("pro")
        metering.record("tokens", 60, customer=host.customer())
        assert look(shop) == []
        shop.wait(days=25)
        metering.close_all_ended()
        assert look(shop) == []


def test_a_plan_that_ended_within_its_period_balances(
    make_app: c.Callable[..., Host], database_url: str
) -> None:
    host = make_app(database_url, catalog=subscription_plans())

    with host.app.app_context():
        shop = Shop(host)
        host.customer()
        shop.wait(days=1)
        shop.subscribe("pro")
        metering.record("tokens", 60, customer=host.customer())
        metering.record("tokens", 7, customer=host.customer())
        shop.wait(days=10)
        row = host.db.session.query(Subscription).one()
        row.status = "canceled"
        host.db.session.commit()
        metering.record("tokens", 9, customer=host.customer())
        assert look(shop) == []
        shop.wait(days=25)
        metering.close_all_ended()
        assert look(shop) == []

        pro = UsageCounter.plan == "pro"
        edit(shop, sa.update(UsageCounter).where(pro).values(used=61))
        assert [one[:2] for one in look(shop)] == [("used", (61,))]


def test_a_late_fact_of_a_trial_is_booked_into_the_trial(
    make_app: c.Callable[..., Host], database_url: str
) -> None:
    host = make_app(database_url, catalog=subscription_plans())

    with host.app.app_context():
        shop = Shop(host)
        shop.subscribe("pro")
        happened = shop.now
        row = host.db.session.query(Subscription).one()
        row.status, row.trial_start = "trialing", shop.now
        row.trial_end = row.anchor = shop.now + timedelta(days=14)
        host.db.session.commit()
        metering.record("tokens", 60, customer=host.customer())
        shop.wait(days=15)
        row = host.db.session.query(Subscription).one()
        row.status = "active"
        host.db.session.commit()
        metering.record("tokens", 7, customer=host.customer(), at=happened + timedelta(days=1))

        assert [one.used for one in host.rows(UsageCounter)] == [67]
        assert look(shop) == []


def test_the_command_and_the_job_tell_and_the_command_repairs(shop: Shop) -> None:
    edit(shop, sa.update(UsageCounter).where(UsageCounter.bucket == "m:2026-12").values(used=99))
    outcome = jobs.run_job(jobs.find_job("usage-books"))
    assert outcome.state == "failed"
    assert "--repair" in outcome.told

    def command(*arguments: str) -> tuple[int, str]:
        runner = shop.host.app.test_cli_runner()
        result = runner.invoke(args=["billing", "usage", "reconcile", *arguments])
        return result.exit_code, result.output

    code, output = command("user", "1")
    assert code == 1
    assert "tokens m:2026-12: used 99, and 4 by what it sums up\n" in output
    assert command("user", "1", "--repair")[0] == 0
    assert command()[1].endswith("0 differ, 0 repaired.\n")
    assert jobs.run_job(jobs.find_job("usage-books")).state == "ok"


def test_what_was_reported_is_held_against_stripes_own_total(
    make_app: c.Callable[..., Host], database_url: str
) -> None:
    catalog = limits({"meter": "tokens", "included": 100, "window": "month"})
    catalog["meters"]["tokens"]["stripe_event"] = "tokens_used"
    host = make_app(database_url, catalog=catalog)

    with StripeSandbox(host.app) as sandbox:
        customer = sandbox.customer(user("1")).use("tokens", 12)
        client = sandbox.client()
        meter = client.v1.billing.meters.create(
            {
                "display_name": "Tokens",
                "event_name": "tokens_used",
                "default_aggregation": {"formula": "sum"},
            }
        )
        client.v1.billing.meter_events.create(
            {
                "event_name": "tokens_used",
                "payload": {"value": "10", "stripe_customer_id": customer.stripe_id},
            }
        )
        sandbox.advance(minutes=10)

        with host.app.app_context():
            host.db.session.execute(
                sa.update(UsageCounter).values(reported=12, stripe_meter_id=meter.id)
            )
            host.db.session.commit()
            [found] = metering.reconcile_usage(repair=True).differences
            assert (found.what, found.booked, found.summed) == ("Stripe", (12,), (10,))
            assert not found.repaired
            host.db.session.execute(sa.update(UsageCounter).values(reported=10))
            host.db.session.commit()
            assert metering.reconcile_usage().differences == []
            assert host.rows(Customer)
