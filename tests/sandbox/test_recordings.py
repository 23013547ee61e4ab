"""Answers of the sandbox beside recorded answers of the real API: the same fields and types."""

from __future__ import annotations

import json
import os
import typing as t
from pathlib import Path

import pytest
import stripe

from .conftest import Shop

FOLDER = Path(os.environ.get("BILLING_STRIPE_RECORDINGS", "../shared/recordings"))

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the recordings are not here")

#: Newer than the recordings at clover, settings of the recorded account, names of its prices.
EXPLAINED = {
    "billing_schedules",
    "status_details",
    "customer_account",
    "quantity_decimal",
    "subtotal",
    "nickname",
    "lookup_key",
    "payment_method_options",
    "payment_method_configuration_details",
    "payment_method_types",
    "rendering",
}
EXPAND = [
    "default_payment_method",
    "discounts",
    "latest_invoice.confirmation_secret",
    "latest_invoice.payments",
    "latest_invoice.total_discount_amounts.discount",
    "pending_setup_intent",
    "schedule",
]


def recorded(cassette: str, number: int) -> t.Any:
    """The body of a recorded answer."""
    text = (FOLDER / "pay" / cassette / f"{number}.json").read_text()
    return json.loads(text)["response"]["body"]


def differences(theirs: t.Any, ours: t.Any, path: str = "") -> list[str]:
    """Fields that only one of them has, and values of another type."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        found = []
        for name in sorted(theirs.keys() | ours.keys()):
            if name in EXPLAINED or path.endswith((".metadata", ".fraud_details")):
                continue
            where = f"{path}.{name}"
            if name not in ours:
                found.append(f"{where} is missing")
            elif name not in theirs:
                found.append(f"{where} is not Stripe's")
            else:
                found += differences(theirs[name], ours[name], where)
        return found
    if isinstance(theirs, list) and isinstance(ours, list):
        if len(theirs) != len(ours):
            return [f"{path} has {len(ours)} entries, not {len(theirs)}"]
        return [
            line
            for index, pair in enumerate(zip(theirs, ours, strict=True))
            for line in differences(*pair, f"{path}[{index}]")
        ]
    if type(theirs) is not type(ours):
        return [f"{path} is {ours!r}, not {theirs!r}"]
    return []


def plain(body: stripe.StripeObject) -> dict[str, t.Any]:
    """A typed answer as the JSON it was."""
    return t.cast(dict[str, t.Any], json.loads(str(body)))


def test_a_subscription_looks_as_recorded(client: stripe.StripeClient, shop: Shop) -> None:
    subscription = client.v1.subscriptions.create(
        {
            "customer": shop.customer(),
            "items": [{"price": shop.month}],
            "expand": EXPAND,
        }
    )
    theirs = recorded("test_stripe_can_create_a_subscription", 4)
    assert differences(theirs, plain(subscription)) == []
    assert subscription.latest_invoice.number.endswith("-0001")  # type: ignore[union-attr]


def test_a_trial_looks_as_recorded(client: stripe.StripeClient, shop: Shop) -> None:
    subscription = client.v1.subscriptions.create(
        {
            "customer": shop.customer(),
            "items": [{"price": shop.month}],
            "trial_period_days": 15,
            "expand": EXPAND,
        }
    )
    ours = plain(subscription)
    theirs = recorded("test_stripe_trial_period_options", 14)
    assert differences(theirs, ours) == []
    invoice = ours["latest_invoice"]
    assert invoice["lines"]["data"][0]["description"] == "Free trial for 1 × Pro"
    assert (invoice["attempted"], invoice["attempt_count"], invoice["status"]) == (True, 0, "paid")


def test_the_payment_behind_an_invoice_looks_as_recorded(
    client: stripe.StripeClient, shop: Shop
) -> None:
    subscription = client.v1.subscriptions.create(
        {
            "customer": shop.customer(),
            "items": [{"price": shop.month}],
            "expand": ["latest_invoice.payments"],
        }
    )
    invoice = plain(subscription)["latest_invoice"]
    intent_id = invoice["payments"]["data"][0]["payment"]["payment_intent"]
    cassette = "test_stripe_can_create_a_subscription"
    intent = plain(client.v1.payment_intents.retrieve(intent_id))
    assert differences(recorded(cassette, 5), intent) == []
    charge = client.v1.charges.retrieve(
        intent["latest_charge"],
        {"expand": ["balance_transaction", "payment_intent", "refunds.data.balance_transaction"]},
    )
    assert differences(recorded(cassette, 6), plain(charge)) == []
    payments = client.v1.invoice_payments.list(
        {"payment": {"type": "payment_intent", "payment_intent": intent_id}, "status": "paid"}
    )
    assert differences(recorded(cassette, 7), plain(payments)) == []
    assert (
        differences(recorded(cassette, 8), plain(client.v1.invoices.retrieve(invoice["id"]))) == []
    )


def test_a_swap_billed_at_once_looks_as_recorded(client: stripe.StripeClient, shop: Shop) -> None:
    subscription = client.v1.subscriptions.retrieve(shop.subscribe())
    updated = client.v1.subscriptions.update(
        subscription.id,
        {
            "items": [{"id": subscription["items"].data[0].id, "price": shop.year, "quantity": 1}],
            "proration_behavior": "always_invoice",
            "trial_end": "now",
            "expand": EXPAND,
        },
    )
    ours, theirs = plain(updated), recorded("test_stripe_can_swap_a_subscription", 9)
    assert differences(theirs, ours) == []
    amounts = [line["amount"] for line in ours["latest_invoice"]["lines"]["data"]]
    assert amounts == [-2500, 25_000]
    assert ours["latest_invoice"]["total"] == theirs["latest_invoice"]["total"] == 22_500


def test_a_canceled_trial_looks_as_recorded(client: stripe.StripeClient, shop: Shop) -> None:
    subscription = client.v1.subscriptions.create(
        {"customer": shop.customer(), "items": [{"price": shop.month}], "trial_period_days": 14}
    )
    canceled = client.v1.subscriptions.cancel(subscription.id, {"expand": EXPAND})
    ours, theirs = plain(canceled), recorded("test_cancel_now_when_on_trial", 5)
    assert differences(theirs, ours) == []


def test_a_coupon_looks_as_recorded(client: stripe.StripeClient, shop: Shop) -> None:
    client.v1.coupons.create({"id": "10OFF", "percent_off": 10, "duration": "forever"})
    subscription = client.v1.subscriptions.create(
        {
            "customer": shop.customer(),
            "items": [{"price": shop.month}],
            "discounts": [{"coupon": "10OFF"}],
            "expand": EXPAND,
        }
    )
    ours, theirs = plain(subscription), recorded("test_stripe_handles_coupons", 4)
    assert differences(theirs, ours) == []
    assert ours["latest_invoice"]["total"] == theirs["latest_invoice"]["total"]


@pytest.mark.parametrize(
    ("cassette", "mode"),
    [
        ("test_checkout_subscription_session", "subscription"),
        ("test_checkout_payment_session", "payment"),
        ("test_checkout_success_url_includes_session_id", "setup"),
    ],
)
def test_a_checkout_session_looks_as_recorded(
    client: stripe.StripeClient, shop: Shop, cassette: str, mode: str
) -> None:
    once = client.v1.prices.create(
        {"product": shop.product, "currency": "usd", "unit_amount": 1500}
    )
    price = {"payment": once.id, "subscription": shop.month}.get(mode)
    session = client.v1.checkout.sessions.create(
        {
            "mode": mode,
            "customer": shop.customer(),
            "success_url": "http://localhost:3000/?id={CHECKOUT_SESSION_ID}",
            "cancel_url": "http://localhost:3000/?id={CHECKOUT_SESSION_ID}",
            **({"line_items": [{"price": price, "quantity": 1}]} if price else {"currency": "usd"}),
        }
    )
    assert differences(recorded(cassette, 2), plain(session)) == []
    assert "{CHECKOUT_SESSION_ID}" in session.success_url  # type: ignore[operator]


def test_cards_customers_and_setup_intents_look_as_recorded(
    client: stripe.StripeClient,
) -> None:
    cassette = "test_stripe_can_create_a_subscription"
    customer = client.v1.customers.create(
        {
            "email": "stripe@example.org",
            "name": "Stripe User",
            "expand": ["tax", "invoice_credit_balance"],
        }
    )
    assert differences(recorded(cassette, 1), plain(customer)) == []
    method = client.v1.payment_methods.attach("pm_card_visa", {"customer": customer.id})
    assert differences(recorded(cassette, 2), plain(method)) == []
    intent = client.v1.setup_intents.create({"customer": customer.id, "usage": "off_session"})
    assert differences(recorded("test_stripe_can_create_setup_intent", 2), plain(intent)) == []
    portal = client.v1.billing_portal.sessions.create(
        {"customer": customer.id, "return_url": "http://localhost:3000/"}
    )
    assert differences(recorded("test_billing_portal_session", 2), plain(portal)) == []


def test_invoices_by_hand_look_as_recorded(client: stripe.StripeClient, shop: Shop) -> None:
    customer = shop.customer()
    item = client.v1.invoice_items.create(
        {
            "customer": customer,
            "amount": 1000,
            "currency": "usd",
            "description": "One-time setup fee",
        }
    )
    assert differences(recorded("test_stripe_can_create_an_invoice", 24), plain(item)) == []
    invoice = client.v1.invoices.create(
        {"customer": customer, "pending_invoice_items_behavior": "include"}
    )
    assert differences(recorded("test_stripe_can_create_an_invoice", 25), plain(invoice)) == []
    paid = client.v1.invoices.pay(invoice.id)
    assert differences(recorded("test_stripe_can_create_an_invoice", 26), plain(paid)) == []


@pytest.mark.parametrize(
    ("cassette", "number"),
    [
        ("test_stripe_handles_card_declined", 2),
        ("test_stripe_fails_when_subscribing_with_no_payment_method", 2),
        ("test_stripe_handles_exception_when_creating_a_customer", 2),
        ("test_re-raised_stripe_exceptions_keep_the_same_message", 2),
    ],
)
def test_errors_read_as_recorded(
    client: stripe.StripeClient, shop: Shop, cassette: str, number: int
) -> None:
    customer = shop.customer(card=None)
    calls: dict[str, t.Callable[[], object]] = {
        "test_stripe_handles_card_declined": lambda: client.v1.payment_methods.attach(
            "pm_card_chargeDeclined", {"customer": customer}
        ),
        "test_stripe_fails_when_subscribing_with_no_payment_method": lambda: shop.subscribe(
            customer
        ),
        "test_stripe_handles_exception_when_creating_a_customer": (
            lambda: client.v1.payment_methods.attach("invalid", {"customer": customer})
        ),
        "test_re-raised_stripe_exceptions_keep_the_same_message": (
            lambda: client.v1.payment_intents.create({"amount": 0, "currency": "usd"})
        ),
    }
    with pytest.raises(stripe.StripeError) as caught:
        calls[cassette]()
    theirs = recorded(cassette, number)["error"]
    ours = json.loads(caught.value.http_body or "")["error"]
    assert {**ours, "request_log_url": ""} == {**theirs, "request_log_url": ""}
