"""``expand``: everything the SDK types as expandable, four levels deep, and nothing else."""

from __future__ import annotations

import typing as t

import pytest
import stripe
from werkzeug.test import Client

from flask_billing.sandbox import Sandbox

from . import shapes
from .conftest import Shop

KEY = {"Authorization": "Bearer sk_test_anything"}

#: Where the objects of each kind are listed; all of them come up in the story of `lived`.
LISTS = {
    "charge": "charges",
    "checkout.session": "checkout/sessions",
    "customer": "customers",
    "invoice": "invoices",
    "invoice_payment": "invoice_payments",
    "invoiceitem": "invoiceitems",
    "payment_intent": "payment_intents",
    "payment_method": "payment_methods",
    "price": "prices",
    "product": "products",
    "promotion_code": "promotion_codes",
    "setup_intent": "setup_intents",
    "subscription": "subscriptions",
}


@pytest.fixture
def lived(client: stripe.StripeClient, shop: Shop, sandbox: Sandbox) -> str:
    """A customer with one of everything."""
    customer = shop.customer()
    session = shop.checkout(customer)
    sandbox.checkout(session).pay(card="4242424242424242")
    client.v1.setup_intents.create({"customer": customer})
    coupon = client.v1.coupons.create({"percent_off": 10, "duration": "forever"})
    client.v1.promotion_codes.create({"promotion": {"type": "coupon", "coupon": coupon.id}})
    client.v1.invoice_items.create({"customer": customer, "amount": 1000, "currency": "usd"})
    return customer


def expandable(hint: t.Any) -> bool:
    """Is the field an id that may be expanded, or a list of those?"""
    arguments = t.get_args(hint)

    if t.get_origin(hint) is list:
        return expandable(arguments[0])

    if t.get_origin(hint) is not t.Union:
        return False

    if str in arguments and any(hasattr(one, "OBJECT_NAME") for one in arguments):
        return True

    return any(expandable(one) for one in arguments)


def expandable_fields(kind: str) -> list[str]:
    return [
        name
        for name, hint in shapes._annotations(shapes._class_of(kind)).items()
        if expandable(hint)
    ]


@pytest.mark.parametrize("kind", LISTS)
def test_what_the_sdk_types_as_expandable(sandbox: Sandbox, lived: str, kind: str) -> None:
    http = Client(sandbox.wsgi_app)
    of = {"customer": lived} if kind == "payment_method" else {}
    listed = http.get(f"/v1/{LISTS[kind]}", query_string=of, headers=KEY).get_json()
    found = listed["data"][0]
    refused = []

    for name in expandable_fields(kind):
        query = {"expand[]": f"data.{name}", **of}
        answer = http.get(f"/v1/{LISTS[kind]}", query_string=query, headers=KEY)

        if answer.status_code != 200:
            refused.append(name)

        elif isinstance(found.get(name), str):
            shown = answer.get_json()["data"][0][name]
            assert shown["id"] == found[name], name

    assert refused == []


def test_four_levels_and_no_more(client: stripe.StripeClient, lived: str) -> None:
    deep = "latest_invoice.payments.data.invoice"
    subscription = client.v1.subscriptions.list({"customer": lived}).data[0].id
    found = client.v1.subscriptions.retrieve(subscription, {"expand": [deep]})
    payment = found.latest_invoice.payments.data[0]  # type: ignore[union-attr]
    assert payment.invoice.customer == lived  # type: ignore[union-attr]
    assert client.v1.subscriptions.list({"expand": [f"data.{deep}"]}).data
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.subscriptions.retrieve(subscription, {"expand": [f"{deep}.customer"]})
    assert caught.value.user_message is not None
    assert caught.value.user_message.startswith("You cannot expand more than 4 levels")


@pytest.mark.parametrize(
    "path", ["status", "metadata", "created", "items.data.quantity", "nowhere", "customer.email"]
)
def test_what_cannot_be_expanded_is_said(
    client: stripe.StripeClient, lived: str, path: str
) -> None:
    subscription = client.v1.subscriptions.list({"customer": lived}).data[0].id
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.subscriptions.retrieve(subscription, {"expand": [path]})
    assert caught.value.user_message == f"This property cannot be expanded ({path})."
    assert (caught.value.http_status, caught.value.param) == (400, "expand")
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.subscriptions.list({"expand": [f"data.{path}"]})


def test_lists_expand_below_data(client: stripe.StripeClient, lived: str) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.subscriptions.list({"expand": ["customer"]})
    assert "'data.customer'" in str(caught.value)
    assert client.v1.customers.create({"expand": ["subscriptions"]}).subscriptions is not None
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.customers.delete(lived, {"expand": ["subscriptions"]})  # type: ignore[arg-type]
