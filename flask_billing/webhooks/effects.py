"""What some events announce that no later look at the object would tell.

Each effect makes outbox rows, keyed so that the same fact under two event ids is told once.
"""

from __future__ import annotations

import collections.abc as c
import typing as t

from .. import stripe_objects
from ..outbox import mail_row, signal_row
from ..stripe_objects import StripeObject
from .verify import Event

OutboxRow = dict[str, object]
Effect = c.Callable[[Event, int | None], list[OutboxRow]]


def none(event: Event, customer_id: int | None) -> list[OutboxRow]:
    """No announcement; the event still has to be processed for itself."""
    return []


def payment_failed(event: Event, customer_id: int | None) -> list[OutboxRow]:
    """A payment attempt failed; each attempt is told once."""
    invoice = _object(event)
    key = f"{invoice['id']}:{invoice.get('attempt_count') or 0}"
    return _told("payment.failed", "payment_failed", key, customer_id, _invoice_facts(invoice))


def payment_action_required(event: Event, customer_id: int | None) -> list[OutboxRow]:
    """The bank wants the customer to confirm a payment."""
    invoice = _object(event)
    key = f"{invoice['id']}:{invoice.get('attempt_count') or 0}"
    facts = _invoice_facts(invoice)
    return _told("payment.action_required", "payment_action_required", key, customer_id, facts)


def invoice_upcoming(event: Event, customer_id: int | None) -> list[OutboxRow]:
    """A renewal is near. The invoice has no id yet, so the event's own tells it apart."""
    facts = _invoice_facts(_object(event))
    return _told("invoice.upcoming", "renewal", event["id"], customer_id, facts)


def trial_will_end(event: Event, customer_id: int | None) -> list[OutboxRow]:
    """A trial ends in three days."""
    subscription = _object(event)
    facts = {"subscription": subscription["id"], "trial_end": subscription.get("trial_end")}
    key = f"{subscription['id']}:{subscription.get('trial_end')}"
    return _told("subscription.trial_will_end", "trial_ending", key, customer_id, facts)


def checkout_failed(event: Event, customer_id: int | None) -> list[OutboxRow]:
    """A bank debit bounced days after the checkout."""
    session = _object(event)
    facts = {"session": session["id"]}
    return _told("checkout.failed", "payment_failed", session["id"], customer_id, facts)


def refunded(event: Event, customer_id: int | None) -> list[OutboxRow]:
    """Money went back."""
    charge = _object(event)
    key = f"{charge.get('id')}:{charge.get('amount_refunded')}"
    facts = {
        "charge": charge.get("id"),
        "amount": charge.get("amount_refunded"),
        "currency": charge.get("currency"),
    }
    return [signal_row("payment.refunded", customer_id=customer_id, key=key, body=facts)]


def disputed(event: Event, customer_id: int | None) -> list[OutboxRow]:
    """The customer's bank disputes a charge."""
    dispute = _object(event)
    facts = {
        "dispute": dispute.get("id"),
        "charge": stripe_objects.reference(dispute.get("charge")),
        "amount": dispute.get("amount"),
        "currency": dispute.get("currency"),
        "reason": dispute.get("reason"),
    }
    key = str(dispute.get("id"))
    return [signal_row("payment.disputed", customer_id=customer_id, key=key, body=facts)]


def _object(event: Event) -> StripeObject:
    return t.cast("StripeObject", event["data"]["object"])


def _invoice_facts(invoice: StripeObject) -> dict[str, object]:
    return {
        "invoice": invoice.get("id"),
        "number": invoice.get("number"),
        "amount": invoice.get("amount_due"),
        "currency": invoice.get("currency"),
        "attempt_count": invoice.get("attempt_count"),
        "next_payment_attempt": invoice.get("next_payment_attempt"),
        "subscription": stripe_objects.invoice_subscription(invoice),
    }


def _told(
    signal: str, mail: str, key: str, customer_id: int | None, facts: dict[str, object]
) -> list[OutboxRow]:
    return [
        signal_row(signal, customer_id=customer_id, key=key, body=facts),
        mail_row(mail, customer_id=customer_id, key=key, body=facts),
    ]
