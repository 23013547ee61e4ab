"""Customers and their cards."""

from __future__ import annotations

import pytest
import stripe

from flask_billing.sandbox import Sandbox

from .conftest import Shop


def test_parameters_merge_leaf_by_leaf(client: stripe.StripeClient, sandbox: Sandbox) -> None:
    customer = client.v1.customers.create(
        {
            "name": "Ada",
            "metadata": {"a": "1", "b": "2"},
            "address": {"line1": "1 Main St", "city": "Ely", "country": "GB"},
        }
    )
    changed = client.v1.customers.update(
        customer.id, {"metadata": {"a": ""}, "address": {"city": "York"}}
    )
    assert changed.metadata is not None
    assert changed.metadata.to_dict() == {"b": "2"}
    assert changed.address is not None
    assert (changed.address.line1, changed.address.city) == ("1 Main St", "York")
    assert client.v1.customers.update(customer.id, {"address": ""}).address is None
    updates = sandbox.events("customer.updated")
    assert updates[0]["data"]["previous_attributes"]["address"] == {"city": "Ely"}


def test_a_token_mints_a_new_card_each_time(client: stripe.StripeClient, shop: Shop) -> None:
    customer = shop.customer(card=None)
    first = client.v1.payment_methods.attach("pm_card_visa", {"customer": customer})
    second = client.v1.payment_methods.attach("pm_card_visa", {"customer": customer})
    assert first.id != second.id
    listed = client.v1.customers.payment_methods.list(customer, {"type": "card"})
    assert [method.id for method in listed.data] == [second.id, first.id]
    assert client.v1.payment_methods.list().data == []
    assert client.v1.payment_methods.attach(first.id, {"customer": customer}).id == first.id


def test_a_detached_card_is_gone_for_good(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    customer = shop.customer()
    card = client.v1.customers.payment_methods.list(customer).data[0].id
    assert client.v1.payment_methods.detach(card).customer is None
    retrieved = client.v1.customers.retrieve(customer)
    assert retrieved.invoice_settings is not None
    assert retrieved.invoice_settings.default_payment_method is None
    assert sandbox.events("payment_method.detached")[0]["data"]["previous_attributes"] == {
        "customer": customer
    }
    with pytest.raises(stripe.InvalidRequestError, match="may not be used again"):
        client.v1.payment_methods.attach(card, {"customer": customer})


def test_the_default_card_must_be_the_customers(client: stripe.StripeClient, shop: Shop) -> None:
    other = client.v1.payment_methods.attach("pm_card_visa", {"customer": shop.customer(card=None)})
    with pytest.raises(stripe.InvalidRequestError, match="must be attached"):
        client.v1.customers.update(
            shop.customer(card=None), {"invoice_settings": {"default_payment_method": other.id}}
        )


def test_deleting_a_customer_cancels_the_subscriptions(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    customer = shop.customer()
    subscription = shop.subscribe(customer)
    assert client.v1.customers.delete(customer).deleted
    assert client.v1.customers.retrieve(customer).deleted
    assert client.v1.subscriptions.retrieve(subscription).status == "canceled"
    assert sandbox.events("customer.deleted")[0]["data"]["object"]["email"] == "ada@example.com"


def test_a_setup_intent_saves_a_card(client: stripe.StripeClient, shop: Shop) -> None:
    customer = shop.customer(card=None)
    intent = client.v1.setup_intents.create(
        {"customer": customer, "payment_method": "pm_card_visa", "confirm": True}
    )
    assert intent.status == "succeeded"
    assert client.v1.customers.payment_methods.list(customer).data[0].id == intent.payment_method
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.setup_intents.confirm(intent.id)
    assert caught.value.code == "setup_intent_unexpected_state"


def test_a_setup_intent_is_declined_or_challenged(client: stripe.StripeClient, shop: Shop) -> None:
    customer = shop.customer(card=None)
    intent = client.v1.setup_intents.create({"customer": customer})
    with pytest.raises(stripe.CardError):
        client.v1.setup_intents.confirm(
            intent.id, {"payment_method": "pm_card_visa_chargeDeclined"}
        )
    refused = client.v1.setup_intents.retrieve(intent.id)
    assert refused.status == "requires_payment_method"
    assert refused.last_setup_error is not None
    challenged = client.v1.setup_intents.confirm(
        intent.id,
        {"payment_method": "pm_card_authenticationRequiredOnSetup", "return_url": "https://a.b/"},
    )
    assert challenged.status == "requires_action"
    assert challenged.next_action is not None
    assert challenged.next_action.redirect_to_url is not None


def test_metadata_has_limits(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="50 keys"):
        client.v1.customers.create({"metadata": {str(n): "x" for n in range(51)}})
    with pytest.raises(stripe.InvalidRequestError, match="500 characters"):
        client.v1.customers.create({"metadata": {"k": "x" * 501}})
