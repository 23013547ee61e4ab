"""Ending a subscription at once, and what has to be right afterwards.

Nothing is collected any more, but what was used beyond a plan whose account is closed. What the
customer owed stays as it is: an invoice for time they had is left open, not collected by itself,
for the host to claim or to forgive. An invoice for what never began, or for a period that began
after they asked to leave, is void; and if it was paid, all of it goes back.
"""

from __future__ import annotations

import collections.abc as c
import logging

from .. import stripe_objects, sync
from ..clock import from_timestamp
from ..errors import StripeNotFoundError, StripeRejectedError
from ..metering.export import export_usage_of
from ..models import Subscription, SubscriptionChange
from ..stripe_gateway import StripeObject
from . import intent_rows, last_invoice
from .calls import Calls, Outcome

log = logging.getLogger("flask_billing.subscriptions")


def now(change: SubscriptionChange, subscription: Subscription, calls: Calls) -> Outcome:
    """End it, then see to what follows."""
    had_begun = subscription.status != "incomplete"
    asked: dict[str, object] = {"cancellation_details": details(change)}

    if _bills_usage(change, subscription):
        export_usage_of(change.customer_id)  # Stripe bills what it has heard of
        asked["invoice_now"] = True

    try:
        calls.delete(f"/v1/subscriptions/{subscription.stripe_id}", asked)
    except StripeNotFoundError:  # by another process, a moment ago
        subscription = intent_rows.refreshed(change)

        if subscription.ended_at is None:
            raise

    return _settle(change, intent_rows.refreshed(change), calls, had_begun=had_begun)


def after_the_end(change: SubscriptionChange, subscription: Subscription, calls: Calls) -> Outcome:
    """See to what follows where the subscription has ended, by us before a crash or by itself."""
    if subscription.ended_at is not None and subscription.ended_at == _period_end(subscription):
        return Outcome("done", effective_at=subscription.ended_at)  # with what was paid for

    return _settle(change, subscription, calls, had_begun=_was_paid(subscription, calls))


def renewals_since(
    change: SubscriptionChange, subscription: Subscription, calls: Calls
) -> list[StripeObject]:
    """The renewals that were billed after the customer had asked to leave."""
    begun = subscription.current_period_start
    asked = change.created_at.replace(microsecond=0)

    if begun is None or begun < asked:
        return []

    return [
        invoice
        for invoice in _invoices(subscription, calls)
        if invoice.get("billing_reason") == "subscription_cycle"
        and (from_timestamp(invoice["created"]) or begun) >= asked
    ]


def details(change: SubscriptionChange) -> dict[str, str]:
    """Why, as Stripe keeps it."""
    said = {"feedback": change.reason, "comment": change.feedback}
    return {name: text for name, text in said.items() if text}


def _settle(
    change: SubscriptionChange, subscription: Subscription, calls: Calls, *, had_begun: bool
) -> Outcome:
    too_late = renewals_since(change, subscription, calls)
    unwanted = {invoice["id"] for invoice in too_late}

    for invoice in too_late:
        _undo(invoice, calls)

    for invoice in _invoices(subscription, calls):
        if invoice["id"] in unwanted or invoice["status"] not in ("draft", "open"):
            continue

        if _charges_usage(change, invoice, subscription):
            _collect(invoice)
        elif had_begun:
            _stop_collecting(invoice, calls)
        else:
            _void(invoice, calls)

    return Outcome("done", effective_at=subscription.ended_at)


def _bills_usage(change: SubscriptionChange, subscription: Subscription) -> bool:
    """Whether there is something used to be paid: not of a trial, a pause or a failing card."""
    return (
        _is_to_bill_usage(change)
        and subscription.status == "active"
        and subscription.pause is None
        and bool(stripe_objects.metered_items(subscription.snapshot or {}))
    )


def _charges_usage(
    change: SubscriptionChange, invoice: StripeObject, subscription: Subscription
) -> bool:
    """Whether an invoice is the last one, of an end at once that was to bill what was used."""
    ended_at, held = subscription.ended_at, subscription.snapshot or {}
    return (
        _is_to_bill_usage(change)
        and ended_at is not None
        and last_invoice.is_last(invoice, held, ended_at)
    )


def _is_to_bill_usage(change: SubscriptionChange) -> bool:
    return bool((change.request or {}).get("bill_usage"))


def _collect(invoice: StripeObject) -> None:
    try:
        last_invoice.collect(invoice)
    except StripeRejectedError as error:
        _tell("collect", invoice, error)


def _undo(invoice: StripeObject, calls: Calls) -> None:
    """Take back what was billed for a period that nobody wanted."""
    if invoice["status"] == "paid":
        _give_back(invoice, calls)
    elif invoice["status"] == "open":
        _void(invoice, calls)
    elif invoice["status"] == "draft":
        _stop_collecting(invoice, calls)


def _give_back(invoice: StripeObject, calls: Calls) -> None:
    """Credit a paid invoice in full: the card's part to the card, the balance's to the balance."""
    credited = invoice.get("post_payment_credit_notes_amount") or 0
    total: int = invoice["total"] - credited

    if total <= 0:
        return

    paid = min(invoice.get("amount_paid") or 0, total)
    note: dict[str, object] = {"invoice": invoice["id"], "amount": total}

    if paid:
        note["refund_amount"] = paid

    if total > paid:
        note["credit_amount"] = total - paid

    _try(f"refund-{invoice['id']}", "/v1/credit_notes", note, invoice, calls)


def _void(invoice: StripeObject, calls: Calls) -> None:
    if invoice["status"] == "draft":  # only a final one can be void
        _stop_collecting(invoice, calls)
    else:
        path = f"/v1/invoices/{invoice['id']}/void"
        _try(f"void-{invoice['id']}", path, {}, invoice, calls)


def _stop_collecting(invoice: StripeObject, calls: Calls) -> None:
    """Stripe does so by itself as a rule; that it did is what the customer was told."""
    if invoice.get("auto_advance"):
        path = f"/v1/invoices/{invoice['id']}"
        _try(f"stop-{invoice['id']}", path, {"auto_advance": False}, invoice, calls)


def _try(
    step: str, path: str, params: dict[str, object], invoice: StripeObject, calls: Calls
) -> None:
    """Carry out a step that must not keep the cancellation from being closed."""
    try:
        calls.post(step, path, params)
    except StripeRejectedError as error:
        _tell(step.partition("-")[0], invoice, error)
        return

    sync.pull("invoice", invoice["id"], action=intent_rows.ACTION)


def _tell(step: str, invoice: StripeObject, error: StripeRejectedError) -> None:
    log.error(
        "The subscription has ended as its customer wished, but invoice %s could not be "
        "settled (%s): %s Look at it in Stripe's dashboard.",
        invoice["id"],
        step,
        error,
    )


def _invoices(subscription: Subscription, calls: Calls) -> c.Iterator[StripeObject]:
    return calls.list("/v1/invoices", {"subscription": subscription.stripe_id})


def _was_paid(subscription: Subscription, calls: Calls) -> bool:
    """Whether any time of it was ever paid for, or given."""
    return subscription.status != "incomplete_expired" and any(
        invoice["status"] == "paid" for invoice in _invoices(subscription, calls)
    )


def _period_end(subscription: Subscription) -> object:
    return stripe_objects.period(subscription.snapshot or {})[1]
