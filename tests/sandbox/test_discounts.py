"""Discounts on invoices: how long they last, how they are split, what they never exceed."""

from __future__ import annotations

import pytest
import stripe

from flask_billing.sandbox import Sandbox

from .books import assert_books_balance
from .conftest import Shop


def totals(client: stripe.StripeClient, subscription: str) -> list[int]:
    """The totals of a subscription's invoices, oldest first."""
    invoices = client.v1.invoices.list({"subscription": subscription}).data
    return [invoice.total for invoice in reversed(invoices)]


def of_lines(invoice: stripe.Invoice) -> list[int]:
    """What is taken off each line."""
    return [
        sum(entry.amount for entry in line.discount_amounts or []) for line in invoice.lines.data
    ]


@pytest.mark.parametrize(
    ("coupon", "expected"),
    [
        ({"percent_off": 10, "duration": "once"}, [2250, 2500, 2500, 2500]),
        (
            {"percent_off": 10, "duration": "repeating", "duration_in_months": 2},
            [2250, 2250, 2500, 2500],
        ),
        ({"percent_off": 10, "duration": "forever"}, [2250, 2250, 2250, 2250]),
        ({"amount_off": 700, "currency": "usd", "duration": "forever"}, [1800, 1800, 1800, 1800]),
        ({"amount_off": 9900, "currency": "usd", "duration": "once"}, [0, 2500, 2500, 2500]),
    ],
)
def test_a_discount_lasts_as_long_as_its_coupon_says(
    client: stripe.StripeClient,
    shop: Shop,
    sandbox: Sandbox,
    coupon: stripe.params.CouponCreateParams,
    expected: list[int],
) -> None:
    subscription = client.v1.subscriptions.create(
        {
            "customer": shop.customer(),
            "items": [{"price": shop.month}],
            "discounts": [{"coupon": client.v1.coupons.create(coupon).id}],
        }
    )
    sandbox.clock.advance(days=95)
    assert totals(client, subscription.id) == expected
    assert_books_balance(client)


@pytest.mark.parametrize(
    ("amounts", "off", "expected"),
    [
        ([1000, 1000, 1000], 100, [33, 33, 34]),
        ([1, 1, 0], 1, [0, 1, 0]),
        ([300, 700], 5000, [300, 700]),
        ([-500, 1000], 100, [0, 100]),
    ],
)
def test_an_amount_is_split_over_the_lines(
    client: stripe.StripeClient, shop: Shop, amounts: list[int], off: int, expected: list[int]
) -> None:
    customer = shop.customer()
    coupon = client.v1.coupons.create({"amount_off": off, "currency": "usd", "duration": "once"})
    draft = client.v1.invoices.create(
        {"customer": customer, "currency": "usd", "discounts": [{"coupon": coupon.id}]}
    )
    for amount in amounts:
        client.v1.invoice_items.create(
            {"customer": customer, "invoice": draft.id, "amount": amount, "currency": "usd"}
        )
    invoice = client.v1.invoices.retrieve(draft.id)
    assert of_lines(invoice) == expected
    assert invoice.total == sum(amounts) - sum(expected)
    assert_books_balance(client)


def test_one_discount_follows_the_other(client: stripe.StripeClient, shop: Shop) -> None:
    tenth = client.v1.coupons.create({"percent_off": 10, "duration": "forever"})
    five = client.v1.coupons.create({"amount_off": 500, "currency": "usd", "duration": "forever"})
    subscription = client.v1.subscriptions.create(
        {
            "customer": shop.customer(),
            "items": [{"price": shop.month}],
            "discounts": [{"coupon": tenth.id}, {"coupon": five.id}],
        }
    )
    (invoice,) = client.v1.invoices.list({"subscription": subscription.id}).data
    assert invoice.total_discount_amounts is not None
    assert [entry.amount for entry in invoice.total_discount_amounts] == [250, 500]
    assert invoice.total == 1750


def test_an_item_may_be_left_out_of_discounts(client: stripe.StripeClient, shop: Shop) -> None:
    customer = shop.customer()
    half = client.v1.coupons.create({"percent_off": 50, "duration": "once"})
    for discountable in (True, False):
        client.v1.invoice_items.create(
            {
                "customer": customer,
                "amount": 1000,
                "currency": "usd",
                "discountable": discountable,
            }
        )
    invoice = client.v1.invoices.create(
        {
            "customer": customer,
            "pending_invoice_items_behavior": "include",
            "discounts": [{"coupon": half.id}],
        }
    )
    assert (invoice.subtotal, invoice.total) == (2000, 1500)
