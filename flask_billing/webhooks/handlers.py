"""Every event type we take, and what it makes us do.

Most events only say "look again": the object is fetched and written, and what changed is found
by comparison (:mod:`flask_billing.sync`). Those are closed by any fetch that began after they
arrived. An event with an ``effect`` says something that no state shows afterwards, so it is
never closed by another.
"""

from __future__ import annotations

import collections.abc as c
import dataclasses
import functools
import typing as t

from .. import payment_methods, stripe_objects
from ..stripe_objects import StripeObject
from ..sync import Kind
from . import effects, meter_errors
from .verify import THIN_TYPES

#: Does at Stripe what an event asks for, before its object is fetched; takes the event's object.
Errand = c.Callable[[StripeObject], None]
#: Finds the id of the object to fetch in the event's own object; None where there is none.
Finder = c.Callable[[StripeObject], str | None]


def _itself(found: StripeObject) -> str | None:
    return stripe_objects.reference(found)


def _scheduled_subscription(schedule: StripeObject) -> str | None:
    subscription = schedule.get("subscription") or schedule.get("released_subscription")
    return stripe_objects.reference(subscription)


def _payment_method(intent: StripeObject) -> str | None:
    return stripe_objects.reference(intent.get("payment_method"))


def _payment_intent(found: StripeObject) -> str | None:
    return stripe_objects.reference(found.get("payment_intent"))


def _invoice(note: StripeObject) -> str | None:
    return stripe_objects.reference(note.get("invoice"))


def _customer(found: StripeObject) -> str | None:
    return stripe_objects.reference(found.get("customer"))


def _no_object(found: StripeObject) -> str | None:
    return None


def _settle_setup(intent: StripeObject) -> None:
    payment_methods.settle_setup(intent["id"])


@dataclasses.dataclass(frozen=True)
class Handling:
    """What to fetch for an event, and what to announce besides.

    :param effect: makes outbox rows from the event and the customer's id.
    :param paid_by: finds the payment intent whose invoice is to be fetched, where the event
        does not name the invoice itself.
    :param errand: is run first and may run again, as the event is not closed before.
    """

    kind: Kind | None
    find: Finder = _itself
    effect: effects.Effect | None = None
    paid_by: Finder | None = None
    errand: Errand | None = None

    @property
    def is_pure(self) -> bool:
        """Whether a later fetch of the object makes this event superfluous."""
        return self.effect is None and self.errand is None and self.kind is not None


SUBSCRIPTION: t.Final = Handling("subscription")
INVOICE: t.Final = Handling("invoice")
PAID: t.Final = Handling("paid_invoice")
SCHEDULE: t.Final = Handling("subscription", _scheduled_subscription)
PAYMENT_METHOD: t.Final = Handling("payment_method")
SETUP: t.Final = Handling("payment_method", _payment_method, errand=_settle_setup)
CREDIT_NOTE: t.Final = Handling("credited_invoice", _invoice)
REFUND: t.Final = Handling("credited_invoice", _no_object, paid_by=_payment_intent)
TAX_ID: t.Final = Handling("customer", _customer)
METER_ERRORS: t.Final = Handling(None, _no_object, errand=meter_errors.settle)
HOOK: t.Final = Handling(None, _no_object)

HANDLERS: t.Final[dict[str, Handling]] = {
    "checkout.session.completed": Handling(
        "session", effect=effects.none, errand=payment_methods.settle_session
    ),
    "checkout.session.async_payment_succeeded": Handling("session", effect=effects.none),
    "checkout.session.async_payment_failed": Handling("session", effect=effects.checkout_failed),
    "checkout.session.expired": Handling("session", effect=effects.none),
    "customer.subscription.created": SUBSCRIPTION,
    "customer.subscription.updated": SUBSCRIPTION,
    "customer.subscription.deleted": SUBSCRIPTION,
    "customer.subscription.paused": SUBSCRIPTION,
    "customer.subscription.resumed": SUBSCRIPTION,
    "customer.subscription.pending_update_applied": SUBSCRIPTION,
    "customer.subscription.pending_update_expired": SUBSCRIPTION,
    "customer.subscription.trial_will_end": Handling("subscription", effect=effects.trial_will_end),
    "invoice.created": INVOICE,
    "invoice.updated": INVOICE,
    "invoice.finalized": INVOICE,
    "invoice.voided": INVOICE,
    "invoice.marked_uncollectible": INVOICE,
    "invoice.overdue": INVOICE,
    "invoice.deleted": INVOICE,
    "invoice.paid": PAID,
    "invoice.payment_succeeded": PAID,
    "invoice.payment_failed": Handling("paid_invoice", effect=effects.payment_failed),
    "invoice.payment_action_required": Handling(
        "paid_invoice", effect=effects.payment_action_required
    ),
    "invoice.finalization_failed": Handling("invoice", effect=effects.payment_failed),
    "invoice.upcoming": Handling(None, _no_object, effects.invoice_upcoming),
    "payment_method.attached": PAYMENT_METHOD,
    "payment_method.detached": PAYMENT_METHOD,
    "payment_method.updated": PAYMENT_METHOD,
    "payment_method.automatically_updated": PAYMENT_METHOD,
    "setup_intent.succeeded": SETUP,
    "setup_intent.setup_failed": HOOK,
    "customer.updated": Handling("customer"),
    "customer.deleted": Handling("customer"),
    "customer.tax_id.created": TAX_ID,
    "customer.tax_id.updated": TAX_ID,
    "customer.tax_id.deleted": TAX_ID,
    "subscription_schedule.created": SCHEDULE,
    "subscription_schedule.updated": SCHEDULE,
    "subscription_schedule.released": SCHEDULE,
    "subscription_schedule.completed": SCHEDULE,
    "subscription_schedule.canceled": SCHEDULE,
    "subscription_schedule.aborted": SCHEDULE,
    "credit_note.created": CREDIT_NOTE,
    "credit_note.updated": CREDIT_NOTE,
    "credit_note.voided": CREDIT_NOTE,
    "refund.created": REFUND,
    "refund.updated": REFUND,
    "refund.failed": REFUND,
    "charge.refunded": Handling(
        "credited_invoice", _no_object, effects.refunded, paid_by=_payment_intent
    ),
    "charge.dispute.created": Handling(None, _no_object, effects.disputed),
    "entitlements.active_entitlement_summary.updated": HOOK,
    **dict.fromkeys(THIN_TYPES, METER_ERRORS),
}

#: What may be deleted at Stripe while an event of it is on its way: drafts and cards.
MAY_BE_GONE: t.Final[tuple[Kind, ...]] = ("invoice", "credited_invoice", "payment_method")

#: Ways of fetching an invoice. Each brings what a plain look does, and none what another does.
_LOOKS_AT_INVOICES: t.Final[tuple[Kind, ...]] = ("invoice", "paid_invoice", "credited_invoice")


@functools.cache
def closed_by(kind: Kind | None) -> tuple[str, ...]:
    """Types of events that a later fetch of that kind makes superfluous.

    A plain look at an invoice does not bring its subscription, which a paid one still needs,
    nor what was given back.
    """
    needs_more = [other for other in _LOOKS_AT_INVOICES if other not in ("invoice", kind)]
    return tuple(
        name
        for name, handling in HANDLERS.items()
        if handling.is_pure and handling.kind not in needs_more
    )
