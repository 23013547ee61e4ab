"""One access rule: the same in Python and in SQL, on every state there is."""

from __future__ import annotations

import collections.abc as c
import itertools
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from flask_billing import Customer, Owner
from flask_billing.access import has_access, judge
from flask_billing.models import Subscription

from .stripe_double import CannedHost, canned_host

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
GRACE = timedelta(days=7)
MOMENT = timedelta(microseconds=1)

STATUSES = (
    "trialing", "active", "past_due", "unpaid", "paused", "incomplete", "incomplete_expired",
    "canceled", "a status Stripe will invent",
)  # fmt: skip
#: Behaviour, beginning and end; without a beginning it has begun.
PAUSED = (
    (None, None, None), ("void", None, None), ("void", NOW, NOW + MOMENT),
    ("keep_as_draft", NOW + MOMENT, None), ("mark_uncollectible", NOW - MOMENT, NOW),
)  # fmt: skip
CANCELS_AT = (None, NOW - MOMENT, NOW, NOW + MOMENT, NOW + timedelta(days=30))
PAST_DUE_SINCE = (None, NOW - GRACE - MOMENT, NOW - GRACE, NOW - GRACE + MOMENT, NOW)

Make = c.Callable[..., CannedHost]


@pytest.fixture
def make(database_url: str) -> c.Iterator[Make]:
    """Makes a host on each kind of database, at a fixed moment."""
    hosts: list[CannedHost] = []

    def make_host(**options: object) -> CannedHost:
        made = canned_host(database_url, now=lambda: NOW, **options)  # type: ignore[arg-type]
        hosts.append(made)
        return made

    yield make_host

    for host in hosts:
        host.close()


def subscription(customer_id: int, number: int, **columns: object) -> Subscription:
    values: dict[str, object] = {
        "customer_id": customer_id,
        "stripe_id": f"sub_{number}",
        "status": "active",
        "plan": "starter",
        "last_plan": "starter",
        "quantity": 1,
        "currency": "usd",
        "started_at": NOW - timedelta(days=60 - number),
        "synced_at": NOW,
    }
    return Subscription(**{**values, **columns})


def subscribe(host: CannedHost, *changes: c.Mapping[str, object]) -> Customer:
    """A new customer with subscriptions, the oldest first. Needs an app context."""
    customer = host.billing.customer_for(Owner("user", "ada"))

    for number, columns in enumerate(changes):
        host.db.session.add(subscription(customer.id, number, **columns))

    host.db.session.commit()
    return customer


def test_the_sql_condition_says_what_the_rule_says_in_every_state(make: Make) -> None:
    host = make()
    every_state = list(itertools.product(STATUSES, PAUSED, CANCELS_AT, PAST_DUE_SINCE))
    assert len(every_state) == 1_125

    with host.app.app_context():
        subscribe(
            host,
            *(
                {
                    "status": status,
                    "pause": pause,
                    "pause_starts_at": starts_at,
                    "pause_resumes_at": resumes_at,
                    "cancel_at": cancel_at,
                    "past_due_since": since,
                }
                for status, (pause, starts_at, resumes_at), cancel_at, since in every_state
            ),
        )
        allowed = set(host.db.session.scalars(sa.select(Subscription.id).where(has_access())))
        refused = set(host.db.session.scalars(sa.select(Subscription.id).where(~has_access())))
        judged = {
            row.id: judge(row, NOW).allowed
            for row in host.db.session.scalars(sa.select(Subscription))
        }

    assert allowed == {row_id for row_id, verdict in judged.items() if verdict}
    assert refused == judged.keys() - allowed
    assert 0 < len(allowed) < len(judged)


STATES: dict[str, tuple[dict[str, object], bool, str, datetime | None]] = {
    "a trial": ({"status": "trialing"}, True, "trialing", None),
    "paid": ({}, True, "active", None),
    "canceled from tomorrow on": (
        {"cancel_at": NOW + timedelta(days=1)},
        True,
        "ending",
        NOW + timedelta(days=1),
    ),
    "a trial that will not go on": (
        {"status": "trialing", "cancel_at": NOW + timedelta(days=1)},
        True,
        "ending",
        NOW + timedelta(days=1),
    ),
    "canceled, its webhook is late": ({"cancel_at": NOW}, True, "free", None),
    "renewal failed just now": (
        {"status": "past_due", "past_due_since": NOW},
        True,
        "past_due",
        NOW + GRACE,
    ),
    "renewal failed a week ago": (
        {"status": "past_due", "past_due_since": NOW - GRACE},
        False,
        "grace_over",
        None,
    ),
    "given up by Stripe": ({"status": "unpaid"}, False, "unpaid", None),
    "paused collection": ({"pause": "void"}, False, "paused", None),
    "paused from the next period on": (
        {"pause": "void", "pause_starts_at": NOW + MOMENT},
        True,
        "pausing",
        NOW + MOMENT,
    ),
    "paused since just now": ({"pause": "void", "pause_starts_at": NOW}, False, "paused", None),
    "paused, its end's webhook is late": (
        {"pause": "void", "pause_starts_at": NOW - GRACE, "pause_resumes_at": NOW},
        True,
        "active",
        None,
    ),
    "paused when the plan ended": (
        {"pause": "void", "pause_resumes_at": NOW, "cancel_at": NOW},
        True,
        "free",
        None,
    ),
    "paused for want of a card": ({"status": "paused"}, False, "paused", None),
    "first payment open": ({"status": "incomplete"}, True, "free", None),
    "first payment never made": ({"status": "incomplete_expired"}, True, "free", None),
    "over": ({"status": "canceled"}, True, "free", None),
    "a status Stripe will invent": ({"status": "hibernating"}, False, "no_access", None),
}


@pytest.mark.parametrize("name", STATES)
def test_access_explains_itself(sqlite_url: str, name: str) -> None:
    columns, allowed, reason, until = STATES[name]
    host = canned_host(sqlite_url, now=lambda: NOW)

    with host.app.app_context():
        access = host.billing.access(subscribe(host, columns))

    host.close()
    assert (access.allowed, access.reason, access.until) == (allowed, reason, until)
    assert bool(access) is allowed
    plan = access.plan.key if access.plan else None
    assert plan == ("starter" if allowed and reason != "free" else "free")
    assert access.trialing is (reason == "trialing" or name == "a trial that will not go on")


def test_a_customer_without_subscription_is_on_the_free_plan(make: Make) -> None:
    host = make()

    with host.app.app_context():
        access = host.billing.access(subscribe(host))

    assert (access.allowed, access.reason, access.subscription) == (True, "free", None)
    assert access.plan is not None
    assert access.plan.key == "free"


def test_without_a_free_plan_no_subscription_is_no_access(make: Make) -> None:
    host = make(
        catalog={
            "plans": {"only": {"name": "Only", "prices": [{"interval": "month", "amount": 9}]}}
        }
    )

    with host.app.app_context():
        customer = subscribe(host)
        before = host.billing.access(customer)
        host.db.session.add(subscription(customer.id, 1, plan="only", status="canceled"))
        host.db.session.commit()
        after = host.billing.access(customer)

    assert (before.allowed, before.plan, before.reason) == (False, None, "no_access")
    assert (after.allowed, after.plan, after.reason) == (False, None, "canceled")


@pytest.mark.parametrize("order", list(itertools.permutations(["starter", "enterprise", "pro"])))
def test_of_several_live_plans_the_highest_counts(sqlite_url: str, order: tuple[str, ...]) -> None:
    host = canned_host(sqlite_url, now=lambda: NOW)

    with host.app.app_context():
        access = host.billing.access(
            subscribe(host, *({"plan": plan, "last_plan": plan} for plan in order))
        )

    host.close()
    assert access.plan is not None
    assert access.plan.key == "enterprise"


def test_a_live_plan_counts_more_than_a_higher_one_that_is_not(make: Make) -> None:
    host = make()

    with host.app.app_context():
        access = host.billing.access(
            subscribe(
                host,
                {"plan": "starter"},
                {"plan": "enterprise", "status": "unpaid"},
                {"plan": "enterprise", "status": "canceled"},
            )
        )

    assert (access.allowed, access.reason) == (True, "active")
    assert access.plan is not None
    assert access.plan.key == "starter"


def test_a_debt_is_not_forgiven_by_an_older_plan_that_ended(make: Make) -> None:
    host = make()

    with host.app.app_context():
        access = host.billing.access(
            subscribe(host, {"status": "canceled"}, {"status": "unpaid"}, {"status": "canceled"})
        )

    assert (access.allowed, access.reason) == (False, "unpaid")


def test_an_unknown_price_keeps_the_last_plan(make: Make) -> None:
    host = make()

    with host.app.app_context():
        access = host.billing.access(subscribe(host, {"plan": None, "last_plan": "pro"}))

    assert access.allowed
    assert access.plan is not None
    assert access.plan.key == "pro"


def test_an_unknown_price_from_the_start_is_not_the_free_plan(make: Make) -> None:
    host = make()

    with host.app.app_context():
        access = host.billing.access(subscribe(host, {"plan": None, "last_plan": None}))

    assert (access.allowed, access.plan, access.reason) == (True, None, "active")


def test_the_grace_period_is_the_hosts_to_choose(make: Make) -> None:
    host = make(BILLING_PAST_DUE_GRACE=timedelta(0))

    with host.app.app_context():
        customer = subscribe(host, {"status": "past_due", "past_due_since": NOW})
        access = host.billing.access(customer)
        scope = sa.select(Subscription.id).where(has_access())
        in_sql = host.db.session.scalars(scope).all()

    assert (access.allowed, access.reason, in_sql) == (False, "grace_over", [])


def test_access_sees_what_a_webhook_wrote_meanwhile(make: Make) -> None:
    host = make()

    with host.app.app_context():
        customer = subscribe(host, {})
        assert host.billing.access(customer).reason == "active"

        with host.db.engine.begin() as connection:
            connection.execute(sa.update(Subscription).values(status="unpaid"))

        assert host.billing.access(customer).reason == "unpaid"
