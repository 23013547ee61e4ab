"""Subscriptions: how they start, change and end."""

from __future__ import annotations

import typing as t

import pytest
import stripe

from flask_billing.sandbox import Sandbox

from .conftest import START, Shop

NOW = int(START.timestamp())


def test_periods_stand_on_the_items(client: stripe.StripeClient, shop: Shop) -> None:
    subscription = client.v1.subscriptions.retrieve(shop.subscribe())
    item = subscription["items"].data[0]
    assert (item.current_period_start, item.current_period_end - NOW) == (NOW, 28 * 86_400)
    assert "current_period_end" not in subscription
    assert subscription.billing_mode.type == "flexible"


def test_the_events_of_a_start(shop: Shop, sandbox: Sandbox) -> None:
    customer = shop.customer()
    before = len(sandbox.events())
    shop.subscribe(customer)
    assert [event["type"] for event in sandbox.events()[before:]] == [
        "customer.subscription.created",
        "customer.updated",
        "invoice.created",
        "payment_intent.created",
        "invoice.finalized",
        "charge.succeeded",
        "payment_intent.succeeded",
        "invoice_payment.paid",
        "invoice.updated",
        "invoice.paid",
        "invoice.payment_succeeded",
    ]
    paid = sandbox.events("invoice.updated")[-1]["data"]["previous_attributes"]
    assert paid == {
        "amount_paid": 0,
        "amount_remaining": 2500,
        "attempt_count": 0,
        "attempted": False,
        "status": "open",
        "status_transitions": {"paid_at": None},
    }


@pytest.mark.parametrize(
    ("card", "attempts"), [("pm_card_authenticationRequired", 0), ("pm_card_chargeCustomerFail", 1)]
)
def test_a_first_payment_that_fails_is_incomplete(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox, card: str, attempts: int
) -> None:
    customer = shop.customer(card)
    subscription = client.v1.subscriptions.create(
        {"customer": customer, "items": [{"price": shop.month}], "expand": ["latest_invoice"]}
    )
    invoice = subscription.latest_invoice
    assert isinstance(invoice, stripe.Invoice)
    assert (subscription.status, invoice.status) == ("incomplete", "open")
    assert (invoice.attempted, invoice.attempt_count) == (True, attempts)
    with pytest.raises(stripe.CardError):
        client.v1.subscriptions.create(
            {
                "customer": customer,
                "items": [{"price": shop.month}],
                "payment_behavior": "error_if_incomplete",
            }
        )
    assert len(client.v1.subscriptions.list({"customer": customer}).data) == 1
    sandbox.clock.advance(hours=23)
    expired = client.v1.subscriptions.retrieve(subscription.id)
    assert expired.status == "incomplete_expired"
    assert client.v1.invoices.retrieve(invoice.id).status == "void"


def test_another_card_completes_it(client: stripe.StripeClient, shop: Shop) -> None:
    customer = shop.customer("pm_card_chargeCustomerFail")
    subscription = shop.subscribe(customer)
    card = client.v1.payment_methods.attach("pm_card_visa", {"customer": customer})
    invoice = client.v1.invoices.list({"subscription": subscription}).data[0]
    paid = client.v1.invoices.pay(invoice.id, {"payment_method": card.id})
    assert paid.status == "paid"
    assert client.v1.subscriptions.retrieve(subscription).status == "active"


def test_default_incomplete_waits_for_the_browser(client: stripe.StripeClient, shop: Shop) -> None:
    subscription = client.v1.subscriptions.create(
        {
            "customer": shop.customer(card=None),
            "items": [{"price": shop.month}],
            "payment_behavior": "default_incomplete",
            "payment_settings": {"save_default_payment_method": "on_subscription"},
            "expand": ["latest_invoice.confirmation_secret"],
        }
    )
    assert subscription.status == "incomplete"
    secret = subscription.latest_invoice.confirmation_secret.client_secret  # type: ignore[union-attr]
    intent = secret.partition("_secret_")[0]
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.payment_intents.confirm(intent)
    client.v1.payment_intents.confirm(
        intent,
        {
            "payment_method": client.v1.payment_methods.attach(
                "pm_card_visa", {"customer": str(subscription.customer)}
            ).id
        },
    )
    active = client.v1.subscriptions.retrieve(subscription.id)
    assert active.status == "active"
    assert active.default_payment_method is not None


def test_cancel_at_period_end_and_back(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    subscription = shop.subscribe()
    canceling = client.v1.subscriptions.update(subscription, {"cancel_at_period_end": True})
    assert canceling.status == "active"
    assert canceling.cancel_at == canceling["items"].data[0].current_period_end
    assert canceling.canceled_at == NOW
    assert sandbox.events("customer.subscription.updated")[-1]["data"]["previous_attributes"] == {
        "cancel_at": None,
        "cancel_at_period_end": False,
        "canceled_at": None,
        "cancellation_details": {"reason": None},
    }
    back = client.v1.subscriptions.update(subscription, {"cancel_at_period_end": False})
    assert (back.cancel_at, back.canceled_at, back.cancel_at_period_end) == (None, None, False)
    client.v1.subscriptions.update(subscription, {"cancel_at_period_end": True})
    sandbox.clock.advance(days=28)
    ended = client.v1.subscriptions.retrieve(subscription)
    assert ended.status == "canceled"
    assert ended.canceled_at == NOW
    assert ended.ended_at == NOW + 28 * 86_400
    assert len(client.v1.invoices.list({"subscription": subscription}).data) == 1


def test_cancel_now(client: stripe.StripeClient, shop: Shop, sandbox: Sandbox) -> None:
    customer = shop.customer()
    subscription = shop.subscribe(customer)
    canceled = client.v1.subscriptions.cancel(
        subscription, {"cancellation_details": {"feedback": "too_expensive", "comment": "Hm"}}
    )
    assert (canceled.status, canceled.ended_at) == ("canceled", NOW)
    assert canceled.cancellation_details is not None
    assert canceled.cancellation_details.feedback == "too_expensive"
    deleted = sandbox.events("customer.subscription.deleted")[0]
    assert "previous_attributes" not in deleted["data"]
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.subscriptions.cancel(subscription)
    assert caught.value.http_status == 404
    assert client.v1.subscriptions.list({"customer": customer}).data == []
    everything = client.v1.subscriptions.list({"customer": customer, "status": "all"})
    assert [one.id for one in everything.data] == [subscription]
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.subscriptions.update(subscription, {"cancel_at_period_end": True})
    assert caught.value.code == "invalid_canceled_subscription_fields"


def test_an_upgrade_is_previewed_and_charged_the_same(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    subscription = client.v1.subscriptions.retrieve(shop.subscribe())
    item = subscription["items"].data[0].id
    sandbox.clock.advance(days=14)
    date = NOW + 14 * 86_400
    change: stripe.params.SubscriptionUpdateParams = {
        "items": [{"id": item, "price": shop.team}],
        "proration_behavior": "always_invoice",
        "proration_date": date,
    }
    preview = client.v1.invoices.create_preview(
        {"subscription": subscription.id, "subscription_details": t.cast(t.Any, change)}
    )
    assert preview.id is not None
    assert preview.id.startswith("upcoming_in_")
    assert [line.amount for line in preview.lines.data] == [-1250, 2450]
    assert preview.amount_due == 1200
    assert preview.lines.data[0].description == "Unused time on Pro after 14 Feb 2026"
    unchanged = client.v1.subscriptions.retrieve(subscription.id)
    assert unchanged["items"].data[0].price.id == shop.month
    upgraded = client.v1.subscriptions.update(
        subscription.id, {**change, "expand": ["latest_invoice"]}
    )
    assert upgraded.latest_invoice.amount_paid == 1200  # type: ignore[union-attr]
    assert upgraded["items"].data[0].price.id == shop.team
    assert upgraded["items"].data[0].current_period_end == NOW + 28 * 86_400


def test_create_prorations_wait_for_the_renewal(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    subscription = client.v1.subscriptions.retrieve(shop.subscribe())
    sandbox.clock.advance(days=14)
    client.v1.subscriptions.update(
        subscription.id, {"items": [{"id": subscription["items"].data[0].id, "price": shop.team}]}
    )
    upcoming = client.v1.invoices.create_preview({"subscription": subscription.id})
    assert [line.amount for line in upcoming.lines.data] == [-1250, 2450, 4900]
    sandbox.clock.advance(days=14, hours=2)
    renewed = client.v1.invoices.list({"subscription": subscription.id}).data[0]
    assert renewed.billing_reason == "subscription_cycle"
    assert (renewed.total, renewed.status) == (6100, "paid")


def test_a_quantity_change_credits_the_whole_old_quantity(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    subscription = client.v1.subscriptions.retrieve(shop.subscribe())
    sandbox.clock.advance(days=14)
    changed = client.v1.subscriptions.update(
        subscription.id,
        {
            "items": [{"id": subscription["items"].data[0].id, "quantity": 3}],
            "proration_behavior": "always_invoice",
            "expand": ["latest_invoice"],
        },
    )
    lines = changed.latest_invoice.lines.data  # type: ignore[union-attr]
    assert [line.amount for line in lines] == [-1250, 3750]
    assert lines[1].description == "Remaining time on 3 × Pro after 14 Feb 2026"


def test_a_downgrade_leaves_a_credit(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    customer = shop.customer()
    subscription = client.v1.subscriptions.retrieve(shop.subscribe(customer, shop.team))
    sandbox.clock.advance(days=14)
    changed = client.v1.subscriptions.update(
        subscription.id,
        {
            "items": [{"id": subscription["items"].data[0].id, "price": shop.month}],
            "proration_behavior": "always_invoice",
            "expand": ["latest_invoice"],
        },
    )
    invoice = changed.latest_invoice
    assert isinstance(invoice, stripe.Invoice)
    assert (invoice.total, invoice.amount_due, invoice.status) == (-1200, 0, "paid")
    assert client.v1.customers.retrieve(customer).balance == -1200
    sandbox.clock.advance(days=14, hours=2)
    renewed = client.v1.invoices.list({"subscription": subscription.id}).data[0]
    assert (renewed.total, renewed.starting_balance, renewed.amount_paid) == (2500, -1200, 1300)
    assert client.v1.customers.retrieve(customer).balance == 0


def test_a_failed_upgrade_waits_or_is_refused(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    customer = shop.customer()
    subscription = client.v1.subscriptions.retrieve(shop.subscribe(customer))
    bad = client.v1.payment_methods.attach("pm_card_chargeCustomerFail", {"customer": customer})
    client.v1.customers.update(customer, {"invoice_settings": {"default_payment_method": bad.id}})
    change: stripe.params.SubscriptionUpdateParams = {
        "items": [{"id": subscription["items"].data[0].id, "price": shop.team}],
        "proration_behavior": "always_invoice",
    }
    sandbox.clock.advance(days=1)
    with pytest.raises(stripe.CardError):
        client.v1.subscriptions.update(
            subscription.id, {**change, "payment_behavior": "error_if_incomplete"}
        )
    same = client.v1.subscriptions.retrieve(subscription.id)
    assert same["items"].data[0].price.id == shop.month
    waiting = client.v1.subscriptions.update(
        subscription.id, {**change, "payment_behavior": "pending_if_incomplete"}
    )
    assert waiting.status == "active"
    assert waiting["items"].data[0].price.id == shop.month
    assert waiting.pending_update is not None
    assert waiting.pending_update.subscription_items is not None
    good = client.v1.payment_methods.attach("pm_card_visa", {"customer": customer})
    client.v1.invoices.pay(str(waiting.latest_invoice), {"payment_method": good.id})
    applied = client.v1.subscriptions.retrieve(subscription.id)
    assert applied["items"].data[0].price.id == shop.team
    assert applied.pending_update is None
    assert sandbox.events("customer.subscription.pending_update_applied")


def test_a_waiting_upgrade_expires(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    customer = shop.customer()
    subscription = client.v1.subscriptions.retrieve(shop.subscribe(customer))
    bad = client.v1.payment_methods.attach("pm_card_chargeCustomerFail", {"customer": customer})
    client.v1.customers.update(customer, {"invoice_settings": {"default_payment_method": bad.id}})
    waiting = client.v1.subscriptions.update(
        subscription.id,
        {
            "items": [{"id": subscription["items"].data[0].id, "price": shop.team}],
            "proration_behavior": "always_invoice",
            "payment_behavior": "pending_if_incomplete",
        },
    )
    sandbox.clock.advance(hours=24)
    after = client.v1.subscriptions.retrieve(subscription.id)
    assert (after.pending_update, after.status) == (None, "active")
    assert client.v1.invoices.retrieve(str(waiting.latest_invoice)).status == "void"


def test_discounts_replace_and_last(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    client.v1.coupons.create(
        {"id": "stay", "percent_off": 20, "duration": "repeating", "duration_in_months": 2}
    )
    subscription = shop.subscribe()
    sandbox.clock.advance(days=1)
    discounted = client.v1.subscriptions.update(subscription, {"discounts": [{"coupon": "stay"}]})
    kept = discounted.discounts[0]
    again = client.v1.subscriptions.update(subscription, {"discounts": [{"discount": str(kept)}]})
    assert again.discounts == [kept]
    sandbox.clock.advance(days=100)
    totals = [one.total for one in client.v1.invoices.list({"subscription": subscription}).data]
    assert totals == [2500, 2000, 2000, 2500]
    assert client.v1.subscriptions.update(subscription, {"discounts": ""}).discounts == []


def test_paused_collection_makes_no_money(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    subscription = shop.subscribe()
    paused = client.v1.subscriptions.update(
        subscription,
        {"pause_collection": {"behavior": "void", "resumes_at": NOW + 40 * 86_400}},
    )
    assert (paused.status, paused.pause_collection is not None) == ("active", True)
    sandbox.clock.advance(days=30)
    invoice = client.v1.invoices.list({"subscription": subscription}).data[0]
    assert invoice.status == "void"
    sandbox.clock.advance(days=11)
    assert client.v1.subscriptions.retrieve(subscription).pause_collection is None


def test_items_come_and_go(client: stripe.StripeClient, shop: Shop) -> None:
    subscription = shop.subscribe()
    item = client.v1.subscription_items.create({"subscription": subscription, "price": shop.team})
    listed = client.v1.subscription_items.list({"subscription": subscription})
    assert len(listed.data) == 2
    assert client.v1.subscription_items.update(item.id, {"quantity": 4}).quantity == 4
    assert client.v1.subscription_items.retrieve(item.id).quantity == 4
    assert client.v1.subscription_items.delete(item.id).deleted
    only = client.v1.subscription_items.list({"subscription": subscription}).data[0]
    with pytest.raises(stripe.InvalidRequestError, match="at least one active item"):
        client.v1.subscription_items.delete(only.id)
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.subscription_items.create({"subscription": subscription, "price": shop.month})
    assert caught.value.param == "plan"


def test_ending_a_trial_bills_at_once(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    subscription = client.v1.subscriptions.create(
        {"customer": shop.customer(), "items": [{"price": shop.month}], "trial_period_days": 14}
    )
    sandbox.clock.advance(days=3)
    ended = client.v1.subscriptions.update(
        subscription.id, {"trial_end": "now", "expand": ["latest_invoice"]}
    )
    invoice = ended.latest_invoice
    assert isinstance(invoice, stripe.Invoice)
    assert (ended.status, invoice.billing_reason, invoice.amount_paid) == (
        "active",
        "subscription_update",
        2500,
    )
    assert ended.billing_cycle_anchor == NOW + 3 * 86_400
