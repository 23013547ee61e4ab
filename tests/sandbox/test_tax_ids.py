"""Tax ids of customers."""

from __future__ import annotations

import typing as t

import pytest
import stripe

from flask_billing.sandbox import Sandbox

from .conftest import Shop


@pytest.mark.parametrize(
    ("kind", "value", "country", "first", "then"),
    [
        ("eu_vat", "DE123456789", "DE", "pending", "verified"),
        ("eu_vat", "ie1111111 11".replace(" ", ""), "IE", "pending", "unverified"),
        ("eu_vat", "FR22222222222", "FR", "pending", "pending"),
        ("gb_vat", "GB000000000", "GB", "pending", "verified"),
        ("us_ein", "12-3456789", "US", "unavailable", "unavailable"),
        ("jp_cn", "1234567891234", "JP", "unavailable", "unavailable"),
    ],
)
def test_a_tax_id_is_verified_after_a_moment(
    client: stripe.StripeClient,
    shop: Shop,
    sandbox: Sandbox,
    kind: t.Any,
    value: str,
    country: str,
    first: str,
    then: str,
) -> None:
    customer = shop.customer(card=None)
    tax_id = client.v1.customers.tax_ids.create(customer, {"type": kind, "value": value})
    assert tax_id.verification is not None
    assert (tax_id.value, tax_id.country) == (value.upper(), country)
    assert tax_id.verification.status == first
    later = client.v1.customers.tax_ids.retrieve(customer, tax_id.id)
    assert later.verification is not None
    assert later.verification.status == then
    assert len(sandbox.events("customer.tax_id.updated")) == (first != then)


def test_tax_ids_are_listed_expanded_and_deleted(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    customer = client.v1.customers.create(
        {
            "tax_id_data": [{"type": "eu_vat", "value": "DE123456789"}],
            "expand": ["tax_ids"],
        }
    )
    assert customer.tax_ids is not None
    first = customer.tax_ids.data[0]
    second = client.v1.tax_ids.create(
        {
            "type": "us_ein",
            "value": "12-3456789",
            "owner": {"type": "customer", "customer": customer.id},
        }
    )
    listed = client.v1.customers.tax_ids.list(customer.id)
    assert [one.id for one in listed.data] == [second.id, first.id]
    assert client.v1.customers.tax_ids.delete(customer.id, first.id).deleted
    assert [one.id for one in client.v1.customers.tax_ids.list(customer.id).data] == [second.id]
    assert client.v1.tax_ids.retrieve(second.id).customer == customer.id
    assert [event["type"] for event in sandbox.events("customer.tax_id.deleted")]
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.customers.tax_ids.retrieve(customer.id, first.id)
    assert caught.value.http_status == 404
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.customers.tax_ids.delete(shop.customer(card=None), second.id)


@pytest.mark.parametrize(
    ("params", "code", "param"),
    [
        ({"type": "eu_vat", "value": "123"}, "tax_id_invalid", "value"),
        ({"type": "us_ein", "value": "123456789"}, "tax_id_invalid", "value"),
        ({"type": "moon_vat", "value": "1"}, None, "type"),
        ({"type": "eu_vat"}, "parameter_missing", "value"),
        ({"value": "DE123456789"}, "parameter_missing", "type"),
    ],
)
def test_tax_ids_that_make_no_sense(
    client: stripe.StripeClient,
    shop: Shop,
    params: dict[str, str],
    code: str | None,
    param: str,
) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.customers.tax_ids.create(shop.customer(card=None), t.cast(t.Any, params))
    assert (caught.value.http_status, caught.value.code, caught.value.param) == (400, code, param)


def test_a_customer_has_five_tax_ids_at_most(client: stripe.StripeClient, shop: Shop) -> None:
    customer = shop.customer(card=None)
    for number in range(5):
        client.v1.customers.tax_ids.create(
            customer, {"type": "us_ein", "value": f"12-345678{number}"}
        )
    with pytest.raises(stripe.InvalidRequestError, match="up to 5"):
        client.v1.customers.tax_ids.create(customer, {"type": "us_ein", "value": "12-3456789"})


def test_the_account_itself_has_none(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="sandbox does not know"):
        client.v1.tax_ids.create({"type": "eu_vat", "value": "DE123456789"})
