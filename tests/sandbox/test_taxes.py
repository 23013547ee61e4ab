"""Fixed tax rates: on top of an amount, inside it, on what discounts leave."""

from __future__ import annotations

import typing as t

import pytest
import stripe

from flask_billing.sandbox import Sandbox

from .books import assert_books_balance
from .conftest import Shop


def rate(client: stripe.StripeClient, percentage: float, *, inclusive: bool = False) -> str:
    return client.v1.tax_rates.create(
        {"display_name": "VAT", "percentage": percentage, "inclusive": inclusive}
    ).id


@pytest.mark.parametrize(
    ("inclusive", "subtotal", "net", "tax", "total"),
    [(False, 2500, 2500, 475, 2975), (True, 2500, 2101, 399, 2500)],
)
def test_a_subscription_is_quoted_and_charged_with_tax(
    client: stripe.StripeClient,
    shop: Shop,
    sandbox: Sandbox,
    inclusive: bool,
    subtotal: int,
    net: int,
    tax: int,
    total: int,
) -> None:
    vat = rate(client, 19, inclusive=inclusive)
    subscription = client.v1.subscriptions.create(
        {
            "customer": shop.customer(),
            "items": [{"price": shop.month}],
            "default_tax_rates": [vat],
            "expand": ["latest_invoice"],
        }
    )
    first = subscription.latest_invoice
    assert isinstance(first, stripe.Invoice)
    assert subscription.default_tax_rates is not None
    assert subscription.default_tax_rates[0].percentage == 19
    assert (first.subtotal, first.total_excluding_tax) == (subtotal, net)
    assert (first.total, first.amount_paid) == (total, total)
    assert first.total_taxes is not None
    assert (first.total_taxes[0].amount, first.total_taxes[0].taxable_amount) == (tax, net)

    item = subscription["items"].data[0].id
    sandbox.clock.advance(days=9)
    quoted = client.v1.invoices.create_preview(
        {
            "subscription": subscription.id,
            "subscription_details": {
                "items": [{"id": item, "price": shop.team}],
                "proration_behavior": "always_invoice",
            },
        }
    )
    changed = client.v1.subscriptions.update(
        subscription.id,
        {
            "items": [{"id": item, "price": shop.team}],
            "proration_behavior": "always_invoice",
            "expand": ["latest_invoice"],
        },
    )
    charged = changed.latest_invoice
    assert isinstance(charged, stripe.Invoice)
    assert charged.amount_paid == quoted.amount_due > 0
    sandbox.clock.advance(days=60)
    assert_books_balance(client)


def test_tax_is_on_what_discounts_leave(client: stripe.StripeClient, shop: Shop) -> None:
    coupon = client.v1.coupons.create({"percent_off": 20, "duration": "forever"})
    subscription = client.v1.subscriptions.create(
        {
            "customer": shop.customer(),
            "items": [
                {"price": shop.month, "tax_rates": [rate(client, 10)]},
                {"price": shop.team, "quantity": 2},
            ],
            "default_tax_rates": [rate(client, 5.5), rate(client, 1)],
            "discounts": [{"coupon": coupon.id}],
            "expand": ["latest_invoice"],
        }
    )
    invoice = subscription.latest_invoice
    assert isinstance(invoice, stripe.Invoice)
    assert invoice.total_taxes is not None
    assert sorted(tax.amount for tax in invoice.total_taxes) == [78, 200, 431]
    assert invoice.total == 2000 + 7840 + 200 + 431 + 78
    assert_books_balance(client)


@pytest.mark.parametrize("inclusive", [True, False])
def test_checkout_shows_the_tax_that_it_charges(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox, inclusive: bool
) -> None:
    setup = client.v1.prices.create(
        {"product": shop.product, "currency": "usd", "unit_amount": 1500}
    )
    session = client.v1.checkout.sessions.create(
        {
            "mode": "subscription",
            "customer": shop.customer(),
            "line_items": [
                {"price": shop.month, "quantity": 1},
                {"price": setup.id, "quantity": 1, "tax_rates": [rate(client, 5)]},
            ],
            "subscription_data": {"default_tax_rates": [rate(client, 19, inclusive=inclusive)]},
            "success_url": "https://app.example/done",
        }
    )
    assert session.total_details is not None
    assert session.amount_subtotal == 4000
    assert session.total_details.amount_tax == (399 if inclusive else 475) + 75
    assert session.amount_total == (2500 if inclusive else 2975) + 1575
    sandbox.checkout(session.id).pay(card="4242424242424242")
    (invoice,) = client.v1.invoices.list().data
    assert invoice.amount_paid == session.amount_total
    assert_books_balance(client)


def test_an_exempt_customer_pays_none(client: stripe.StripeClient, shop: Shop) -> None:
    customer = shop.customer()
    client.v1.customers.update(customer, {"tax_exempt": "reverse"})
    client.v1.subscriptions.create(
        {
            "customer": customer,
            "items": [{"price": shop.month}],
            "default_tax_rates": [rate(client, 19)],
        }
    )
    (invoice,) = client.v1.invoices.list({"customer": customer}).data
    assert invoice.total == 2500
    assert invoice.total_taxes is not None
    assert invoice.total_taxes[0].taxability_reason == "reverse_charge"


def test_a_retired_rate_is_not_used_again(client: stripe.StripeClient, shop: Shop) -> None:
    old = rate(client, 16)
    client.v1.tax_rates.update(old, {"active": False})
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.subscriptions.create(
            {
                "customer": shop.customer(),
                "items": [{"price": shop.month}],
                "default_tax_rates": [old],
            }
        )
    assert caught.value.param == "default_tax_rates[0]"
    assert client.v1.tax_rates.list({"active": True}).data == []


@pytest.mark.parametrize(
    ("path", "params", "param"),
    [
        ("subscriptions", {"customer": "cus_1"}, ""),
        ("subscriptions/sub_1", {}, ""),
        ("invoices", {"customer": "cus_1"}, ""),
        ("invoices/in_1", {}, ""),
        ("invoices/create_preview", {"customer": "cus_1"}, ""),
        ("checkout/sessions", {"mode": "subscription"}, ""),
        ("subscription_schedules", {"phases": [{"items": [{"price": "price_1"}]}]}, "phases[0]"),
        ("subscription_schedules", {"customer": "cus_1"}, "default_settings"),
    ],
)
def test_automatic_tax_is_refused_and_never_forgotten(
    client: stripe.StripeClient, path: str, params: dict[str, t.Any], param: str
) -> None:
    holder = params
    if param == "phases[0]":
        holder = params["phases"][0]
    elif param:
        holder = params.setdefault(param, {})

    holder["automatic_tax"] = {"enabled": True}
    name = f"{param}[automatic_tax]" if param else "automatic_tax"

    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.raw_request("post", f"/v1/{path}", **params)

    assert (caught.value.http_status, caught.value.param) == (404, f"{name}[enabled]")
    assert "The sandbox does not know automatic tax" in str(caught.value)


def test_automatic_tax_may_be_off(client: stripe.StripeClient, shop: Shop) -> None:
    subscription = client.v1.subscriptions.create(
        {
            "customer": shop.customer(),
            "items": [{"price": shop.month}],
            "automatic_tax": {"enabled": False},
        }
    )
    assert not subscription.automatic_tax.enabled
