"""What an offer would mean for one subscription, to the cent and to the day."""

from __future__ import annotations

import dataclasses
import typing as t
from datetime import datetime, timedelta

from .. import clock
from ..catalog import INTERVALS, Interval, Offer, Plan
from ..coupons import coupon_terms, taken_off
from ..models import Subscription
from ..state import state
from ..stripe_objects import list_data, price_of
from ..subscriptions.pause import renewal_after
from .eligibility import is_discounted
from .renewals import months_for, renewals


@dataclasses.dataclass(frozen=True)
class Terms:
    """The facts of an offer. Amounts are minor units for all seats and one interval.

    :param regular: what is paid without the offer; None where a discount makes that another sum.
    :param reduced: what is paid with it.
    :param payments: how many payments are reduced; None is all from now on.
    :param starts_at: when it first counts: the next renewal, or when the pause begins.
    :param ends_at: when the regular amount is paid again, or the longer trial ends.
    :param plan: key of the plan that is offered instead.
    """

    kind: str
    currency: str
    interval: str
    quantity: int
    regular: int | None = None
    reduced: int | None = None
    payments: int | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    plan: str | None = None

    def facts(self) -> dict[str, t.Any]:
        """The same as plain JSON, to remember and to compare."""
        found = dataclasses.asdict(self)
        return {
            name: value.isoformat() if isinstance(value, datetime) else value
            for name, value in found.items()
            if value is not None
        }


def terms_of(offer: Offer, subscription: Subscription) -> Terms | None:
    """The terms of an offer for a subscription, or None where it cannot be made to it."""
    match offer.kind:
        case "discount":
            return _discount(offer, subscription)
        case "pause":
            return _pause(offer, subscription)
        case "plan":
            return _plan(offer, subscription)
        case "trial_extension":
            return _trial(offer, subscription)
        case "contact":
            return _terms(offer, subscription)


def coupon_for(offer: Offer, subscription: Subscription) -> dict[str, str | int]:
    """The parameters of the Stripe coupon that grants a discount to this subscription."""
    interval = t.cast("Interval", subscription.interval)
    found = coupon_terms(offer, interval, subscription.currency)

    if "duration_in_months" in found:
        assert offer.months is not None, "the coupon would last for good"
        found["duration_in_months"] = months_for(subscription, offer.months, _now())[0]

    return found


def _discount(offer: Offer, subscription: Subscription) -> Terms | None:
    regular = _regular(subscription)
    currency = offer.currency or state().catalog.currency

    if regular is None or (offer.amount_off is not None and currency != subscription.currency):
        return None

    reduced = regular - taken_off(offer, regular)
    payments: int | None = 1

    if subscription.interval == "month":
        payments = (
            None if offer.months is None else months_for(subscription, offer.months, _now())[1]
        )

    upcoming = renewals(subscription)
    starts_at = next(upcoming)
    ends_at = None

    for _payment in range(payments or 0):
        ends_at = next(upcoming)

    return _terms(
        offer,
        subscription,
        regular=regular,
        reduced=reduced,
        payments=payments,
        starts_at=starts_at,
        ends_at=ends_at,
    )


def _pause(offer: Offer, subscription: Subscription) -> Terms | None:
    starts_at, anchor = subscription.current_period_end, subscription.anchor

    if subscription.interval != "month" or starts_at is None or anchor is None:
        return None

    return _terms(
        offer,
        subscription,
        regular=_regular(subscription),
        payments=offer.months,
        starts_at=starts_at,
        ends_at=renewal_after(anchor, starts_at, offer.months or 1),
    )


def _plan(offer: Offer, subscription: Subscription) -> Terms | None:
    smaller, current = state().catalog.plan(offer.plan), state().catalog.plan(subscription.plan)

    if smaller is None or current is None or smaller.archived or smaller.rank >= current.rank:
        return None

    reduced, regular = _amount_on(smaller, subscription), _regular(subscription)

    if reduced is None or regular is None or reduced >= regular:
        return None

    return _terms(
        offer,
        subscription,
        regular=regular,
        reduced=reduced,
        starts_at=subscription.current_period_end,
        plan=smaller.key,
    )


def _trial(offer: Offer, subscription: Subscription) -> Terms | None:
    if subscription.status != "trialing" or subscription.trial_end is None or offer.days is None:
        return None

    return _terms(
        offer,
        subscription,
        regular=_regular(subscription),
        starts_at=subscription.trial_end,
        ends_at=subscription.trial_end + timedelta(days=offer.days),
    )


def _terms(offer: Offer, subscription: Subscription, **facts: t.Any) -> Terms:
    return Terms(
        kind=offer.kind,
        currency=subscription.currency,
        interval=subscription.interval or "",
        quantity=subscription.quantity,
        **facts,
    )


def _regular(subscription: Subscription) -> int | None:
    """What the plan costs each month or year; None where that is not one plain amount."""
    snapshot = subscription.snapshot or {}
    recurring = price_of(snapshot).get("recurring") or {}
    plain = subscription.interval in INTERVALS and recurring.get("interval_count", 1) == 1

    if not plain or subscription.unit_amount is None or subscription.current_period_end is None:
        return None

    if len(list_data(snapshot.get("items"))) > 1:  # a discount would take from the others too
        return None

    if is_discounted(subscription, _now()):  # what is paid is less
        return None

    return subscription.unit_amount * subscription.quantity


def _amount_on(plan: Plan, subscription: Subscription) -> int | None:
    """What another plan costs for the same interval, currency and seats."""
    price = plan.price(subscription.interval or "", subscription.currency)

    if price is None:
        return None

    if plan.seats is None and subscription.quantity > 1:
        return None

    if plan.seats is not None and subscription.quantity > (plan.seats.max or subscription.quantity):
        return None

    amount = price.amount
    return None if amount is None else amount * subscription.quantity


def _now() -> datetime:
    # Stripe counts whole seconds.
    return clock.now().replace(microsecond=0)
