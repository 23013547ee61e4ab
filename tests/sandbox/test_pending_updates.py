"""Changes that wait for their payment, and the other ways a refused change can go."""

from __future__ import annotations

import typing as t

import pytest
import stripe

from flask_billing.sandbox import Sandbox

from .conftest import START, Shop

NOW = int(START.timestamp())
DAY = 86_400


@pytest.fixture
def unlucky(client: stripe.StripeClient, shop: Shop, sandbox: Sandbox) -> stripe.Subscription:
    """A subscription to Pro, a day old, whose card fails from now on."""
    customer = shop.customer()
    subscription = client.v1.subscriptions.retrieve(shop.subscribe(customer))
    bad = client.v1.payment_methods.attach("pm_card_chargeCustomerFail", {"customer": customer})
    client.v1.customers.update(customer, {"invoice_settings": {"default_payment_method": bad.id}})
    sandbox.clock.advance(days=1)
    return subscription


def upgrade(
    shop: Shop, subscription: stripe.Subscription, behavior: str, **more: t.Any
) -> stripe.Subscription:
    return shop.client.v1.subscriptions.update(
        subscription.id,
        t.cast(
            t.Any,
            {
                "items": [{"id": subscription["items"].data[0].id, "price": shop.team}],
                "proration_behavior": "always_invoice",
                "payment_behavior": behavior,
                **more,
            },
        ),
    )


def types(sandbox: Sandbox, since: int) -> list[str]:
    return [event["type"] for event in sandbox.events()[since:]]


def price_of(subscription: stripe.Subscription) -> str:
    price: str = subscription["items"].data[0].price.id
    return price


def test_a_payment_applies_the_change(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox, unlucky: stripe.Subscription
) -> None:
    waiting = upgrade(shop, unlucky, "pending_if_incomplete", metadata={"by": "ada"})
    assert (waiting.status, price_of(waiting)) == ("active", shop.month)
    assert waiting.metadata.to_dict() == {}
    assert waiting.pending_update is not None
    assert waiting.pending_update.expires_at == NOW + DAY + 23 * 3600
    wanted = waiting.pending_update.subscription_items
    assert wanted is not None
    assert [item.price.id for item in wanted] == [shop.team]
    before = len(sandbox.events())
    good = client.v1.payment_methods.attach("pm_card_visa", {"customer": str(unlucky.customer)})
    client.v1.invoices.pay(str(waiting.latest_invoice), {"payment_method": good.id})
    assert types(sandbox, before)[-2:] == [
        "customer.subscription.updated",
        "customer.subscription.pending_update_applied",
    ]
    previous = sandbox.events()[-2]["data"]["previous_attributes"]
    assert previous["items"]["data"][0]["price"]["id"] == shop.month
    assert previous["pending_update"]["expires_at"] == NOW + DAY + 23 * 3600
    applied = client.v1.subscriptions.retrieve(unlucky.id)
    assert (price_of(applied), applied.pending_update) == (shop.team, None)
    assert applied.metadata.to_dict() == {"by": "ada"}


def test_without_a_payment_it_is_forgotten_after_23_hours(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox, unlucky: stripe.Subscription
) -> None:
    waiting = upgrade(shop, unlucky, "pending_if_incomplete")
    sandbox.clock.advance(hours=22, minutes=59)
    assert client.v1.subscriptions.retrieve(unlucky.id).pending_update is not None
    before = len(sandbox.events())
    sandbox.clock.advance(minutes=1)
    after = client.v1.subscriptions.retrieve(unlucky.id)
    assert (price_of(after), after.pending_update, after.status) == (shop.month, None, "active")
    assert client.v1.invoices.retrieve(str(waiting.latest_invoice)).status == "void"
    assert types(sandbox, before)[-2:] == [
        "customer.subscription.updated",
        "customer.subscription.pending_update_expired",
    ]


def test_voiding_its_invoice_ends_the_wait(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox, unlucky: stripe.Subscription
) -> None:
    waiting = upgrade(shop, unlucky, "pending_if_incomplete")
    client.v1.invoices.void_invoice(str(waiting.latest_invoice))
    assert client.v1.subscriptions.retrieve(unlucky.id).pending_update is None
    assert types(sandbox, 0)[-1] == "customer.subscription.pending_update_expired"


def test_a_failed_attempt_on_its_invoice_is_no_dunning(
    client: stripe.StripeClient, shop: Shop, unlucky: stripe.Subscription
) -> None:
    waiting = upgrade(shop, unlucky, "pending_if_incomplete")
    with pytest.raises(stripe.CardError):
        client.v1.invoices.pay(str(waiting.latest_invoice))
    assert client.v1.subscriptions.retrieve(unlucky.id).status == "active"


def test_another_change_takes_its_place(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox, unlucky: stripe.Subscription
) -> None:
    first = upgrade(shop, unlucky, "pending_if_incomplete")
    second = upgrade(shop, unlucky, "pending_if_incomplete", proration_date=NOW + DAY)
    assert second.pending_update is not None
    assert second.latest_invoice != first.latest_invoice
    assert client.v1.invoices.retrieve(str(first.latest_invoice)).status == "void"
    sandbox.clock.advance(days=2)
    assert types(sandbox, 0).count("customer.subscription.pending_update_expired") == 1


def test_a_card_that_wants_authentication_waits_too(
    client: stripe.StripeClient, shop: Shop, unlucky: stripe.Subscription
) -> None:
    customer = str(unlucky.customer)
    card = client.v1.payment_methods.attach("pm_card_threeDSecure2Required", {"customer": customer})
    client.v1.customers.update(customer, {"invoice_settings": {"default_payment_method": card.id}})
    waiting = upgrade(shop, unlucky, "pending_if_incomplete")
    assert waiting.pending_update is not None
    assert (waiting.status, price_of(waiting)) == ("active", shop.month)


def test_what_cannot_wait(
    client: stripe.StripeClient, shop: Shop, unlucky: stripe.Subscription
) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        upgrade(shop, unlucky, "pending_if_incomplete", cancel_at_period_end=False)
    assert caught.value.param == "cancel_at_period_end"
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.subscriptions.create(
            {
                "customer": str(unlucky.customer),
                "items": [{"price": shop.month}],
                "payment_behavior": "pending_if_incomplete",
            }
        )
    assert caught.value.param == "payment_behavior"


def test_an_error_leaves_nothing_behind(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox, unlucky: stripe.Subscription
) -> None:
    before = len(sandbox.events())
    with pytest.raises(stripe.CardError) as caught:
        upgrade(shop, unlucky, "error_if_incomplete")
    assert (caught.value.http_status, caught.value.code) == (402, "card_declined")
    same = client.v1.subscriptions.retrieve(unlucky.id)
    assert (price_of(same), same.latest_invoice) == (shop.month, unlucky.latest_invoice)
    assert len(sandbox.events()) == before
    assert client.v1.invoice_items.list({"customer": str(unlucky.customer)}).data == []


def test_by_default_the_change_stands_and_the_payment_is_tried_again(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox, unlucky: stripe.Subscription
) -> None:
    changed = upgrade(shop, unlucky, "allow_incomplete")
    assert (changed.status, price_of(changed)) == ("past_due", shop.team)
    customer = str(unlucky.customer)
    good = client.v1.payment_methods.attach("pm_card_visa", {"customer": customer})
    client.v1.customers.update(customer, {"invoice_settings": {"default_payment_method": good.id}})
    sandbox.clock.advance(days=1)
    assert client.v1.subscriptions.retrieve(unlucky.id).status == "active"


def test_default_incomplete_leaves_the_payment_to_the_browser(
    client: stripe.StripeClient, shop: Shop, unlucky: stripe.Subscription
) -> None:
    changed = upgrade(
        shop, unlucky, "default_incomplete", expand=["latest_invoice.confirmation_secret"]
    )
    invoice = t.cast(stripe.Invoice, changed.latest_invoice)
    assert (changed.status, price_of(changed)) == ("active", shop.team)
    assert (invoice.status, invoice.attempted) == ("open", False)
    assert invoice.confirmation_secret is not None


def test_a_change_that_costs_needs_a_payment_method(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox, unlucky: stripe.Subscription
) -> None:
    for card in client.v1.payment_methods.list({"customer": str(unlucky.customer)}).data:
        client.v1.payment_methods.detach(card.id)
    for behavior in ("allow_incomplete", "error_if_incomplete", "pending_if_incomplete"):
        with pytest.raises(stripe.InvalidRequestError) as caught:
            upgrade(shop, unlucky, behavior)
        assert (caught.value.http_status, caught.value.code) == (400, "resource_missing")
    same = client.v1.subscriptions.retrieve(unlucky.id)
    assert (same.status, price_of(same), same.pending_update) == ("active", shop.month, None)
