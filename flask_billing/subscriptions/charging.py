"""Changes that are paid for at once: an upgrade, and the end of a trial.

Stripe keeps the plan as it is until the invoice is paid (``pending_if_incomplete``). A card
that is declined leaves nothing behind: the invoice is voided, so that nothing is collected
later. A bank that wants to be asked leaves the change waiting for its payment.
"""

from __future__ import annotations

import logging
import typing as t

from .. import stripe_objects
from ..decline_reasons import sentence
from ..errors import CardDeclinedError, StripeRejectedError
from ..models import SubscriptionChange
from ..stripe_gateway import StripeObject
from . import facts, intent_rows, schedules
from .calls import Calls, Outcome
from .refusals import StaleChangeError

log = logging.getLogger("flask_billing.subscriptions")

#: Codes of payments that the bank wants its customer to confirm.
TO_CONFIRM: t.Final = (
    "authentication_required",
    "invoice_payment_intent_requires_action",
    "subscription_payment_intent_requires_action",
)


def charge(change: SubscriptionChange, calls: Calls) -> Outcome:
    """Change the items and charge for it, once.

    :raises CardDeclinedError: where the card was declined; the plan is as it was.
    :raises StaleChangeError: where the subscription is not what was quoted any more.
    """
    happened = look(change, calls)

    if happened is not None:
        return happened

    asked = change.request or {}
    subscription = calls.get(path(change))

    if facts.of(subscription) != asked["facts"]:
        # Another request with the same intent may have been faster.
        return look(change, calls) or _stale()

    schedules.release_ours(subscription, calls)
    answer = calls.post("change", path(change), {**asked["params"], "expand": ["latest_invoice"]})
    return _outcome(change, answer, calls) or _stale()


def look(change: SubscriptionChange, calls: Calls) -> Outcome | None:
    """What became of a charge that may have been made; None where it was not."""
    subscription = calls.get(path(change), {"expand": ["latest_invoice"]})
    return _outcome(change, subscription, calls)


def path(change: SubscriptionChange) -> str:
    """Where the subscription of a change is."""
    return f"/v1/subscriptions/{intent_rows.subscription_of(change).stripe_id}"


def void_waiting(subscription: stripe_objects.StripeObject, calls: Calls) -> bool:
    """Void the invoice that a change waits for, which discards the change.

    :returns: False where it was paid meanwhile.
    """
    invoice = stripe_objects.reference(subscription.get("latest_invoice"))

    try:
        calls.post("void", f"/v1/invoices/{invoice}/void")
    except StripeRejectedError:
        found = calls.get(f"/v1/invoices/{invoice}")

        if found["status"] == "paid":
            return False

        if found["status"] != "void":
            raise

    return True


def _outcome(
    change: SubscriptionChange, subscription: StripeObject, calls: Calls
) -> Outcome | None:
    asked = change.request or {}

    if facts.is_at(subscription, asked):
        return Outcome("done", amount=_charged(change, subscription, calls))

    pending = subscription.get("pending_update")

    if not pending or not facts.has_items(pending.get("subscription_items"), asked):
        return None

    declined = refusal(subscription, calls)

    if declined is None:
        _charged(change, subscription, calls)
        return Outcome("pending")

    if void_waiting(subscription, calls):
        raise declined

    return Outcome("done")


def refusal(subscription: StripeObject, calls: Calls) -> CardDeclinedError | None:
    """Why the invoice was not paid; None while the bank is still to be asked."""
    invoice = calls.get(
        f"/v1/invoices/{stripe_objects.reference(subscription.get('latest_invoice'))}",
        {"expand": ["payments.data.payment.payment_intent"]},
    )
    intents_made = [
        stripe_objects.expanded((payment.get("payment") or {}).get("payment_intent"))
        for payment in stripe_objects.list_data(invoice.get("payments"))
    ]
    intent = next((one for one in reversed(intents_made) if one is not None), None)

    if invoice["status"] == "paid" or intent is None:
        return None

    if intent["status"] not in ("requires_payment_method", "canceled"):
        return None

    error = intent.get("last_payment_error") or {}
    decline_code = error.get("decline_code")
    return CardDeclinedError(
        sentence(decline_code, error.get("code")),
        decline_code=decline_code,
        code=error.get("code") or "card_declined",
    )


def _charged(change: SubscriptionChange, subscription: StripeObject, calls: Calls) -> int | None:
    """What the change's invoice charges; more than was quoted is credited."""
    invoice = stripe_objects.expanded(subscription.get("latest_invoice"))

    if invoice is None or not _is_of(change, invoice):
        return None

    due: int = invoice["amount_due"]

    if due > (change.amount or 0):
        _credit(change, invoice, due - (change.amount or 0), calls)

    return due


def _is_of(change: SubscriptionChange, invoice: stripe_objects.StripeObject) -> bool:
    """Whether an invoice is that of a change, and no later one."""
    made_since = invoice["created"] >= int(change.created_at.timestamp())
    return made_since and invoice.get("billing_reason") == "subscription_update"


def _credit(
    change: SubscriptionChange,
    invoice: stripe_objects.StripeObject,
    excess: int,
    calls: Calls,
) -> None:
    log.error(
        "Stripe charged %s %s more than change %s was quoted (invoice %s). The difference is "
        "credited to the customer; see what was added to the invoice.",
        excess,
        change.currency,
        change.id,
        invoice["id"],
    )
    paid = {"credit_amount": excess} if invoice["status"] == "paid" else {}
    calls.post(
        "credit",
        "/v1/credit_notes",
        {"invoice": invoice["id"], "amount": excess, "memo": "More than was quoted", **paid},
    )


def _stale() -> Outcome:
    raise StaleChangeError
