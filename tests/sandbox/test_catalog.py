"""Products, prices, coupons and promotion codes."""

from __future__ import annotations

import typing as t
from decimal import Decimal

import pytest
import stripe

from flask_billing.sandbox import Sandbox

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


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"currency": "xyz"}, "currency"),
        ({"currency": None}, "currency"),
        ({"unit_amount": None}, "unit_amount"),
        ({"unit_amount": -1}, "unit_amount"),
        ({"unit_amount": 10**12}, "unit_amount"),
        ({"unit_amount": "12.5"}, "unit_amount"),
        ({"unit_amount": None, "unit_amount_decimal": "0.1234567890123"}, "unit_amount_decimal"),
        ({"unit_amount": None, "unit_amount_decimal": "NaN"}, "unit_amount_decimal"),
        ({"unit_amount_decimal": "5"}, None),
        ({"product": "prod_x"}, "product"),
        ({"product": None}, "product"),
        ({"product_data": {"name": "Two"}}, "product"),
        ({"recurring": {"interval": "fortnight"}}, "recurring[interval]"),
        ({"recurring": {"interval": "year", "interval_count": 4}}, "recurring[interval_count]"),
        ({"recurring": {"interval": "month", "usage_type": "metered"}}, "recurring[meter]"),
        ({"recurring": {"interval": "month", "meter": "mtr_x"}}, "recurring[meter]"),
        ({"lookup_key": "pro_month"}, "lookup_key"),
        ({"tiers": [{"up_to": "inf", "unit_amount": 1}]}, "tiers"),
        ({"billing_scheme": "tiered"}, "tiers"),
        ({"nickname": ""}, "nickname"),
        ({"metadata": {"k" * 41: "v"}}, f"metadata[{'k' * 41}]"),
    ],
)
def test_prices_that_make_no_sense(
    client: stripe.StripeClient, shop: Shop, more: dict[str, t.Any], param: str | None
) -> None:
    params = {
        "product": shop.product,
        "currency": "usd",
        "unit_amount": 100,
        "recurring": {"interval": "month"},
        **more,
    }
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.prices.create(t.cast(t.Any, params))
    assert caught.value.http_status == 400
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("tiers", "mode", "param"),
    [
        ([{"up_to": "inf", "unit_amount": 1}], None, "tiers_mode"),
        ([{"up_to": 10, "unit_amount": 1}], "volume", "tiers[0][up_to]"),
        ([{"up_to": "inf", "flat_amount": 1}] * 2, "volume", "tiers[0][up_to]"),
        (
            [
                {"up_to": 10, "unit_amount": 2},
                {"up_to": 10, "unit_amount": 2},
                {"up_to": "inf", "unit_amount": 1},
            ],
            "graduated",
            "tiers[1][up_to]",
        ),
        ([{"up_to": "inf"}], "volume", "tiers[0][unit_amount]"),
        ([{"up_to": "inf", "unit_amount": -1}], "volume", "tiers[0][unit_amount]"),
        ([{"unit_amount": 1}], "volume", "tiers[0][up_to]"),
    ],
)
def test_tiers_that_make_no_sense(
    client: stripe.StripeClient,
    shop: Shop,
    tiers: list[dict[str, t.Any]],
    mode: str | None,
    param: str,
) -> None:
    params = {
        "product": shop.product,
        "currency": "usd",
        "billing_scheme": "tiered",
        "tiers_mode": mode,
        "tiers": tiers,
    }
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.prices.create(t.cast(t.Any, params))
    assert caught.value.param == param


def test_fractions_of_a_cent_are_kept(client: stripe.StripeClient, shop: Shop) -> None:
    price = client.v1.prices.create(
        {"product": shop.product, "currency": "USD", "unit_amount_decimal": t.cast(t.Any, "0.50")}
    )
    assert (price.unit_amount, str(price.unit_amount_decimal)) == (None, "0.5")
    assert (price.currency, price.type) == ("usd", "one_time")


def test_prices_are_listed(client: stripe.StripeClient, shop: Shop) -> None:
    def ids(**params: t.Any) -> set[str]:
        return {price.id for price in client.v1.prices.list(t.cast(t.Any, params)).data}

    assert ids() == {shop.month, shop.year, shop.team}
    assert ids(product=shop.product) == {shop.month, shop.year}
    assert ids(lookup_keys=["pro_year", "team_month", "nope"]) == {shop.year, shop.team}
    assert ids(recurring={"interval": "year"}) == {shop.year}
    assert ids(type="one_time") == ids(currency="eur") == set()
    with pytest.raises(stripe.InvalidRequestError, match="up to 10"):
        ids(lookup_keys=[str(number) for number in range(11)])


def test_the_tax_behaviour_is_said_once(client: stripe.StripeClient, shop: Shop) -> None:
    assert client.v1.prices.update(shop.month, {"tax_behavior": "exclusive"})
    with pytest.raises(stripe.InvalidRequestError, match="cannot change `tax_behavior`"):
        client.v1.prices.update(shop.month, {"tax_behavior": "inclusive"})


def test_a_lookup_key_moves_on_update(client: stripe.StripeClient, shop: Shop) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.prices.update(shop.year, {"lookup_key": "pro_month"})
    assert caught.value.param == "lookup_key"
    client.v1.prices.update(shop.year, {"lookup_key": "pro_month", "transfer_lookup_key": True})
    assert client.v1.prices.retrieve(shop.month).lookup_key is None


def test_a_product_is_changed_and_archived(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    changed = client.v1.products.update(
        shop.product,
        {"active": False, "description": "For teams", "default_price": shop.month},
    )
    assert (changed.active, changed.default_price) == (False, shop.month)
    previous = sandbox.events("product.updated")[0]["data"]["previous_attributes"]
    assert previous == {"active": True, "description": None, "default_price": None}
    assert client.v1.products.update(shop.product, {"description": ""}).description is None
    active = client.v1.products.list({"active": True}).data
    assert [product.name for product in active] == ["Team"]


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": "x", "unit_label": "a" * 13}, "unit_label"),
        ({"name": "x", "statement_descriptor": "a" * 23}, "statement_descriptor"),
        ({"name": "x", "images": [f"https://x.example/{n}" for n in range(9)]}, "images"),
        ({"name": "x", "active": "perhaps"}, "active"),
        ({"name": "x", "id": "known"}, "id"),
    ],
)
def test_products_that_make_no_sense(
    client: stripe.StripeClient, params: dict[str, t.Any], param: str
) -> None:
    client.v1.products.create({"name": "Known", "id": "known"})
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.products.create(t.cast(t.Any, params))
    assert caught.value.param == param


def test_a_default_price_is_the_products_own(client: stripe.StripeClient, shop: Shop) -> None:
    for price in ("price_x", shop.team):
        with pytest.raises(stripe.InvalidRequestError) as caught:
            client.v1.products.update(shop.product, {"default_price": price})
        assert caught.value.param == "default_price"


def test_a_tier_shows_its_amounts_as_numbers_and_decimals(client: stripe.StripeClient) -> None:
    price = client.v1.prices.create(
        {
            "currency": "usd",
            "product_data": {"name": "Calls"},
            "recurring": {"interval": "month"},
            "billing_scheme": "tiered",
            "tiers_mode": "graduated",
            "tiers": [
                {"up_to": 5, "unit_amount_decimal": Decimal("900")},
                {"up_to": "inf", "unit_amount_decimal": Decimal("0.5"), "flat_amount": 100},
            ],
            "expand": ["tiers"],
        }
    )
    assert price.tiers is not None
    shown = [(tier.unit_amount, tier.unit_amount_decimal, tier.flat_amount) for tier in price.tiers]
    assert shown == [(900, Decimal("900"), None), (None, Decimal("0.5"), 100)]
