"""Which offers may be made to a customer now: the rules that keep them rare and honest."""

from __future__ import annotations

import collections.abc as c
import dataclasses
import typing as t
from datetime import datetime, timedelta

import sqlalchemy as sa

from .. import clock
from ..catalog import Offer
from ..clock import from_timestamp
from ..models import Customer, OfferRedemption, Subscription, SubscriptionChange
from ..state import state
from ..subscriptions.pause import obstacle

#: Nobody is to learn that signing up and leaving makes it cheaper.
FIRST_DAYS: t.Final = timedelta(days=14)
#: A second pause so soon is a cancellation in parts.
BETWEEN_PAUSES: t.Final = timedelta(days=183)
#: The period of an offer that is granted once.
EVER: t.Final = "ever"

#: Statuses in which a customer pays, or is about to.
_RUNNING: t.Final = ("active", "trialing")


@dataclasses.dataclass(frozen=True)
class Past:
    """What a customer was given before.

    :param taken: kind and key of each offer, and when it was taken; the failed are not among them.
    :param paused_at: when they last asked for a pause, by an offer or without.
    """

    taken: tuple[tuple[str, str, datetime], ...] = ()
    paused_at: datetime | None = None

    def last(self, *, kind: str | None = None, key: str | None = None) -> datetime | None:
        """When an offer of that kind or key was last taken."""
        return max(
            (
                taken_at
                for its_kind, its_key, taken_at in self.taken
                if kind in (None, its_kind) and key in (None, its_key)
            ),
            default=None,
        )


def past_of(
    connection: sa.Connection, customer_id: int, *, before_visit: int | None = None
) -> Past:
    """What was given to a customer, as it is committed.

    :param before_visit: leaves out what this visit gave, as another click of it may have.
    """
    rows = connection.execute(
        sa.select(OfferRedemption.kind, OfferRedemption.offer, OfferRedemption.created_at).where(
            OfferRedemption.customer_id == customer_id,
            OfferRedemption.state != "failed",
            OfferRedemption.cancellation_id.is_distinct_from(before_visit),
        )
    )
    taken = tuple((row.kind, row.offer, row.created_at) for row in rows)
    paused_at = connection.scalar(
        sa.select(sa.func.max(SubscriptionChange.created_at)).where(
            SubscriptionChange.customer_id == customer_id,
            SubscriptionChange.kind == "pause",
            SubscriptionChange.state != "failed",
        )
    )
    return Past(taken, paused_at)


def may_have_any(subscription: Subscription) -> bool:
    """Whether this subscription may be made an offer at all: it runs, and nothing else is up.

    Who owes a payment is shown how to pay, and what a schedule changes later has no exact terms
    now.
    """
    return (
        subscription.status in _RUNNING
        and subscription.pause is None
        and subscription.schedule_id is None
        and subscription.pending_until is None
        and (subscription.plan or subscription.last_plan) is not None
    )


def may_have(offer: Offer, subscription: Subscription, past: Past) -> bool:
    """Whether the rules let this customer have this offer now."""
    now = clock.now()

    if _within(past.last(key=offer.key), timedelta(days=offer.cooldown_days), now):
        return False

    match offer.kind:
        case "contact":
            return _contact_url(offer) is not None
        case "trial_extension":
            return subscription.status == "trialing" and past.last(kind=offer.kind) is None
        case "discount":
            cooldown = timedelta(days=offer.cooldown_days)
            return (
                _settled_in(subscription, now)
                and not is_discounted(subscription, now)
                and not _within(past.last(kind="discount"), cooldown, now)
            )
        case "pause":
            last = past.last(kind="pause"), past.paused_at
            return (
                _settled_in(subscription, now)
                and obstacle(subscription) is None
                and not any(_within(moment, BETWEEN_PAUSES, now) for moment in last)
            )
        case "plan":
            # To take a cancellation back and then change the plan is two steps at Stripe: with
            # only the first one done, somebody who left would be charged.
            return _settled_in(subscription, now) and subscription.cancel_at is None


def period_of(offer: Offer, subscription: Subscription) -> str:
    """What an offer is taken once in: the billing period, or the customer's life."""
    if offer.kind == "trial_extension":
        return EVER

    start = subscription.current_period_start
    assert start is not None, "a live subscription has a period"
    return f"{subscription.id}:{start:%Y%m%d%H%M}"


def lock(connection: sa.Connection, customer: Customer) -> None:
    """Let one process at a time decide what a customer is given."""
    connection.execute(
        sa.select(Customer.id).where(Customer.id == customer.id).with_for_update()
    ).one()


def is_discounted(subscription: Subscription, now: datetime) -> bool:
    """Whether a discount changes what is paid for a subscription."""
    if subscription.discount is None:
        return False

    end = from_timestamp(subscription.discount.get("end"))
    return end is None or end > now


def _settled_in(subscription: Subscription, now: datetime) -> bool:
    """Whether they have paid for longer than the first days; a trial does not count."""
    starts = [
        moment for moment in (subscription.started_at, subscription.trial_end) if moment is not None
    ]
    return subscription.status == "active" and bool(starts) and now - max(starts) >= FIRST_DAYS


def _within(moment: datetime | None, span: timedelta, now: datetime) -> bool:
    return moment is not None and now - moment < span


def _contact_url(offer: Offer) -> str | None:
    configured: str | None = state().app.config["BILLING_CONTACT_URL"]
    return offer.url or configured


def fits_reason(offer: Offer, reasons: c.Collection[str]) -> bool:
    """Whether an offer answers one of these reasons; one that names none answers any."""
    return not offer.reasons or not set(offer.reasons).isdisjoint(reasons)
