"""The history of what came about at Stripe, without anybody asking for it here."""

from __future__ import annotations

import pytest

from flask_billing import subscriptions
from flask_billing.models import Subscription, SubscriptionChange

from ..host import Host
from ..views.person import Person


@pytest.fixture
def subscriber(any_host: Host) -> Host:
    """A host whose user 1 has bought Starter."""
    Person(any_host).buy("starter")
    return any_host


def test_a_plan_changed_in_the_dashboard_is_written_down(subscriber: Host) -> None:
    (row,) = subscriber.rows(Subscription)
    change_price(subscriber, row, "billing_pro_month_usd")
    deliver(subscriber)

    (change,) = subscriber.rows(SubscriptionChange)
    assert (change.kind, change.state, change.actor) == ("change", "done", "stripe")
    assert (change.from_plan, change.to_plan, change.to_interval) == ("starter", "pro", "month")


def test_a_cancellation_in_the_dashboard_waits_and_can_be_taken_back_here(
    subscriber: Host,
) -> None:
    (row,) = subscriber.rows(Subscription)
    subscriber.sandbox.client().v1.subscriptions.update(
        row.stripe_id,
        {
            "cancel_at_period_end": True,
            "cancellation_details": {"feedback": "unused", "comment": "Told on the phone"},
        },
    )
    deliver(subscriber)

    (change,) = subscriber.rows(SubscriptionChange)
    assert (change.kind, change.state, change.actor) == ("cancel", "pending", "stripe")
    assert (change.reason, change.feedback) == ("unused", "Told on the phone")
    assert change.effective_at == row.current_period_end

    with subscriber.app.app_context():
        subscriptions.resume(subscriber.customer(), actor="user:1")

    states = [(change.kind, change.state) for change in subscriber.rows(SubscriptionChange)]
    assert states == [("cancel", "undone"), ("resume", "done")]


def test_what_ended_for_want_of_payment_says_so(subscriber: Host) -> None:
    sandbox = subscriber.sandbox
    (row,) = subscriber.rows(Subscription)
    bad = sandbox.client().v1.payment_methods.attach(
        "pm_card_chargeCustomerFail", {"customer": stripe_customer(subscriber)}
    )
    sandbox.client().v1.subscriptions.update(row.stripe_id, {"default_payment_method": bad.id})
    sandbox.clock.advance(days=80)
    deliver(subscriber)

    assert subscriber.rows(Subscription)[0].status == "canceled"
    (change,) = subscriber.rows(SubscriptionChange)
    assert (change.kind, change.reason, change.actor) == ("end", "payment_failed", "stripe")


def test_what_was_asked_for_here_is_written_down_once(subscriber: Host) -> None:
    with subscriber.app.app_context():
        subscriptions.cancel(subscriber.customer())

    subscriber.sandbox.clock.advance(days=40)
    deliver(subscriber)
    subscriber.sandbox.webhooks.release(duplicates=1)

    (change,) = subscriber.rows(SubscriptionChange)
    assert (change.kind, change.state) == ("cancel", "done")


def change_price(host: Host, row: Subscription, lookup_key: str) -> None:
    client = host.sandbox.client()
    (price,) = client.v1.prices.list({"lookup_keys": [lookup_key]}).data
    assert row.item_id is not None
    client.v1.subscriptions.update(
        row.stripe_id, {"items": [{"id": row.item_id, "price": price.id}]}
    )


def stripe_customer(host: Host) -> str:
    with host.app.app_context():
        found = host.customer().stripe_id

    assert found is not None
    return found


def deliver(host: Host) -> None:
    host.sandbox.webhooks.deliver()
