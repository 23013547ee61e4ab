"""Domain events the host can listen to, as blinker signals.

Names are ``noun.verb``; ``billing.on("subscription.activated")`` registers a listener. Each
is sent with the Flask app as sender and keyword arguments ``customer_id`` and those listed
here. They leave the outbox after the commit that caused them, at least once, so a listener
must bear being called twice for one ``transition`` id.
"""

from __future__ import annotations

import typing as t

from blinker import NamedSignal, Namespace

_namespace = Namespace()

#: Name -> what happened.
NAMES: t.Final[dict[str, str]] = {
    "customer.created": "An owner became a customer.",
    "subscription.activated": "A plan started: paid, or on trial.",
    "subscription.plan_changed": "Another plan or interval holds now.",
    "subscription.change_scheduled": "A smaller plan will hold from the period's end on.",
    "subscription.change_undone": "A change that waited was taken back.",
    "subscription.renewed": "A new billing period began.",
    "subscription.trial_will_end": "A trial ends in three days.",
    "subscription.cancel_scheduled": "The plan will end at the period's end.",
    "subscription.cancel_undone": "A scheduled end was taken back.",
    "subscription.ended": "The plan ended; the customer is back on the free plan, if there is one.",
    "subscription.paused": "The plan is paused, or will be from `pause_starts_at` on.",
    "subscription.resumed": "A paused plan runs again.",
    "subscription.unknown_price": "Stripe holds a price the catalog does not know.",
    "payment.succeeded": "An invoice was paid.",
    "payment.failed": "An invoice could not be collected.",
    "payment.action_required": "The bank wants the customer to confirm a payment.",
    "payment.refunded": "Money went back to the customer.",
    "payment.disputed": "The customer's bank disputes a charge.",
    "payment_method.expiring": "A card expires in 30 days, or in 7.",
    "invoice.upcoming": "A renewal invoice is a few days away.",
    "checkout.completed": "A hosted checkout was completed.",
    "checkout.expired": "A hosted checkout ran out.",
    "checkout.failed": "A delayed payment method failed after checkout.",
    "retention.offer_accepted": "A retention offer was taken, and Stripe has it.",
    "usage.threshold_reached": "A usage threshold was crossed, once per period and limit.",
    "quota.exceeded": "A call was refused for lack of quota.",
    "quota.reset": "A quota's period ended and was closed; the next one counts afresh.",
}

SIGNALS: t.Final[dict[str, NamedSignal]] = {
    name: _namespace.signal(name, doc) for name, doc in NAMES.items()
}


def signal(name: str) -> NamedSignal:
    """The signal of that name.

    :raises KeyError: for a name that is not in :data:`NAMES`.
    """
    try:
        return SIGNALS[name]
    except KeyError:
        raise KeyError(f"No billing signal {name!r}. There are: {', '.join(NAMES)}.") from None
