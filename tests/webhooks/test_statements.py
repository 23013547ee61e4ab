"""What a delivery costs: statements in the database, requests to Stripe."""

from __future__ import annotations

import collections.abc as c
import contextlib
import sqlite3
import typing as t

import pytest
import sqlalchemy as sa
from sqlalchemy import event as sqlalchemy_event

from flask_billing import database
from flask_billing.models import Checkout

from ..stripe_double import CannedHost, StripeObject, event
from .stories import made, sign_up

Make = c.Callable[..., CannedHost]

MOST = 8


@contextlib.contextmanager
def counted(host: CannedHost) -> c.Iterator[list[str]]:
    """The statements that run meanwhile, on our engine and on the host's."""
    statements: list[str] = []

    def note(*arguments: object) -> None:
        statement = str(arguments[2])

        if not statement.startswith("BEGIN"):
            statements.append(statement)

    with host.app.app_context():
        engines: list[sa.Engine] = [database.engine(), host.db.engine]

    for engine in engines:
        sqlalchemy_event.listen(engine, "before_cursor_execute", note)

    try:
        yield statements
    finally:
        for engine in engines:
            sqlalchemy_event.remove(engine, "before_cursor_execute", note)


def a_life() -> list[tuple[str, StripeObject, list[StripeObject]]]:
    """Everything that happens to a customer: type, object, and what Stripe holds by then."""
    trial = made("subscription", status="trialing", trial_end=1)
    active = made("subscription")
    pro = made(
        "subscription",
        items__data__0__price__id="price_pro",
        items__data__0__price__lookup_key="billing_pro_month_usd",
    )
    odd = made(
        "subscription",
        items__data__0__price__id="price_odd",
        items__data__0__price__lookup_key=None,
    )
    late = made("subscription", status="past_due")
    open_ = made("invoice", id="in_2", status="open", amount_paid=0)
    paid = made("invoice", id="in_2")
    ended = made("subscription", status="canceled")
    return [
        ("payment_method.attached", made("card"), [made("card"), made("card", id="pm_2")]),
        ("customer.updated", made("customer"), [made("customer")]),
        ("invoice.created", made("invoice"), [made("invoice", status="draft")]),
        ("checkout.session.completed", made("session"), [made("session"), trial]),
        ("customer.subscription.created", trial, []),
        ("customer.subscription.trial_will_end", trial, []),
        ("invoice.paid", made("invoice"), [made("invoice"), active]),
        ("invoice.payment_succeeded", made("invoice"), []),
        ("customer.subscription.updated", active, []),
        ("customer.subscription.updated", pro, [pro]),
        ("customer.subscription.updated", pro, [{**pro, "default_payment_method": "pm_2"}]),
        ("customer.subscription.updated", odd, [odd, made("product")]),
        ("invoice.upcoming", made("upcoming_invoice"), []),
        ("invoice.payment_failed", open_, [late, open_]),
        ("customer.subscription.updated", late, []),
        ("invoice.paid", paid, [paid, active]),
        ("setup_intent.succeeded", made("setup_intent"), []),
        ("subscription_schedule.created", made("schedule"), []),
        ("charge.refunded", made("charge"), []),
        ("charge.dispute.created", made("dispute"), []),
        ("payment_method.detached", made("card"), [made("card", customer=None)]),
        ("customer.subscription.deleted", ended, [ended]),
        ("customer.deleted", made("customer"), [made("deleted_customer")]),
        ("payout.paid", made("payout"), []),
    ]


def live(host: CannedHost) -> dict[str, int]:
    """Deliver a life, each event twice. Event number and type -> statements of its first."""
    sign_up(host)
    costs = {}

    with host.app.app_context():
        now = sa.func.current_timestamp()
        host.db.session.execute(
            sa.insert(Checkout).values(
                customer_id=1, plan="pro", interval="month", currency="usd", quantity=1,
                price="p", trial_days=0, success_url="/", cancel_url="/", attempt=1,
                session_id="cs_1", state="open", created_at=now, expires_at=now,
            )
        )  # fmt: skip
        host.db.session.commit()

    # The first event of a process also reads which prices there are.
    sign_up(host, "bob", "cus_2")
    other = made("subscription", id="sub_2", customer="cus_2")
    host.stripe.put(other)
    assert host.deliver(event("customer.subscription.created", other)).status_code == 200
    host.stripe.requests.clear()

    for number, (kind, about, held) in enumerate(a_life()):
        host.stripe.put(*held)
        sent = event(kind, about)

        with counted(host) as first:
            assert host.deliver(sent).status_code == 200, kind

        with counted(host) as second:
            assert host.deliver(sent).json == {"outcome": "duplicate"}

        assert len(second) == 1, second
        costs[f"{number} {kind}"] = len(first)

    return costs


def test_a_delivery_takes_few_statements_and_a_duplicate_one(make_canned: Make) -> None:
    costs = live(make_canned())

    assert max(costs.values()) <= MOST, costs
    assert min(costs.values()) == 1  # an ignored one


def test_with_listeners_it_takes_no_more(make_canned: Make) -> None:
    host = make_canned()

    for name in ("subscription.activated", "payment.succeeded", "subscription.unknown_price"):
        host.billing.on(name)(lambda app, **facts: None)

    assert max(live(host).values()) <= MOST


def test_a_renewal_looks_for_ended_periods_and_takes_no_more(make_canned: Make) -> None:
    renewal = made("invoice", id="in_2", billing_reason="subscription_cycle")
    host = make_canned(made("subscription"), made("invoice"), renewal)
    sign_up(host)
    assert host.deliver(event("invoice.paid", made("invoice"))).status_code == 200

    with counted(host) as statements:
        assert host.deliver(event("invoice.paid", renewal)).status_code == 200

    assert any("billing_usage_counter" in statement for statement in statements)
    assert len(statements) <= MOST, statements


@pytest.mark.postgres
def test_the_same_on_postgresql(make_canned: Make, postgres_url: str) -> None:
    assert max(live(make_canned(database_url=postgres_url)).values()) <= MOST


def test_an_event_asks_stripe_at_most_once(make_canned: Make) -> None:
    host = make_canned()
    live(host)
    reads = [request.path for request in host.stripe.requests]

    assert len(reads) <= len(a_life()) + 1  # and once for the product of an unknown price
    assert {request.method for request in host.stripe.requests} == {"GET"}


def test_no_statement_of_a_delivery_reads_a_whole_table(make_canned: Make) -> None:
    host = make_canned()
    sent: dict[str, tuple[t.Any, ...]] = {}

    with host.app.app_context():
        engine = database.engine()

    @sqlalchemy_event.listens_for(engine, "before_cursor_execute")
    def note(*arguments: t.Any) -> None:
        sent[arguments[2]] = arguments[3]

    live(host)
    sqlalchemy_event.remove(engine, "before_cursor_execute", note)

    # By the driver, which leaves foreign keys alone: their part is looked at by deletions only.
    with contextlib.closing(sqlite3.connect(str(engine.url.database))) as connection:
        plans = {
            statement: str(connection.execute(f"EXPLAIN QUERY PLAN {statement}", values).fetchall())
            for statement, values in sent.items()
            if not statement.startswith(("BEGIN", "SELECT billing_price."))  # read once a process
        }

    assert any("uq_billing_subscription_change_pending" in plan for plan in plans.values())
    assert {one: plan for one, plan in plans.items() if "SCAN billing_" in plan} == {}
