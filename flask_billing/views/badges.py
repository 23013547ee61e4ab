"""The plan's state in a word or two, with an icon: never by colour alone."""

from __future__ import annotations

import dataclasses
import typing as t

from .. import access, clock
from ..models import Subscription, SubscriptionChange
from ..translation import gettext as _
from . import formatting
from .visitor import Visitor


@dataclasses.dataclass(frozen=True)
class Badge:
    """The state beside the plan's name."""

    tone: t.Literal["neutral", "ok", "info", "warn", "crit"]
    icon: str
    text: str


def badge(visitor: Visitor, change: SubscriptionChange | None = None) -> Badge:
    """The badge of this customer's plan.

    :param change: the change that waits for its date, if one does.
    """
    subscription = visitor.live

    if subscription is None:
        free = visitor.plan is not None
        return Badge("neutral", "dot", _("Free") if free else _("No plan yet"))

    found = state_of(subscription)

    if found == "ending" and subscription.cancel_at is not None:
        date = formatting.day(subscription.cancel_at)
        return Badge("warn", "clock", _("Ends %(date)s", date=date))

    if found == "active" and change is not None and change.effective_at is not None:
        date = formatting.day(change.effective_at)
        return Badge("info", "clock", _("Changes %(date)s", date=date))

    return _badges().get(found, Badge("neutral", "dot", _("Updating")))


def state_of(subscription: Subscription) -> str:
    """The state pages speak of: the access rule's reason for this subscription."""
    if subscription.status == "incomplete_expired":
        return subscription.status

    found = access.judge(subscription, clock.now()).reason
    return "past_due" if found == "grace_over" else found


def _badges() -> dict[str, Badge]:
    return {
        "active": Badge("ok", "check", _("Active")),
        "trialing": Badge("info", "clock", _("Trial")),
        "past_due": Badge("crit", "alert", _("Payment failed")),
        "paused": Badge("warn", "pause", _("Paused")),
        "incomplete": Badge("warn", "alert", _("Action needed")),
        "unpaid": Badge("crit", "alert", _("Suspended")),
        "canceled": Badge("neutral", "dot", _("Ended")),
    }
