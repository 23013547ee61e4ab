"""The customer's balance: credit, debt, invoices over little, nothing and less."""

from __future__ import annotations

import pytest
import stripe

from flask_billing.sandbox import Sandbox

from .books import assert_books_balance
from .conftest import Shop


def invoiced(client: stripe.StripeClient, customer: str, amount: int) -> stripe.Invoice:
    """A finalised invoice over an amount."""
    client.v1.invoice_items.create({"customer": customer, "amount": amount, "currency": "usd"})
    invoice = client.v1.invoices.create(
        {"customer": customer, "pending_invoice_items_behavior": "include"}
    )
    return client.v1.invoices.finalize_invoice(invoice.id)


def credit(client: stripe.StripeClient, customer: str, amount: int) -> None:
    client.v1.customers.balance_transactions.create(
        customer, {"amount": -amount, "currency": "usd", "description": "Sorry"}
    )


@pytest.mark.parametrize(
    ("held", "amount", "due", "ending", "status"),
    [
        (-1000, 2500, 1500, 0, "open"),
        (-3000, 2500, 0, -500, "paid"),
        (-2480, 2500, 0, 20, "paid"),
        (0, 30, 0, 30, "paid"),
        (30, 2500, 2530, 0, "open"),
        (0, -700, 0, -700, "paid"),
        (400, 0, 0, 400, "paid"),
    ],
)
def test_an_invoice_is_set_off_against_the_balance(
    client: stripe.StripeClient,
    shop: Shop,
    held: int,
    amount: int,
    due: int,
    ending: int,
    status: str,
) -> None:
    customer = shop.customer()
    if held:
        credit(client, customer, -held)
    invoice = invoiced(client, customer, amount)
    assert (invoice.starting_balance, invoice.amount_due) == (held, due)
    assert (invoice.ending_balance, invoice.status) == (ending, status)
    assert client.v1.customers.retrieve(customer).balance == ending
    assert_books_balance(client)


def test_each_change_of_the_balance_is_a_transaction(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    customer = shop.customer()
    credit(client, customer, 7200)
    invoice = invoiced(client, customer, 10_000)
    transactions = client.v1.customers.balance_transactions.list(customer).data
    assert [(one.amount, one.ending_balance, one.type) for one in transactions] == [
        (7200, 0, "applied_to_invoice"),
        (-7200, -7200, "adjustment"),
    ]
    assert transactions[0].invoice == invoice.id
    updated = sandbox.events("customer.updated")[-1]["data"]
    assert updated["previous_attributes"] == {"balance": -7200}

    client.v1.invoices.void_invoice(invoice.id)
    back = client.v1.customers.balance_transactions.list(customer).data[0]
    assert (back.type, back.ending_balance) == ("unapplied_from_invoice", -7200)


def test_a_small_amount_waits_for_the_next_invoice(client: stripe.StripeClient, shop: Shop) -> None:
    customer = shop.customer()
    invoiced(client, customer, 49)
    later = invoiced(client, customer, 1000)
    assert (later.total, later.amount_due) == (1000, 1049)
    assert client.v1.invoices.pay(later.id).amount_paid == 1049
    assert_books_balance(client)


def test_an_invoice_over_nothing_is_paid_in_one_step(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    customer = shop.customer()
    invoiced(client, customer, 1000)
    before = len(sandbox.events())
    invoiced(client, customer, 0)
    events = sandbox.events()[before:]
    assert [event["type"] for event in events] == [
        "invoiceitem.created",
        "invoice.created",
        "invoice.updated",
        "invoice.finalized",
        "invoice.paid",
        "invoice.payment_succeeded",
    ]
    previous = events[2]["data"]["previous_attributes"]
    assert (previous["status"], previous["attempted"]) == ("draft", False)


def test_a_customer_may_start_with_a_balance_and_have_one_in_another_currency(
    client: stripe.StripeClient,
) -> None:
    customer = client.v1.customers.create({"balance": -500})
    client.v1.customers.balance_transactions.create(
        customer.id, {"amount": -100, "currency": "usd"}
    )
    client.v1.customers.balance_transactions.create(
        customer.id, {"amount": -300, "currency": "eur"}
    )
    after = client.v1.customers.retrieve(customer.id, {"expand": ["invoice_credit_balance"]})
    assert (after.balance, after.currency) == (-600, "usd")
    assert after.to_dict()["invoice_credit_balance"] == {"usd": -600, "eur": -300}
    kinds = [one.type for one in client.v1.customers.balance_transactions.list(customer.id).data]
    assert kinds == ["adjustment", "adjustment", "initial"]
