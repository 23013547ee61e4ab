"""The plan card of the overview: price and what happens next, by state."""

from __future__ import annotations

import dataclasses
from datetime import datetime

from .. import formatting
from ..catalog import Plan
from ..models import Subscription, SubscriptionChange
from ..translation import gettext as _
from .badges import state_of
from .visitor import Visitor


@dataclasses.dataclass(frozen=True)
class PlanFacts:
    """What a customer pays and when.

    :param price: "$99.00", the subscription's own amount; None where it is not known.
    :param interval: "a month".
    :param plus_usage: whether what is used beyond the plan comes on top.
    :param next_label: what happens next: "Renews", "First charge", "Ends", "Resumes".
    """

    name: str
    price: str | None
    interval: str
    seats: int
    plus_usage: bool
    next_label: str | None
    next_at: datetime | None


def facts(visitor: Visitor, change: SubscriptionChange | None) -> PlanFacts:
    """The facts of the live subscription."""
    subscription = visitor.live
    assert subscription is not None, "only a live subscription has a plan card"
    plan = visitor.plan
    label, at = _next(subscription, change, charged=visitor.method is not None)
    return PlanFacts(
        name=plan.name if plan is not None else _("Your plan"),
        price=None
        if subscription.unit_amount is None
        else formatting.price(
            subscription.unit_amount * subscription.quantity, subscription.currency
        ),
        interval=formatting.interval_name(subscription.interval),
        seats=subscription.quantity,
        plus_usage=bills_usage(subscription, plan),
        next_label=label if at is not None else None,
        next_at=at,
    )


def bills_usage(subscription: Subscription, plan: Plan | None) -> bool:
    """Whether what is used beyond the plan is charged with its price."""
    price = plan and plan.price(subscription.interval or "", subscription.currency)
    return bool(price and price.metered)


def _next(
    subscription: Subscription, change: SubscriptionChange | None, *, charged: bool
) -> tuple[str | None, datetime | None]:
    match state_of(subscription):
        case "trialing":
            return _("First charge") if charged else _("Trial ends"), subscription.trial_end
        case "ending":
            return _("Ends"), subscription.cancel_at
        case "pausing":
            return _("Pauses"), subscription.pause_starts_at
        case "paused":
            return _("Resumes"), subscription.pause_resumes_at
        case "active" if change is not None:
            return _("Changes"), change.effective_at
        case "active":
            return _("Renews"), subscription.current_period_end
        case _unknown:
            return None, None
