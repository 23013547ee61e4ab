"""Products, prices, coupons and promotion codes."""

from __future__ import annotations

import typing as t

import pytest
import stripe

from .conftest import Shop


def test_a_lookup_key_moves_to_the_new_price(client: stripe.StripeClient, shop: Shop) -> None:
    params: stripe.params.PriceCreateParams = {
        "product": shop.product,
        "currency": "usd",
        "unit_amount": 2900,
        "recurring": {"interval": "month"},
        "lookup_key": "pro_month",
    }
    with pytest.raises(stripe.InvalidRequestError, match="already uses that lookup key"):
        client.v1.prices.create(params)
    new = client.v1.prices.create({**params, "transfer_lookup_key": True})
    found = client.v1.prices.list({"lookup_keys": ["pro_month"], "expand": ["data.product"]})
    assert [price.id for price in found.data] == [new.id]
    assert found.data[0].product.name == "Pro"  # type: ignore[union-attr]
    assert client.v1.prices.retrieve(shop.month).lookup_key is None


def test_a_price_keeps_its_amount(client: stripe.StripeClient, shop: Shop) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.prices.update(shop.month, t.cast(t.Any, {"unit_amount": 1}))
    assert caught.value.code == "parameter_unknown"
    archived = client.v1.prices.update(shop.month, {"active": False, "nickname": "old"})
    assert (archived.active, archived.nickname) == (False, "old")
    active = client.v1.prices.list({"product": shop.product, "active": True})
    assert [price.id for price in active.data] == [shop.year]
    with pytest.raises(stripe.InvalidRequestError, match="inactive"):
        shop.subscribe()


def test_a_product_with_prices_cannot_be_deleted(client: stripe.StripeClient, shop: Shop) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="cannot be deleted"):
        client.v1.products.delete(shop.product)
    empty = client.v1.products.create({"name": "Empty"})
    assert client.v1.products.delete(empty.id).deleted
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.products.retrieve(empty.id)


def test_graduated_tiers_add_up(client: stripe.StripeClient, shop: Shop) -> None:
    price = client.v1.prices.create(
        {
            "product": shop.product,
            "currency": "usd",
            "billing_scheme": "tiered",
            "tiers_mode": "graduated",
            "tiers": [{"up_to": 10, "unit_amount": 100}, {"up_to": "inf", "unit_amount": 50}],
            "recurring": {"interval": "month"},
            "expand": ["tiers"],
        }
    )
    assert price.tiers is not None
    assert price.tiers[1].up_to is None
    subscription = client.v1.subscriptions.create(
        {
            "customer": shop.customer(),
            "items": [{"price": price.id, "quantity": 15}],
            "expand": ["latest_invoice"],
        }
    )
    assert subscription.latest_invoice.total == 10 * 100 + 5 * 50  # type: ignore[union-attr]


def test_a_promotion_code_is_used_up(client: stripe.StripeClient, shop: Shop) -> None:
    coupon = client.v1.coupons.create({"percent_off": 20, "duration": "once"})
    code = client.v1.promotion_codes.create(
        {
            "promotion": {"type": "coupon", "coupon": coupon.id},
            "code": "LAUNCH",
            "max_redemptions": 1,
        }
    )
    assert client.v1.promotion_codes.list({"code": "LAUNCH"}).data[0].id == code.id
    for customer in (shop.customer(), shop.customer()):
        params: stripe.params.SubscriptionCreateParams = {
            "customer": customer,
            "items": [{"price": shop.month}],
            "discounts": [{"promotion_code": code.id}],
            "expand": ["latest_invoice"],
        }
        if not client.v1.promotion_codes.retrieve(code.id).times_redeemed:
            first = client.v1.subscriptions.create(params)
            assert first.latest_invoice.total == 2000  # type: ignore[union-attr]
            assert first.discounts == []
        else:
            with pytest.raises(stripe.InvalidRequestError, match="expired or inactive"):
                client.v1.subscriptions.create(params)


def test_an_expired_coupon_is_refused(client: stripe.StripeClient, shop: Shop) -> None:
    coupon = client.v1.coupons.create(
        {"amount_off": 500, "currency": "usd", "duration": "once", "max_redemptions": 1}
    )
    shop_params: stripe.params.SubscriptionCreateParams = {
        "customer": shop.customer(),
        "items": [{"price": shop.month}],
        "discounts": [{"coupon": coupon.id}],
    }
    client.v1.subscriptions.create(shop_params)
    assert not client.v1.coupons.retrieve(coupon.id).valid
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.subscriptions.create(shop_params)
    assert caught.value.code == "coupon_expired"


def test_a_meter_has_one_event_name(client: stripe.StripeClient) -> None:
    params: stripe.params.billing.MeterCreateParams = {
        "display_name": "Tokens",
        "event_name": "tokens",
        "default_aggregation": {"formula": "sum"},
    }
    meter = client.v1.billing.meters.create(params)
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.billing.meters.create(params)
    client.v1.billing.meters.deactivate(meter.id)
    assert client.v1.billing.meters.create(params).status == "active"
