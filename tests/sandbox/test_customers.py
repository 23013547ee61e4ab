"""Customers and their cards."""

from __future__ import annotations

import typing as t

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


def test_metadata_has_limits(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="50 keys"):
        client.v1.customers.create({"metadata": {str(n): "x" for n in range(51)}})
    with pytest.raises(stripe.InvalidRequestError, match="500 characters"):
        client.v1.customers.create({"metadata": {"k": "x" * 501}})


@pytest.mark.parametrize(
    ("params", "status", "code", "param"),
    [
        ({"email": "not an email"}, 400, "email_invalid", "email"),
        ({"name": "x" * 257}, 400, None, "name"),
        ({"tax_exempt": "maybe"}, 400, None, "tax_exempt"),
        ({"balance": "much"}, 400, "parameter_invalid_integer", "balance"),
        ({"address": {"planet": "Mars"}}, 400, "parameter_unknown", "address[planet]"),
        ({"shipping": {"name": "Ada"}}, 400, "parameter_missing", "shipping[address]"),
        ({"payment_method": "pm_x"}, 400, "resource_missing", "payment_method"),
        (
            {"invoice_settings": {"default_payment_method": "pm_x"}},
            400,
            "resource_missing",
            "invoice_settings[default_payment_method]",
        ),
        ({"tax_id_data": [{"type": "eu_vat"}]}, 400, "parameter_missing", "tax_id_data[0][value]"),
        ({"coupon": "x"}, 400, "parameter_unknown", "coupon"),
        ({"source": "tok_visa"}, 404, None, "source"),
    ],
)
def test_customers_that_make_no_sense(
    client: stripe.StripeClient,
    params: dict[str, t.Any],
    status: int,
    code: str | None,
    param: str,
) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.customers.create(t.cast(t.Any, params))
    assert (caught.value.http_status, caught.value.code, caught.value.param) == (
        status,
        code,
        param,
    )
    assert client.v1.customers.list().data == []


def test_a_customer_comes_with_a_card(client: stripe.StripeClient, sandbox: Sandbox) -> None:
    made = client.v1.payment_methods.create({"type": "card", "card": {"token": "tok_visa"}})
    customer = client.v1.customers.create(
        {
            "payment_method": made.id,
            "invoice_settings": {"default_payment_method": made.id},
        }
    )
    assert customer.invoice_settings is not None
    assert customer.invoice_settings.default_payment_method == made.id
    created = sandbox.events("customer.created")[0]["data"]["object"]
    assert created["invoice_settings"]["default_payment_method"] == made.id
    with pytest.raises(stripe.CardError):
        client.v1.customers.create({"payment_method": "pm_card_chargeDeclined"})


def test_a_shipping_address_is_merged_and_cleared(client: stripe.StripeClient) -> None:
    customer = client.v1.customers.create(
        {"shipping": {"name": "Ada", "phone": "1", "address": {"city": "Ely", "country": "GB"}}}
    )
    moved = client.v1.customers.update(
        customer.id, {"shipping": {"name": "Ada L.", "address": {"city": "York"}}}
    ).shipping
    assert moved is not None
    assert moved.address is not None
    assert (moved.name, moved.phone, moved.address.country) == ("Ada L.", "1", "GB")
    assert client.v1.customers.update(customer.id, {"shipping": ""}).shipping is None


def test_customers_are_found_by_email(client: stripe.StripeClient, shop: Shop) -> None:
    grace = client.v1.customers.create({"email": "grace@example.com"})
    shop.customer(card=None)
    found = client.v1.customers.list({"email": "grace@example.com"}).data
    assert [one.id for one in found] == [grace.id]
    assert client.v1.customers.list({"email": "GRACE@example.com"}).data == []
    client.v1.customers.delete(grace.id)
    assert client.v1.customers.list({"email": "grace@example.com"}).data == []
    for call in (client.v1.customers.delete, client.v1.customers.update):
        with pytest.raises(stripe.InvalidRequestError, match="No such customer") as caught:
            call(grace.id)
        assert (caught.value.http_status, caught.value.param) == (404, "id")


def test_metadata_goes_key_by_key_or_all_at_once(client: stripe.StripeClient) -> None:
    def after(metadata: t.Any) -> object:
        changed = client.v1.customers.update(customer.id, {"metadata": metadata})
        return changed.metadata and changed.metadata.to_dict()

    customer = client.v1.customers.create({"metadata": {"a": "1", "b": "2"}})
    assert after({"c": "3", "a": ""}) == {"b": "2", "c": "3"}
    assert after("") == {}


@pytest.mark.parametrize("name", ["description", "email", "name", "phone"])
def test_an_empty_string_unsets_what_a_customer_may_lack(
    client: stripe.StripeClient, name: str
) -> None:
    filled: t.Any = {name: "ada@example.com"}
    emptied: t.Any = {name: ""}
    customer = client.v1.customers.create(filled)
    assert customer[name] == "ada@example.com"
    assert client.v1.customers.update(customer.id, emptied)[name] is None


def test_default_cards_can_be_unset(client: stripe.StripeClient, shop: Shop) -> None:
    subscription = client.v1.subscriptions.retrieve(shop.subscribe())
    customer = str(subscription.customer)
    card = client.v1.payment_methods.list({"customer": customer}).data[0].id
    client.v1.subscriptions.update(subscription.id, {"default_payment_method": card})
    unset = client.v1.subscriptions.update(subscription.id, {"default_payment_method": ""})
    assert unset.default_payment_method is None
    left = client.v1.customers.update(
        customer, {"invoice_settings": {"default_payment_method": ""}}
    )
    assert left.invoice_settings is not None
    assert left.invoice_settings.default_payment_method is None
