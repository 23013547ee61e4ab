"""Subscriptions that are paused themselves, and how they resume."""

from __future__ import annotations

import typing as t

import pytest
import stripe

from flask_billing.sandbox import Sandbox, Settings

from .conftest import START, Shop

NOW = int(START.timestamp())
DAY = 86_400


def paused_after_two_weeks(
    client: stripe.StripeClient,
    shop: Shop,
    sandbox: Sandbox,
    customer: str | None = None,
    params: stripe.params.SubscriptionPauseParams | None = None,
) -> stripe.Subscription:
    subscription = shop.subscribe(customer)
    sandbox.clock.advance(days=14)
    return client.v1.subscriptions.pause(subscription, params)


def types(sandbox: Sandbox, since: int) -> list[str]:
    return [event["type"] for event in sandbox.events()[since:]]


def break_card(client: stripe.StripeClient, customer: str) -> None:
    """From now on every charge of this customer fails."""
    bad = client.v1.payment_methods.attach("pm_card_chargeCustomerFail", {"customer": customer})
    client.v1.customers.update(customer, {"invoice_settings": {"default_payment_method": bad.id}})


def test_a_pause_ends_the_period_and_keeps_the_credit(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    customer = shop.customer()
    subscription = shop.subscribe(customer)
    sandbox.clock.advance(days=14)
    before = len(sandbox.events())
    paused = client.v1.subscriptions.pause(subscription)
    item = paused["items"].data[0]
    assert (paused.status, paused.pause_collection) == ("paused", None)
    assert (item.current_period_start, item.current_period_end) == (NOW, NOW + 14 * DAY)
    assert paused.status_details is not None
    assert paused.status_details.paused.subscription.type == "pause_requested"
    assert paused.status_details.paused.transitioned_at == NOW + 14 * DAY
    assert [one.amount for one in client.v1.invoice_items.list({"customer": customer}).data] == [
        -1250
    ]
    assert types(sandbox, before)[-2:] == [
        "customer.subscription.updated",
        "customer.subscription.paused",
    ]
    sandbox.clock.advance(days=60)
    assert len(client.v1.invoices.list({"subscription": subscription}).data) == 1


def test_a_pause_may_invoice_its_credit_at_once(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    customer = shop.customer()
    paused = paused_after_two_weeks(
        client, shop, sandbox, customer, {"invoicing_behavior": "invoice"}
    )
    invoice = client.v1.invoices.retrieve(str(paused.latest_invoice))
    assert (invoice.total, invoice.status) == (-1250, "paid")
    assert client.v1.customers.retrieve(customer).balance == -1250


def test_a_pause_may_credit_the_whole_period_or_nothing(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    for kind, amounts in (("item_current_period_start", [-2500]), ("none", [])):
        customer = shop.customer()
        subscription = shop.subscribe(customer)
        client.v1.subscriptions.pause(
            subscription, {"bill_for": {"unused_time_from": {"type": kind}}}
        )
        pending = client.v1.invoice_items.list({"customer": customer}).data
        assert [one.amount for one in pending] == amounts


def test_it_resumes_with_a_new_period_an_hour_before_the_payment(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    paused = paused_after_two_weeks(client, shop, sandbox)
    sandbox.clock.advance(days=20)
    before = len(sandbox.events())
    resumed = client.v1.subscriptions.resume(paused.id)
    assert (resumed.status, resumed.status_details) == ("active", None)
    assert resumed.billing_cycle_anchor == NOW + 34 * DAY
    assert resumed["items"].data[0].current_period_start == NOW + 34 * DAY
    invoice = client.v1.invoices.retrieve(str(resumed.latest_invoice))
    assert (invoice.status, invoice.total) == ("draft", 1250)
    assert types(sandbox, before) == [
        "invoice.created",
        "customer.subscription.updated",
        "customer.subscription.resumed",
    ]
    sandbox.clock.advance(hours=1)
    assert client.v1.invoices.retrieve(invoice.id).amount_paid == 1250
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.subscriptions.resume(paused.id)
    assert caught.value.user_message == "You can only resume a subscription if it is `paused`."


def test_a_resumption_whose_payment_fails_is_past_due(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    customer = shop.customer()
    paused = paused_after_two_weeks(client, shop, sandbox, customer)
    break_card(client, customer)
    client.v1.subscriptions.resume(paused.id)
    sandbox.clock.advance(hours=1)
    assert client.v1.subscriptions.retrieve(paused.id).status == "past_due"


def test_it_may_stay_paused_until_it_is_paid(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    customer = shop.customer()
    paused = paused_after_two_weeks(client, shop, sandbox, customer)
    break_card(client, customer)
    sandbox.clock.advance(days=30)
    waiting = client.v1.subscriptions.resume(
        paused.id, {"payment_behavior": "resume_on_payment_success"}
    )
    assert waiting.status == "paused"
    assert waiting["items"].data[0].current_period_end == NOW + 14 * DAY
    good = client.v1.payment_methods.attach("pm_card_visa", {"customer": customer})
    client.v1.invoices.pay(str(waiting.latest_invoice), {"payment_method": good.id})
    resumed = client.v1.subscriptions.retrieve(paused.id)
    assert (resumed.status, resumed.billing_cycle_anchor) == ("active", NOW + 44 * DAY)
    assert types(sandbox, 0)[-1] == "customer.subscription.resumed"
    sandbox.clock.advance(days=32)
    assert len(client.v1.invoices.list({"subscription": paused.id}).data) == 3


def test_it_may_keep_its_anchor_and_pay_for_what_remains(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    subscription = shop.subscribe()
    client.v1.subscriptions.pause(
        subscription, {"bill_for": {"unused_time_from": {"type": "none"}}}
    )
    sandbox.clock.advance(days=14)
    resumed = client.v1.subscriptions.resume(
        subscription,
        {
            "billing_cycle_anchor": {"type": "unchanged"},
            "proration_behavior": "always_invoice",
            "payment_behavior": "resume_on_payment_success",
        },
    )
    item = resumed["items"].data[0]
    assert (resumed.billing_cycle_anchor, item.current_period_end) == (NOW, NOW + 28 * DAY)
    invoice = client.v1.invoices.retrieve(str(resumed.latest_invoice))
    assert (invoice.total, invoice.status, resumed.status) == (1250, "paid", "active")


def test_who_cannot_pause(client: stripe.StripeClient, shop: Shop) -> None:
    customer = shop.customer()
    trial = client.v1.subscriptions.create(
        {"customer": customer, "items": [{"price": shop.month}], "trial_period_days": 7}
    )
    classic = client.v1.subscriptions.create(
        {
            "customer": customer,
            "items": [{"price": shop.month}],
            "billing_mode": {"type": "classic"},
        }
    )
    sent = client.v1.subscriptions.create(
        {
            "customer": customer,
            "items": [{"price": shop.month}],
            "collection_method": "send_invoice",
            "days_until_due": 7,
        }
    )
    managed = shop.subscribe(customer)
    client.v1.subscription_schedules.create({"from_subscription": managed})
    for object_id, words in (
        (trial.id, "trialing"),
        (classic.id, "billing_mode"),
        (sent.id, "collection_method"),
        (managed, "schedule"),
    ):
        with pytest.raises(stripe.InvalidRequestError, match=words):
            client.v1.subscriptions.pause(object_id)


def test_the_account_may_pause_at_the_end_of_dunning(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    sandbox.settings = Settings(retry_days=(1, 3, 5), after_retries="pause")
    customer = shop.customer()
    subscription = shop.subscribe(customer)
    break_card(client, customer)
    sandbox.clock.advance(days=28 + 8)
    paused = client.v1.subscriptions.retrieve(subscription)
    assert paused.status == "paused"
    assert paused.status_details is not None
    assert paused.status_details.paused.subscription.type == "final_payment_failure"


def test_a_pause_bills_what_was_used(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    meter = client.v1.billing.meters.create(
        {
            "display_name": "Calls",
            "event_name": "calls",
            "default_aggregation": {"formula": "sum"},
        }
    )
    price = client.v1.prices.create(
        {
            "product": shop.product,
            "currency": "usd",
            "unit_amount": 2,
            "recurring": {"interval": "month", "usage_type": "metered", "meter": meter.id},
        }
    )
    customer = shop.customer()
    subscription = shop.subscribe(customer, price.id)
    client.v1.billing.meter_events.create(
        {"event_name": "calls", "payload": {"stripe_customer_id": customer, "value": "300"}}
    )
    sandbox.clock.advance(days=1)
    paused = client.v1.subscriptions.pause(subscription, {"invoicing_behavior": "invoice"})
    invoice = client.v1.invoices.retrieve(str(paused.latest_invoice))
    assert (invoice.total, invoice.amount_paid) == (600, 600)
    assert t.cast(int, invoice.lines.data[0].quantity) == 300


def test_pause_and_resumption_can_be_previewed(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    subscription = shop.subscribe()
    sandbox.clock.advance(days=14)
    pause: t.Any = {"bill_for": {"unused_time_from": {"type": "now"}}}
    preview = client.v1.invoices.create_preview(
        {"subscription": subscription, "subscription_details": {"pause": pause}}
    )
    assert preview.total == -1250
    assert client.v1.subscriptions.retrieve(subscription).status == "active"
    client.v1.subscriptions.pause(subscription)
    resumption = client.v1.invoices.create_preview(
        {"subscription": subscription, "subscription_details": {"resume_at": "now"}}
    )
    assert resumption.total == 1250
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.invoices.create_preview({"subscription": subscription})
    assert caught.value.code == "invoice_upcoming_none"


def test_a_paused_subscription_changes_without_a_bill(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    paused = paused_after_two_weeks(client, shop, sandbox)
    changed = client.v1.subscriptions.update(
        paused.id,
        {
            "items": [{"id": paused["items"].data[0].id, "price": shop.team}],
            "proration_behavior": "always_invoice",
        },
    )
    assert (changed.status, changed.latest_invoice) == ("paused", paused.latest_invoice)
    assert changed["items"].data[0].current_period_end == NOW + 14 * DAY
