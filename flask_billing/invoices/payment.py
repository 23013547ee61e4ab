"""Paying an open invoice with the card on file, once however often it is asked for."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import logging
import typing as t

import sqlalchemy as sa

from .. import customer_changes, stripe_objects, sync
from ..customer_changes import ACTIONS
from ..database import reread
from ..errors import (
    BillingError,
    CardDeclinedError,
    InvoiceNotFoundError,
    InvoiceNotPayableError,
    NoPaymentMethodError,
    StripeError,
    StripeRejectedError,
    StripeUnreachableError,
)
from ..models import Customer, CustomerChange, Invoice, Subscription
from ..state import state
from ..stripe_gateway import gateway
from . import history

log = logging.getLogger("flask_billing.invoices")

#: Statuses in which Stripe takes a payment.
PAYABLE: t.Final = ("open", "uncollectible")
#: Stripe's codes of "the bank wants the customer to confirm".
_TO_CONFIRM: t.Final = ("invoice_payment_intent_requires_action", "authentication_required")
#: Stripe's codes of "neither invoice, subscription nor customer has a card".
_NOTHING_TO_CHARGE: t.Final = ("missing", "resource_missing")


@dataclasses.dataclass(frozen=True)
class Payment:
    """How paying an invoice went.

    :param state: "processing" is a bank debit, which takes days. With "needs_confirmation"
        nothing is charged before the customer agrees at their bank.
    :param now: whether this request paid it; False where it was paid before.
    :param hosted_url: Stripe's page of the invoice, to confirm there.
    :param client_secret: of the payment, to confirm on our own page.
    """

    state: t.Literal["paid", "processing", "needs_confirmation"]
    invoice: Invoice
    now: bool = True
    hosted_url: str | None = None
    client_secret: str | None = None


def pay(customer: Customer, invoice_id: str, actor: str | None = None) -> Payment:
    """Charge what is open of an invoice to the card that the subscription is charged to.

    :param invoice_id: Stripe's, as ``subscription.latest_invoice``.
    :param actor: who asked.
    :raises InvoiceNotFoundError: where it is another's, or none.
    :raises InvoiceNotPayableError: where there is nothing to pay: a draft, or void.
    :raises NoPaymentMethodError: where nothing is on file to charge.
    :raises CardDeclinedError: where the bank said no. Nothing was charged.
    :raises StripeUnreachableError: where the outcome is not known. The intent stays open:
        paying once more repeats the same request, which charges once.
    """
    invoice = _known(customer, invoice_id)

    if invoice.status == "paid":
        return Payment("paid", invoice, now=False)

    if invoice.status not in PAYABLE:
        raise InvoiceNotPayableError(invoice.status)

    change = customer_changes.begin(customer, "pay_invoice", subject=invoice.stripe_id, actor=actor)
    return _carry_out(change, invoice.stripe_id)


def confirmation(customer: Customer, invoice_id: str) -> Payment:
    """What a customer confirms at their bank, of an invoice whose payment waits for that.

    :raises InvoiceNotFoundError: where it is another's, or none.
    :raises InvoiceNotPayableError: where there is nothing to pay: a draft, or void.
    """
    invoice = _known(customer, invoice_id)

    if invoice.status in PAYABLE:
        payment = _to_confirm(invoice.stripe_id)
        invoice = payment.invoice

    if invoice.status == "paid":
        return Payment("paid", invoice, now=False)

    if invoice.status not in PAYABLE:
        raise InvoiceNotPayableError(invoice.status)

    return payment


def finish_open(*, limit: int = 100, min_age: dt.timedelta = dt.timedelta(minutes=1)) -> int:
    """Close the intents that crashes and outages left open.

    Nobody waits for the payment any more, so it is not asked for again: Stripe is asked
    whether it happened.

    :param min_age: leaves younger ones to the request that is at work on them.
    :returns: how many are closed now.
    """
    closed = 0

    for change in customer_changes.left_open("pay_invoice", min_age=min_age, limit=limit):
        try:
            closed += _look_after(change)
        except BillingError as error:  # the next one may still be possible
            log.warning("Payment %s of an invoice is not finished yet: %s", change.id, error)

    return closed


def _look_after(change: CustomerChange) -> bool:
    invoice = _pulled(change.subject)

    if invoice.status == "paid":
        customer_changes.close(change, "done")
        return True

    if customer_changes.age(change) < customer_changes.SETTLED_AFTER:
        return False  # the request may still be on its way

    customer_changes.close(change, "failed", "never_arrived")
    return True


def _known(customer: Customer, invoice_id: str) -> Invoice:
    """The customer's invoice, fetched where its own event has not arrived yet."""
    try:
        return history.find(customer, invoice_id)
    except InvoiceNotFoundError:
        if not _is_latest(customer, invoice_id):
            raise

    sync.pull("invoice", invoice_id, action=ACTIONS["pay_invoice"])
    return history.find(customer, invoice_id)


def _is_latest(customer: Customer, invoice_id: str) -> bool:
    if not invoice_id.isprintable():
        return False

    known = sa.select(Subscription.id).where(
        Subscription.customer_id == customer.id, Subscription.latest_invoice == invoice_id
    )
    return state().db.session.scalar(known.limit(1)) is not None


def _carry_out(change: CustomerChange, invoice_id: str) -> Payment:
    try:
        gateway().post(
            f"/v1/invoices/{invoice_id}/pay", idempotency_key=customer_changes.key(change, "pay")
        )
    except CardDeclinedError as error:
        customer_changes.close(change, "failed", error.code or "declined")

        if error.code in _TO_CONFIRM:
            return _to_confirm(invoice_id)

        with contextlib.suppress(StripeError):  # what matters is what the bank said
            _pulled(invoice_id)

        raise
    except StripeRejectedError as error:
        return _after_refusal(change, error)
    except StripeUnreachableError as error:
        customer_changes.leave_replayed_answer(change, error)
        raise

    return _after_payment(change)


def _after_payment(change: CustomerChange) -> Payment:
    """Write what became of it. That it was paid holds even if Stripe goes silent now."""
    customer_changes.close(change, "done")

    try:
        invoice = _pulled(change.subject)
    except StripeError:
        return Payment("processing", _row(change.subject))

    return Payment("paid" if invoice.status == "paid" else "processing", invoice)


def _after_refusal(change: CustomerChange, error: StripeRejectedError) -> Payment:
    """Tell what kept Stripe from charging: paid in another tab, void meanwhile, no card."""
    invoice = _pulled(change.subject)

    if invoice.status == "paid":
        customer_changes.close(change, "done")
        return Payment("paid", invoice, now=False)

    customer_changes.close(change, "failed", error.code or "refused")

    if invoice.status not in PAYABLE:
        raise InvoiceNotPayableError(invoice.status) from error

    if error.code in _NOTHING_TO_CHARGE:
        raise NoPaymentMethodError from error

    raise error


def _to_confirm(invoice_id: str) -> Payment:
    invoice = _pulled(invoice_id)
    found = gateway().get(f"/v1/invoices/{invoice_id}", {"expand": ["confirmation_secret"]})
    secret = stripe_objects.expanded(found.get("confirmation_secret")) or {}
    return Payment(
        "needs_confirmation",
        invoice,
        now=False,
        hosted_url=found.get("hosted_invoice_url"),
        client_secret=secret.get("client_secret"),
    )


def _pulled(invoice_id: str) -> Invoice:
    """The invoice as Stripe has it now, with its subscription, which a payment changes too."""
    along = [_row(invoice_id).subscription]
    sync.pull("paid_invoice", invoice_id, along=along, action=ACTIONS["pay_invoice"])
    return _row(invoice_id)


def _row(invoice_id: str) -> Invoice:
    found = reread(sa.select(Invoice).where(Invoice.stripe_id == invoice_id))
    assert found is not None, "it was found, or written, before"
    return found
