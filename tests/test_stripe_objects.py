"""Accessors read today's objects and the older shapes alike."""

from __future__ import annotations

import typing as t
from datetime import UTC, datetime

import pytest

from flask_billing import stripe_objects

from .stripe_double import StripeObject
from .webhooks.stories import made

STARTS = datetime(2026, 11, 20, 10, tzinfo=UTC)
ENDS = datetime(2026, 12, 20, 10, tzinfo=UTC)

SUBSCRIPTIONS = ("subscription", "old_subscription")
INVOICES = ("invoice", "old_invoice")


@pytest.mark.parametrize("name", SUBSCRIPTIONS)
def test_the_period_of_a_subscription(name: str) -> None:
    assert stripe_objects.period(made(name)) == (STARTS, ENDS)


def test_a_subscription_without_a_period_has_none() -> None:
    assert stripe_objects.period({"items": {"data": []}}) == (None, None)


@pytest.mark.parametrize("name", SUBSCRIPTIONS)
def test_the_price_of_a_subscription(name: str) -> None:
    price = stripe_objects.price_of(made(name))

    assert (price["id"], price["unit_amount"]) == ("price_starter", 2900)


def test_the_price_of_a_subscription_from_before_there_were_prices() -> None:
    subscription = made("old_subscription")
    item = subscription["items"]["data"][0]
    item["plan"] = {"id": "plan_gold", "amount": 900, "interval": "month"}
    del item["price"]
    assert stripe_objects.price_of(subscription)["id"] == "plan_gold"

    subscription["items"]["data"] = []
    assert stripe_objects.price_of(subscription)["id"] == "price_starter"
    assert stripe_objects.price_of({}) == {}


@pytest.mark.parametrize("name", SUBSCRIPTIONS)
def test_when_a_subscription_is_going_to_end(name: str) -> None:
    assert stripe_objects.cancels_at(made(name)) is None
    assert stripe_objects.cancels_at(made(name, cancel_at_period_end=True)) == ENDS
    at = int(STARTS.timestamp())
    assert stripe_objects.cancels_at(made(name, cancel_at=at)) == STARTS


def test_the_plan_is_the_item_that_is_not_metered() -> None:
    metered = {"id": "si_tokens", "price": {"recurring": {"usage_type": "metered"}}}
    licensed = {"id": "si_plan", "price": {"recurring": {"usage_type": "licensed"}}}
    both = {"items": {"data": [metered, licensed]}}

    assert stripe_objects.licensed_item(both)["id"] == "si_plan"
    assert stripe_objects.licensed_item({"items": {"data": [metered]}})["id"] == "si_tokens"
    assert stripe_objects.licensed_item({}) == {}


TODAYS = {"id": "di_1", "source": {"type": "coupon", "coupon": "stay-20"}}
COUPONS: dict[str, StripeObject] = {
    "today": {"discounts": [TODAYS]},
    "today, expanded": {"discounts": [{"source": {"coupon": {"id": "stay-20"}}}]},
    "before 2025-09-30": {"discounts": [{"coupon": {"id": "stay-20", "percent_off": 20}}]},
    "before there were several": {"discount": {"coupon": {"id": "stay-20"}}, "discounts": []},
}


@pytest.mark.parametrize("shape", COUPONS)
def test_the_coupon_of_a_discount(shape: str) -> None:
    [discount] = stripe_objects.discounts(COUPONS[shape])

    assert stripe_objects.coupon_of(discount) == "stay-20"


@pytest.mark.parametrize(
    "holder", [{}, {"discounts": []}, {"discount": None}, {"discounts": ["di_1"]}]
)
def test_no_discount_that_could_be_read(holder: StripeObject) -> None:
    assert stripe_objects.discounts(holder) == []


@pytest.mark.parametrize("name", INVOICES)
def test_the_subscription_of_an_invoice(name: str) -> None:
    invoice = made(name)
    assert stripe_objects.invoice_subscription(invoice) == "sub_1"
    assert stripe_objects.invoice_subscription_object(invoice) is None


def test_the_expanded_subscription_of_an_invoice() -> None:
    subscription = made("subscription")
    today = made("invoice", parent__subscription_details__subscription=subscription)
    older = made("old_invoice", subscription=subscription)

    for invoice in (today, older):
        assert stripe_objects.invoice_subscription(invoice) == "sub_1"
        assert stripe_objects.invoice_subscription_object(invoice) == subscription


def test_an_invoice_without_subscription() -> None:
    assert stripe_objects.invoice_subscription({"parent": None, "subscription": None}) is None
    assert stripe_objects.invoice_subscription({}) is None


@pytest.mark.parametrize(
    ("value", "found"),
    [("cus_1", "cus_1"), ({"id": "cus_1"}, "cus_1"), (None, None), (7, None), ({}, None)],
)
def test_a_reference_may_be_an_id_or_the_object(value: object, found: str | None) -> None:
    assert stripe_objects.reference(value) == found


@pytest.mark.parametrize(
    ("value", "found"), [({"data": [1]}, [1]), ([1], [1]), (None, []), ({}, []), ("no", [])]
)
def test_a_list_may_be_stripes_or_plain(value: object, found: list[t.Any]) -> None:
    assert stripe_objects.list_data(value) == found


def test_the_default_payment_method_of_a_customer() -> None:
    assert stripe_objects.default_payment_method(made("customer")) == "pm_1"
    bare = made("customer", invoice_settings=None, default_source="card_1")
    assert stripe_objects.default_payment_method(bare) == "card_1"
    assert stripe_objects.default_payment_method({}) is None


def test_the_product_of_a_price_only_where_it_was_expanded() -> None:
    product = {"id": "prod_1", "metadata": {}}

    assert stripe_objects.product_of({"product": product}) == product
    assert stripe_objects.product_of({"product": "prod_1"}) is None
