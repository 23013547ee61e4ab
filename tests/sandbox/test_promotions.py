"""Coupons and promotion codes: their limits, restrictions and errors."""

from __future__ import annotations

import typing as t

import pytest
import stripe

from flask_billing.sandbox import Sandbox

from .conftest import START, Shop

NOW = int(START.timestamp())
DAY = 86_400


def coupon(client: stripe.StripeClient, **more: t.Any) -> stripe.Coupon:
    params: dict[str, t.Any] = {"percent_off": 20, "duration": "once", **more}
    return client.v1.coupons.create(t.cast(t.Any, params))


def code(client: stripe.StripeClient, of: stripe.Coupon, **more: t.Any) -> stripe.PromotionCode:
    params = {"promotion": {"type": "coupon", "coupon": of.id}, **more}
    return client.v1.promotion_codes.create(t.cast(t.Any, params))


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({}, "percent_off"),
        ({"percent_off": 101}, "percent_off"),
        ({"percent_off": 0}, "percent_off"),
        ({"percent_off": 10, "amount_off": 5, "currency": "usd"}, None),
        ({"amount_off": 500}, "currency"),
        ({"amount_off": 0, "currency": "usd"}, "amount_off"),
        ({"percent_off": 10, "duration": "repeating"}, "duration_in_months"),
        ({"percent_off": 10, "duration_in_months": 3}, "duration_in_months"),
        ({"percent_off": 10, "duration": "weekly"}, "duration"),
        ({"percent_off": 10, "max_redemptions": 0}, "max_redemptions"),
        ({"percent_off": 10, "redeem_by": NOW}, "redeem_by"),
        ({"percent_off": 10, "name": "x" * 41}, "name"),
        ({"percent_off": 10, "applies_to": {"products": ["prod_x"]}}, "applies_to[products][0]"),
        ({"percent_off": "much"}, "percent_off"),
        ({"percent_off": 10, "colour": "red"}, "colour"),
    ],
)
def test_coupons_that_make_no_sense(
    client: stripe.StripeClient, params: dict[str, t.Any], param: str | None
) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.coupons.create(t.cast(t.Any, params))
    assert caught.value.http_status == 400
    assert caught.value.param == param


def test_a_coupon_keeps_its_terms(client: stripe.StripeClient, sandbox: Sandbox) -> None:
    made = coupon(client, id="SAVE", name="Save", metadata={"a": "1"})
    assert (made.percent_off, made.valid, made.times_redeemed) == (20.0, True, 0)
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.coupons.update("SAVE", t.cast(t.Any, {"percent_off": 50}))
    assert caught.value.code == "parameter_unknown"
    changed = client.v1.coupons.update("SAVE", {"name": "Save more", "metadata": {"a": ""}})
    assert (changed.name, plain(changed.metadata)) == ("Save more", {})
    assert sandbox.events("coupon.updated")[0]["data"]["previous_attributes"] == {
        "name": "Save",
        "metadata": {"a": "1"},
    }
    with pytest.raises(stripe.InvalidRequestError) as caught:
        coupon(client, id="SAVE")
    assert caught.value.code == "resource_already_exists"


def plain(body: t.Any) -> t.Any:
    return body.to_dict() if body is not None else None


def test_a_deleted_coupon_leaves_its_discounts(client: stripe.StripeClient, shop: Shop) -> None:
    made = coupon(client, duration="forever")
    params: stripe.params.SubscriptionCreateParams = {
        "customer": shop.customer(),
        "items": [{"price": shop.month}],
        "discounts": [{"coupon": made.id}],
    }
    subscription = client.v1.subscriptions.create(params)
    assert client.v1.coupons.delete(made.id).deleted
    assert client.v1.coupons.list().data == []
    kept = client.v1.subscriptions.retrieve(subscription.id)
    assert kept.discounts == subscription.discounts
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.subscriptions.create(params)
    assert (caught.value.code, caught.value.http_status) == ("resource_missing", 400)


def test_time_ends_a_coupon_and_its_codes(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    made = coupon(client, redeem_by=NOW + DAY)
    launch = code(client, made, code="LAUNCH")
    assert launch.active
    sandbox.clock.advance(days=2)
    assert not client.v1.coupons.retrieve(made.id).valid
    assert not client.v1.promotion_codes.retrieve(launch.id).active
    assert client.v1.promotion_codes.list({"active": True}).data == []
    with pytest.raises(stripe.InvalidRequestError, match="cannot be activated"):
        client.v1.promotion_codes.update(launch.id, {"active": True})
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.checkout(shop.customer(card=None), discounts=[{"coupon": made.id}])
    assert caught.value.code == "coupon_expired"


def test_a_coupon_for_one_product_leaves_others_alone(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    made = coupon(client, duration="forever", applies_to={"products": [shop.product]})
    shown = client.v1.coupons.retrieve(made.id, {"expand": ["applies_to"]})
    assert shown.applies_to is not None
    assert shown.applies_to.products == [shop.product]
    session = shop.checkout(
        shop.customer(card=None),
        line_items=[{"price": shop.month, "quantity": 1}, {"price": shop.team, "quantity": 1}],
        discounts=[{"coupon": made.id}],
    )
    opened = client.v1.checkout.sessions.retrieve(session)
    assert (opened.amount_subtotal, opened.amount_total) == (7400, 6900)
    sandbox.checkout(session).pay()
    done = client.v1.checkout.sessions.retrieve(session, {"expand": ["invoice"]})
    assert done.invoice.total == 6900  # type: ignore[union-attr]


def test_a_sum_off_is_in_its_currency(client: stripe.StripeClient, shop: Shop) -> None:
    made = client.v1.coupons.create({"amount_off": 500, "currency": "EUR", "duration": "once"})
    assert made.currency == "eur"
    with pytest.raises(stripe.InvalidRequestError, match="takes off eur"):
        shop.checkout(shop.customer(card=None), discounts=[{"coupon": made.id}])
    with pytest.raises(stripe.InvalidRequestError, match="takes off eur"):
        client.v1.subscriptions.create(
            {
                "customer": shop.customer(),
                "items": [{"price": shop.month}],
                "discounts": [{"coupon": made.id}],
            }
        )


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({"promotion": {"type": "coupon"}}, "promotion[coupon]"),
        ({"promotion": {"type": "coupon", "coupon": "nope"}}, "promotion[coupon]"),
        ({"promotion": {"type": "gift"}}, "promotion[type]"),
        ({"coupon": "nope"}, "coupon"),
        ({"customer": "cus_x"}, "customer"),
        ({"code": "TWO WORDS"}, "code"),
        ({"code": "known"}, "code"),
        ({"expires_at": NOW - 1}, "expires_at"),
        ({"expires_at": NOW + 3 * DAY}, "expires_at"),
        ({"max_redemptions": 0}, "max_redemptions"),
        ({"max_redemptions": 6}, "max_redemptions"),
        ({"restrictions": {"minimum_amount": 100}}, "restrictions[minimum_amount_currency]"),
        ({"restrictions": {"minimum_amount_currency": "usd"}}, "restrictions[minimum_amount]"),
    ],
)
def test_codes_that_make_no_sense(
    client: stripe.StripeClient, params: dict[str, t.Any], param: str
) -> None:
    made = coupon(client, max_redemptions=5, redeem_by=NOW + 2 * DAY)
    code(client, made, code="KNOWN")
    with pytest.raises(stripe.InvalidRequestError) as caught:
        code(client, made, **params)
    assert caught.value.http_status == 400
    assert caught.value.param == param


def test_a_code_is_found_however_it_is_written(client: stripe.StripeClient) -> None:
    made = coupon(client)
    launch = code(client, made, code="Launch")
    assert client.v1.promotion_codes.list({"code": "LAUNCH"}).data[0].id == launch.id
    client.v1.promotion_codes.update(launch.id, {"active": False})
    again = code(client, made, code="LAUNCH")
    both = client.v1.promotion_codes.list({"code": "launch"}).data
    assert [one.id for one in both] == [again.id, launch.id]
    active = client.v1.promotion_codes.list({"coupon": made.id, "active": True}).data
    assert [one.id for one in active] == [again.id]


def test_a_code_for_first_purchases(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    first = code(client, coupon(client), restrictions={"first_time_transaction": True})
    old = shop.customer()
    shop.subscribe(old)
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.checkout(old, discounts=[{"promotion_code": first.id}])
    assert caught.value.code == "promotion_code_not_first_time"
    new = shop.checkout(shop.customer(card=None), discounts=[{"promotion_code": first.id}])
    sandbox.checkout(new).pay()
    assert client.v1.promotion_codes.retrieve(first.id).times_redeemed == 1


def test_a_code_with_a_minimum(client: stripe.StripeClient, shop: Shop) -> None:
    least = code(
        client,
        coupon(client),
        restrictions={"minimum_amount": 5000, "minimum_amount_currency": "usd"},
    )
    customer = shop.customer()
    params: stripe.params.SubscriptionCreateParams = {
        "customer": customer,
        "items": [{"price": shop.month}],
        "discounts": [{"promotion_code": least.id}],
    }
    for refused in (
        lambda: client.v1.subscriptions.create(params),
        lambda: shop.checkout(customer, discounts=[{"promotion_code": least.id}]),
    ):
        with pytest.raises(stripe.InvalidRequestError) as caught:
            refused()
        assert caught.value.code == "promotion_code_minimum_not_met"
    client.v1.subscriptions.create({**params, "items": [{"price": shop.month, "quantity": 2}]})


def test_a_code_for_one_customer(client: stripe.StripeClient, shop: Shop) -> None:
    mine, other = shop.customer(), shop.customer()
    personal = code(client, coupon(client), customer=mine)
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.checkout(other, discounts=[{"promotion_code": personal.id}])
    assert caught.value.code == "promotion_code_customer_mismatch"
    assert shop.checkout(mine, discounts=[{"promotion_code": personal.id}])


def test_there_is_no_such_code(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="No such promotion code") as caught:
        client.v1.promotion_codes.retrieve("promo_x")
    assert caught.value.http_status == 404
    with pytest.raises(stripe.InvalidRequestError, match="No such coupon"):
        client.v1.coupons.retrieve("x")


def test_several_currencies_are_not_built(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="sandbox does not know") as caught:
        coupon(client, currency_options={"eur": {"amount_off": 100}})
    assert caught.value.http_status == 404
