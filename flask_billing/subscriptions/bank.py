"""A change that waits for the customer's bank: how it is confirmed, and whether it was."""

from __future__ import annotations

import dataclasses
import typing as t
from datetime import datetime

import sqlalchemy as sa

from .. import stripe_objects, sync
from ..database import reread
from ..models import Customer, Subscription, SubscriptionChange
from ..owners import id_of
from ..stripe_gateway import gateway
from .intent_rows import ACTION

#: The kinds of changes that quotes lead to.
QUOTED: t.Final = ("upgrade", "end_trial", "switch", "downgrade")


@dataclasses.dataclass(frozen=True)
class WaitingPayment:
    """A payment that the bank wants its customer to confirm.

    :param client_secret: for Stripe.js in the customer's own browser, and for nobody else.
    :param hosted_url: Stripe's page of the invoice, which does without scripts.
    :param amount: minor units.
    :param until: when Stripe gives the change up.
    """

    client_secret: str | None
    hosted_url: str | None
    amount: int
    currency: str
    until: datetime | None


def waiting_payment(change: SubscriptionChange) -> WaitingPayment | None:
    """What a pending change waits for; None where it is no payment, or not any more.

    :raises StripeError: where Stripe could not be asked.
    """
    subscription = reread(sa.select(Subscription).where(Subscription.id == change.subscription_id))

    if change.state != "pending" or subscription is None or subscription.pending_until is None:
        return None

    invoice = gateway().get(
        f"/v1/invoices/{subscription.latest_invoice}", {"expand": ["confirmation_secret"]}
    )

    if invoice["status"] != "open":
        return None

    secret = stripe_objects.expanded(invoice.get("confirmation_secret")) or {}
    return WaitingPayment(
        secret.get("client_secret"),
        invoice.get("hosted_invoice_url"),
        invoice["amount_due"],
        invoice["currency"],
        subscription.pending_until,
    )


def last_change(customer: Customer, *, afresh: bool = False) -> SubscriptionChange | None:
    """The newest change that was quoted.

    :param afresh: whether to ask Stripe first how one stands that waits for its payment.
    :raises StripeError: where Stripe could not be asked.
    """
    found = reread(_newest(customer))

    if not afresh or found is None or found.state != "pending" or found.effective_at is not None:
        return found

    subscription = reread(sa.select(Subscription).where(Subscription.id == found.subscription_id))
    assert subscription is not None, "changes are made of subscriptions we know"
    sync.pull("subscription", subscription.stripe_id, action=ACTION)
    return reread(_newest(customer))


def _newest(customer: Customer) -> sa.Select[SubscriptionChange]:
    return (
        sa.select(SubscriptionChange)
        .where(
            SubscriptionChange.customer_id == id_of(customer),
            SubscriptionChange.kind.in_(QUOTED),
            SubscriptionChange.actor.is_distinct_from("stripe"),
        )
        .order_by(SubscriptionChange.id.desc())
        .limit(1)
    )
