"""Invoices by hand: drafts and their items, finalised, paid, sent, voided, given up."""

from __future__ import annotations

from decimal import Decimal

import pytest
import stripe

from flask_billing.sandbox import Sandbox

from .books import assert_books_balance
from .conftest import START, Shop

NOW = int(START.timestamp())
DAY = 86_400


def with_item(client: stripe.StripeClient, customer: str, amount: int = 48_000) -> str:
    """A draft with one item on it."""
    invoice = client.v1.invoices.create({"customer": customer})
    client.v1.invoice_items.create(
        {"customer": customer, "invoice": invoice.id, "amount": amount, "currency": "usd"}
    )
    return invoice.id


def test_the_events_of_an_invoice_by_hand(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    customer = shop.customer()
    before = len(sandbox.events())
    invoice = with_item(client, customer)
    client.v1.invoices.finalize_invoice(invoice)
    client.v1.invoices.pay(invoice)
    events = sandbox.events()[before:]
    assert [event["type"] for event in events] == [
        "customer.updated",
        "invoice.created",
        "invoiceitem.created",
        "invoice.updated",
        "payment_intent.created",
        "invoice.updated",
        "invoice.finalized",
        "charge.succeeded",
        "payment_intent.succeeded",
        "invoice_payment.paid",
        "invoice.updated",
        "invoice.paid",
        "invoice.payment_succeeded",
    ]
    assert events[3]["data"]["previous_attributes"] == {
        "amount_due": 0,
        "amount_remaining": 0,
        "lines": {"data": [], "total_count": 0},
        "subtotal": 0,
        "subtotal_excluding_tax": 0,
        "total": 0,
        "total_excluding_tax": 0,
    }
    assert sorted(events[5]["data"]["previous_attributes"]) == [
        "effective_at",
        "ending_balance",
        "hosted_invoice_url",
        "invoice_pdf",
        "number",
        "rendering",
        "status",
        "status_transitions",
    ]
    assert_books_balance(client)


def test_items_of_a_draft_are_changed_and_removed(client: stripe.StripeClient, shop: Shop) -> None:
    customer = shop.customer()
    invoice = with_item(client, customer, 1000)
    extra = client.v1.invoice_items.create(
        {
            "customer": customer,
            "invoice": invoice,
            "quantity": 6,
            "price_data": {
                "product": shop.product,
                "currency": "usd",
                "unit_amount_decimal": Decimal("80.5"),
            },
            "period": {"start": NOW, "end": NOW + 30 * DAY},
        }
    )
    assert (extra.amount, client.v1.invoices.retrieve(invoice).total) == (483, 1483)
    client.v1.invoice_items.update(extra.id, {"quantity": 2, "description": "Two of them"})
    lines = client.v1.invoices.line_items.list(invoice).data
    assert [(line.amount, line.quantity, line.description) for line in lines] == [
        (1000, 1, None),
        (161, 2, "Two of them"),
    ]
    assert lines[1].period.end == NOW + 30 * DAY
    client.v1.invoice_items.delete(extra.id)
    assert client.v1.invoices.retrieve(invoice).amount_due == 1000
    assert_books_balance(client)
    client.v1.invoices.finalize_invoice(invoice)
    (item,) = client.v1.invoice_items.list({"invoice": invoice}).data
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.invoice_items.update(item.id, {"amount": 1})


def test_a_deleted_draft_lets_its_waiting_items_go(client: stripe.StripeClient, shop: Shop) -> None:
    customer = shop.customer()
    client.v1.invoice_items.create({"customer": customer, "amount": 700, "currency": "usd"})
    client.v1.invoice_items.create({"customer": customer, "amount": 900, "currency": "eur"})
    invoice = client.v1.invoices.create(
        {"customer": customer, "currency": "usd", "pending_invoice_items_behavior": "include"}
    )
    assert invoice.total == 700
    waiting = client.v1.invoice_items.list({"customer": customer, "pending": True}).data
    assert [item.amount for item in waiting] == [900]
    client.v1.invoices.delete(invoice.id)
    waiting = client.v1.invoice_items.list({"customer": customer, "pending": True}).data
    assert [item.amount for item in waiting] == [900, 700]
    client.v1.invoices.finalize_invoice(with_item(client, customer))
    with pytest.raises(stripe.InvalidRequestError, match="only delete draft"):
        client.v1.invoices.delete(client.v1.invoices.list({"limit": 1}).data[0].id)


def test_a_draft_gets_discounts_and_tax_later(client: stripe.StripeClient, shop: Shop) -> None:
    customer = shop.customer()
    invoice = with_item(client, customer, 1000)
    coupon = client.v1.coupons.create({"amount_off": 1500, "currency": "usd", "duration": "once"})
    rate = client.v1.tax_rates.create({"display_name": "VAT", "percentage": 20, "inclusive": False})
    taxed = client.v1.invoices.update(invoice, {"default_tax_rates": [rate.id]})
    assert (taxed.total, taxed.amount_due) == (1200, 1200)
    free = client.v1.invoices.update(invoice, {"discounts": [{"coupon": coupon.id}]})
    assert (free.subtotal, free.total, free.amount_due) == (1000, 0, 0)
    assert client.v1.invoices.finalize_invoice(invoice).status == "paid"
    assert_books_balance(client)
    with pytest.raises(stripe.InvalidRequestError, match="can't be updated in this way"):
        client.v1.invoices.update(invoice, {"discounts": ""})


def test_an_invoice_that_advances_by_itself_is_paid_within_the_hour(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    customer = shop.customer()
    client.v1.invoice_items.create({"customer": customer, "amount": 700, "currency": "usd"})
    invoice = client.v1.invoices.create(
        {
            "customer": customer,
            "auto_advance": True,
            "pending_invoice_items_behavior": "include",
        }
    )
    assert invoice.automatically_finalizes_at == NOW + 3600
    by_hand = client.v1.invoices.finalize_invoice(
        with_item(client, customer), {"auto_advance": True}
    )
    assert by_hand.next_payment_attempt == NOW + 3600
    sandbox.clock.advance(hours=1)
    assert [one.status for one in client.v1.invoices.list({"customer": customer}).data] == [
        "paid",
        "paid",
    ]
    assert_books_balance(client)


def test_an_invoice_by_mail_is_due_later_and_may_be_paid_elsewhere(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    customer = shop.customer()
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.invoices.create({"customer": customer, "days_until_due": 7})
    invoice = with_item(client, customer)
    client.v1.invoices.update(invoice, {"collection_method": "send_invoice", "days_until_due": 7})
    sent = client.v1.invoices.send_invoice(invoice)
    assert (sent.status, sent.due_date, sent.attempted) == ("open", NOW + 7 * DAY, False)
    sandbox.clock.advance(days=8)
    assert [event["type"] for event in sandbox.events()[-3:]] == [
        "invoice.sent",
        "invoice.overdue",
        "customer.updated",
    ]
    before = len(sandbox.events())
    paid = client.v1.invoices.pay(invoice, {"paid_out_of_band": True})
    assert (paid.status, paid.amount_paid, paid.attempt_count) == ("paid", 48_000, 0)
    assert [event["type"] for event in sandbox.events()[before:]] == [
        "invoice.updated",
        "invoice.paid",
        "customer.updated",
        "payment_intent.canceled",
    ]
    assert_books_balance(client)


def test_only_the_schedule_of_retries_counts_attempts(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    customer = shop.customer()
    shop.subscribe(customer)
    method = client.v1.payment_methods.attach("pm_card_chargeCustomerFail", {"customer": customer})
    client.v1.customers.update(
        customer, {"invoice_settings": {"default_payment_method": method.id}}
    )
    sandbox.clock.advance(days=29)
    (failed,) = client.v1.invoices.list({"customer": customer, "status": "open"}).data
    planned = failed.next_payment_attempt
    assert (failed.attempt_count, failed.attempted) == (1, True)
    assert client.v1.customers.retrieve(customer).delinquent
    assert planned is not None
    with pytest.raises(stripe.CardError):
        client.v1.invoices.pay(failed.id)
    again = client.v1.invoices.retrieve(failed.id)
    assert (again.attempt_count, again.next_payment_attempt) == (1, planned)
    sandbox.clock.advance(seconds=planned - int(sandbox.clock.now().timestamp()))
    retried = client.v1.invoices.retrieve(failed.id)
    assert retried.attempt_count == 2
    assert (retried.next_payment_attempt or 0) > planned
    paid = client.v1.invoices.pay(failed.id, {"payment_method": "pm_card_visa"})
    assert (paid.status, paid.attempt_count, paid.next_payment_attempt) == ("paid", 2, None)
    assert not client.v1.customers.retrieve(customer).delinquent
    assert_books_balance(client)


def test_an_invoice_given_up_may_still_be_paid_and_a_void_one_may_not(
    client: stripe.StripeClient, shop: Shop
) -> None:
    customer = shop.customer()
    lost, void = (
        client.v1.invoices.finalize_invoice(with_item(client, customer)).id for _ in range(2)
    )
    assert client.v1.invoices.mark_uncollectible(lost).status == "uncollectible"
    assert client.v1.invoices.pay(lost).status == "paid"
    assert client.v1.invoices.void_invoice(void).status == "void"
    for call in (client.v1.invoices.pay, client.v1.invoices.void_invoice):
        with pytest.raises(stripe.InvalidRequestError, match="This invoice isn't open"):
            call(void)
    payments = client.v1.invoice_payments.list({"invoice": void}).data
    assert [one.status for one in payments] == ["canceled"]
    assert_books_balance(client)


def test_a_card_of_somebody_else_does_not_pay_an_invoice(
    client: stripe.StripeClient, shop: Shop
) -> None:
    invoice = client.v1.invoices.finalize_invoice(with_item(client, shop.customer()))
    other = client.v1.payment_methods.attach("pm_card_visa", {"customer": shop.customer()})
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.invoices.pay(invoice.id, {"payment_method": other.id})
    assert caught.value.param == "payment_method"


def test_a_preview_takes_items_that_do_not_exist_yet(
    client: stripe.StripeClient, shop: Shop
) -> None:
    customer = shop.customer()
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.invoices.create_preview({"customer": customer})
    assert caught.value.code == "invoice_upcoming_none"
    alone = client.v1.invoices.create_preview(
        {
            "customer": customer,
            "currency": "usd",
            "invoice_items": [{"amount": 700, "description": "Setup"}],
        }
    )
    assert (alone.total, alone.lines.data[0].description) == (700, "Setup")
    subscription = shop.subscribe(customer)
    renewal = client.v1.invoices.create_preview(
        {
            "subscription": subscription,
            "invoice_items": [{"unit_amount": 250, "quantity": 2, "currency": "usd"}],
        }
    )
    assert (renewal.total, renewal.id[:12]) == (3000, "upcoming_in_")
    assert client.v1.invoice_items.list().data == []
