"""Invoices: drafted, added up, finalised, voided."""

from collections.abc import Callable

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.engine import (
    balance,
    delinquency,
    draft_lines,
    intents,
    totals,
    usage,
)
from flask_billing.sandbox.engine.invoice_object import due_date, new_invoice
from flask_billing.sandbox.errors import invalid
from flask_billing.sandbox.ids import random_text
from flask_billing.sandbox.settings import ACCOUNT_ID


def draft(
    account: Account,
    customer: Body,
    *,
    reason: str,
    currency: str,
    lines: list[Body],
    period: tuple[int, int],
    subscription: Body | None = None,
    discount_ids: list[str] | None = None,
    collection_method: str = "charge_automatically",
    days_until_due: int | None = None,
    auto_advance: bool = False,
    tax_rates: list[str] | None = None,
    more: Callable[[Body], None] | None = None,
) -> Body:
    """A new draft invoice with its totals; emits ``invoice.created``.

    ``tax_rates`` are those of its lines that name none; by default the subscription's. ``more``
    completes the draft before the event.
    """
    if customer["currency"] is None:
        with account.changing(customer, "customer.updated"):
            customer["currency"] = currency
    if tax_rates is None:
        tax_rates = list(subscription["default_tax_rates"]) if subscription else []
    invoice = new_invoice(
        account,
        customer,
        reason=reason,
        currency=currency,
        lines=lines,
        period=period,
        subscription=subscription,
        discount_ids=discount_ids or [],
        collection_method=collection_method,
        days_until_due=days_until_due,
        auto_advance=auto_advance,
        tax_rates=tax_rates,
    )
    totals.add_up(account, invoice, customer)
    account.add(invoice)
    draft_lines.assign(account, invoice)
    if more is not None:
        more(invoice)
    account.emit("invoice.created", invoice)
    return invoice


def subscription_of(account: Account, invoice: Body) -> Body | None:
    """The subscription an invoice bills."""
    parent = invoice["parent"]
    if not parent or not parent["subscription_details"]:
        return None
    return account.get("subscription", parent["subscription_details"]["subscription"])


def finalize(account: Account, invoice: Body, *, quiet: bool = False) -> Body:
    """Give a draft its number and make it payable; an invoice over nothing is paid at once.

    ``quiet`` leaves out the ``invoice.updated`` that a later finalisation shows, as on
    subscription create.
    """
    if invoice["status"] != "draft":
        raise invalid(
            "This invoice is already finalized, you can't re-finalize a non-draft invoice."
        )
    usage.count_again(account, invoice)
    customer = account.anything(invoice["customer"])
    assert customer is not None
    totals.add_up(account, invoice, customer)
    account.unschedule("invoice.finalize", invoice["id"])
    before = account.mark()
    if quiet:
        _open(account, invoice, customer)
        account.save(invoice)
    else:
        with account.changing(invoice, "invoice.updated"):
            _open(account, invoice, customer)
    if invoice["amount_due"] > 0:
        intents.request_payment(account, invoice, at=before)
    account.emit("invoice.finalized", invoice)
    if invoice["status"] == "paid":
        _emit_paid(account, invoice)
    return invoice


def _open(account: Account, invoice: Body, customer: Body) -> None:
    number = customer["next_invoice_sequence"]
    invoice["number"] = f"{customer['invoice_prefix']}-{number:04d}"
    customer["next_invoice_sequence"] = number + 1
    account.save(customer)
    settled = totals.settlement(account, invoice)
    balance.settle(account, customer, invoice, applied=settled.applied, carried=settled.carried)
    invoice["ending_balance"] = balance.of(customer, invoice["currency"])
    invoice["status"] = "open"
    invoice["effective_at"] = account.now
    invoice["automatically_finalizes_at"] = None
    invoice["status_transitions"]["finalized_at"] = account.now
    token = f"{ACCOUNT_ID}/test_{random_text(40)}"
    invoice["hosted_invoice_url"] = f"{account.public_url}/i/{token}?s=ap"
    invoice["invoice_pdf"] = f"{account.public_url}/invoice/{token}/pdf?s=ap"
    invoice["rendering"] = invoice["rendering"] and {
        **invoice["rendering"],
        "pdf": {"page_size": "letter"},
    }
    if invoice["collection_method"] == "send_invoice":
        days = invoice["_"]["days_until_due"]
        invoice["due_date"] = invoice["due_date"] or due_date(account.now, days)
        account.schedule(invoice["due_date"], "invoice.overdue", invoice["id"])
    if invoice["amount_due"] == 0:
        invoice["attempted"] = True
        _mark_paid(account, invoice)


def settle(account: Account, invoice: Body, *, off_stripe: bool = False) -> None:
    """What was due on an open invoice came, or came from elsewhere: ``off_stripe``."""
    with account.changing(invoice, "invoice.updated"):
        if not off_stripe:
            count_attempt(invoice)
        _mark_paid(account, invoice)
    if off_stripe:
        account.emit("invoice.paid", invoice)
    else:
        _emit_paid(account, invoice)
    delinquency.settled(account, invoice)


def count_attempt(invoice: Body) -> None:
    """Count an attempt to collect: the first of all, then only the automatic retries."""
    invoice["attempted"] = True
    if invoice["attempt_count"] == 0 or invoice["_"].pop("retrying", False):
        invoice["attempt_count"] += 1


def _mark_paid(account: Account, invoice: Body) -> None:
    invoice["status"] = "paid"
    invoice["amount_paid"] = invoice["amount_due"]
    invoice["amount_remaining"] = 0
    invoice["auto_advance"] = False
    invoice["next_payment_attempt"] = None
    invoice["status_transitions"]["paid_at"] = account.now
    account.unschedule("invoice.collect", invoice["id"])
    account.unschedule("invoice.overdue", invoice["id"])


def _emit_paid(account: Account, invoice: Body) -> None:
    account.emit("invoice.paid", invoice)
    account.emit("invoice.payment_succeeded", invoice)


def close(account: Account, invoice: Body, status: str) -> None:
    """Void an open invoice or mark it uncollectible: nothing more is collected."""
    if invoice["status"] not in {"open", "uncollectible"} or invoice["status"] == status:
        raise invalid("You can only pass in open invoices. This invoice isn't open.")
    stamp = {"void": "voided_at", "uncollectible": "marked_uncollectible_at"}[status]
    with account.changing(invoice, "invoice.updated"):
        invoice["status"] = status
        invoice["auto_advance"] = False
        invoice["next_payment_attempt"] = None
        invoice["status_transitions"][stamp] = account.now
    account.unschedule("invoice.collect", invoice["id"])
    if status == "void":
        intents.cancel_for(account, invoice)
        balance.give_back(account, invoice)
    else:
        delinquency.settled(account, invoice)
    account.emit("invoice.voided" if status == "void" else "invoice.marked_uncollectible", invoice)
