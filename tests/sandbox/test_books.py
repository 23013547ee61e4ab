"""Money of ordinary stories adds up to the last cent."""

from __future__ import annotations

import stripe

from flask_billing.sandbox import Sandbox

from .books import assert_books_balance
from .conftest import Shop


def test_a_year_of_a_subscription_that_changes_balances(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    coupon = client.v1.coupons.create(
        {"percent_off": 33.3, "duration": "repeating", "duration_in_months": 3}
    )
    subscription = client.v1.subscriptions.create(
        {
            "customer": shop.customer(),
            "items": [{"price": shop.month, "quantity": 3}],
            "discounts": [{"coupon": coupon.id}],
        }
    )
    sandbox.clock.advance(days=10)
    client.v1.subscriptions.update(
        subscription.id,
        {
            "items": [{"id": subscription["items"].data[0].id, "price": shop.team}],
            "proration_behavior": "always_invoice",
        },
    )
    sandbox.clock.advance(days=200)
    assert_books_balance(client)


def test_payments_that_fail_and_come_later_balance(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    customer = shop.customer()
    shop.subscribe(customer)
    method = client.v1.payment_methods.attach("pm_card_chargeCustomerFail", {"customer": customer})
    client.v1.customers.update(
        customer, {"invoice_settings": {"default_payment_method": method.id}}
    )
    sandbox.clock.advance(days=30)
    (failed,) = client.v1.invoices.list({"customer": customer, "status": "open"}).data
    assert_books_balance(client)
    client.v1.invoices.pay(failed.id, {"payment_method": "pm_card_visa"})
    assert_books_balance(client)
