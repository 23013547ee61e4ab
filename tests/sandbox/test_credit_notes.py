"""Credit notes: less to pay on an open invoice, money or credit back on a paid one."""

from __future__ import annotations

import pytest
import stripe

from flask_billing.sandbox import Sandbox

from .books import assert_books_balance
from .conftest import Shop


def paid_invoice(client: stripe.StripeClient, shop: Shop) -> stripe.Invoice:
    """The first invoice of a subscription: $25, paid by card."""
    client.v1.subscriptions.create({"customer": shop.customer(), "items": [{"price": shop.month}]})
    return client.v1.invoices.list({"limit": 1}).data[0]


def open_invoice(client: stripe.StripeClient, shop: Shop, amount: int = 5000) -> stripe.Invoice:
    """An open invoice over one amount."""
    customer = shop.customer()
    invoice = client.v1.invoices.create({"customer": customer})
    client.v1.invoice_items.create(
        {"customer": customer, "invoice": invoice.id, "amount": amount, "currency": "usd"}
    )
    return client.v1.invoices.finalize_invoice(invoice.id)


def test_a_paid_invoice_gives_back_in_three_ways(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    invoice = paid_invoice(client, shop)
    before = len(sandbox.events())
    note = client.v1.credit_notes.create(
        {
            "invoice": invoice.id,
            "lines": [
                {
                    "type": "custom_line_item",
                    "description": "Sorry",
                    "unit_amount": 500,
                    "quantity": 2,
                }
            ],
            "refund_amount": 600,
            "credit_amount": 300,
            "out_of_band_amount": 100,
            "reason": "product_unsatisfactory",
            "memo": "It was slow.",
        }
    )
    assert (note.number, note.type) == (f"{invoice.number}-CN-01", "post_payment")
    assert (note.total, note.post_payment_amount, note.pre_payment_amount) == (1000, 1000, 0)
    assert (note.out_of_band_amount, note.refunds[0].amount_refunded) == (100, 600)
    assert [event["type"] for event in sandbox.events()[before:]] == [
        "invoice.updated",
        "customer.updated",
        "charge.refunded",
        "refund.created",
        "credit_note.created",
    ]
    after = client.v1.invoices.retrieve(invoice.id)
    assert (after.post_payment_credit_notes_amount, after.amount_paid) == (1000, 2500)
    assert isinstance(after.customer, str)
    (credit,) = client.v1.customers.balance_transactions.list(after.customer).data
    assert (credit.amount, credit.type, credit.credit_note) == (-300, "credit_note", note.id)
    assert_books_balance(client)


def test_an_open_invoice_asks_for_less(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    invoice = open_invoice(client, shop)
    first = client.v1.credit_notes.create({"invoice": invoice.id, "amount": 2000})
    assert (first.type, first.pre_payment_amount) == ("pre_payment", 2000)
    less = client.v1.invoices.retrieve(invoice.id)
    assert (less.total, less.amount_due, less.amount_remaining) == (5000, 3000, 3000)
    assert_books_balance(client)

    client.v1.credit_notes.void_credit_note(first.id)
    assert client.v1.invoices.retrieve(invoice.id).amount_due == 5000
    assert sandbox.events()[-1]["type"] == "credit_note.voided"
    second = client.v1.credit_notes.create({"invoice": invoice.id, "amount": 1200})
    assert second.number.endswith("-CN-02")
    paid = client.v1.invoices.pay(invoice.id)
    assert (paid.status, paid.amount_paid) == ("paid", 3800)
    with pytest.raises(stripe.InvalidRequestError, match="only void"):
        client.v1.credit_notes.void_credit_note(second.id)
    assert_books_balance(client)


def test_an_open_invoice_that_is_credited_whole_is_paid(
    client: stripe.StripeClient, shop: Shop
) -> None:
    invoice = open_invoice(client, shop)
    client.v1.credit_notes.create({"invoice": invoice.id, "amount": 5000})
    closed = client.v1.invoices.retrieve(invoice.id)
    assert (closed.status, closed.amount_due, closed.amount_paid) == ("paid", 0, 0)
    assert [
        one.status for one in client.v1.invoice_payments.list({"invoice": invoice.id}).data
    ] == ["canceled"]
    assert_books_balance(client)


def test_lines_are_credited_with_their_discount_and_tax(
    client: stripe.StripeClient, shop: Shop
) -> None:
    coupon = client.v1.coupons.create({"percent_off": 20, "duration": "once"})
    rate = client.v1.tax_rates.create({"display_name": "VAT", "percentage": 10, "inclusive": False})
    client.v1.subscriptions.create(
        {
            "customer": shop.customer(),
            "items": [{"price": shop.month, "quantity": 4}],
            "discounts": [{"coupon": coupon.id}],
            "default_tax_rates": [rate.id],
        }
    )
    (invoice,) = client.v1.invoices.list().data
    assert invoice.total == 8800
    lines: list[stripe.params.CreditNotePreviewParamsLine] = [
        {
            "type": "invoice_line_item",
            "invoice_line_item": invoice.lines.data[0].id,
            "quantity": 1,
        }
    ]
    preview = client.v1.credit_notes.preview(
        {"invoice": invoice.id, "lines": lines, "refund_amount": 2200}
    )
    assert (preview.subtotal, preview.discount_amount, preview.total) == (2500, 500, 2200)
    assert client.v1.credit_notes.list().data == []
    note = client.v1.credit_notes.create(
        {
            "invoice": invoice.id,
            "lines": [
                {
                    "type": "invoice_line_item",
                    "invoice_line_item": invoice.lines.data[0].id,
                    "quantity": 1,
                }
            ],
            "refund_amount": 2200,
        }
    )
    assert note.total_taxes is not None
    assert (note.total, note.total_taxes[0].amount, note.total_excluding_tax) == (2200, 200, 2000)
    (line,) = client.v1.credit_notes.line_items.list(note.id).data
    assert (line.invoice_line_item, line.quantity) == (invoice.lines.data[0].id, 1)
    assert_books_balance(client)


def test_no_more_is_credited_than_was_invoiced(client: stripe.StripeClient, shop: Shop) -> None:
    invoice = paid_invoice(client, shop)
    with pytest.raises(stripe.InvalidRequestError, match="must equal the post payment amount"):
        client.v1.credit_notes.create({"invoice": invoice.id, "amount": 500})
    client.v1.credit_notes.create({"invoice": invoice.id, "amount": 2000, "credit_amount": 2000})
    with pytest.raises(stripe.InvalidRequestError, match="greater than what can still be"):
        client.v1.credit_notes.create({"invoice": invoice.id, "amount": 501, "credit_amount": 501})
    draft = client.v1.invoices.create({"customer": shop.customer()})
    with pytest.raises(stripe.InvalidRequestError, match="finalized invoice"):
        client.v1.credit_notes.create({"invoice": draft.id, "amount": 1})
    assert len(client.v1.credit_notes.list({"invoice": invoice.id}).data) == 1
    assert_books_balance(client)


def test_a_note_may_name_a_refund_that_was_made_before(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    invoice = paid_invoice(client, shop)
    charge = client.v1.charges.list({"limit": 1}).data[0]
    refund = client.v1.refunds.create({"charge": charge.id, "amount": 700})
    note = client.v1.credit_notes.create(
        {
            "invoice": invoice.id,
            "amount": 700,
            "refunds": [{"refund": refund.id, "amount_refunded": 700}],
        }
    )
    assert (note.refunds[0].refund, len(sandbox.events("refund.created"))) == (refund.id, 1)
    updated = client.v1.credit_notes.update(note.id, {"memo": "Refunded by phone"})
    assert updated.memo == "Refunded by phone"
    assert_books_balance(client)
