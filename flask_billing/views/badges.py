"""The plan's state in a word or two, with an icon: never by colour alone."""

from __future__ import annotations

import dataclasses
import typing as t

from .. import access, clock, formatting
from ..models import Subscription
from ..translation import gettext as _
from .visitor import Visitor


@dataclasses.dataclass(frozen=True)
class Badge:
    """The state beside the plan's name."""

    tone: t.Literal["neutral", "ok", "info", "warn", "crit"]
    icon: str
    text: str


def badge(visitor: Visitor) -> Badge:
    """The badge of this customer's plan."""
    subscription, change = visitor.live, visitor.change

    if subscription is None:
        free = visitor.plan is not None
        return Badge("neutral", "dot", _("Free") if free else _("No plan yet"))

    found = state_of(subscription)

    if found == "ending" and subscription.cancel_at is not None:
        date = formatting.day(subscription.cancel_at)
        return Badge("warn", "clock", _("Ends %(date)s", date=date))

    if found == "pausing" and subscription.pause_starts_at is not None:
        date = formatting.day(subscription.pause_starts_at)
        return Badge("info", "pause", _("Pauses %(date)s", date=date))

    if found == "active" and change is not None and change.effective_at is not None:
        date = formatting.day(change.effective_at)
        return Badge("info", "clock", _("Changes %(date)s", date=date))

    return _badge(found)


def state_of(subscription: Subscription) -> str:
    """The state pages speak of: the access rule's reason for this subscription."""
    if subscription.status == "incomplete_expired":
        return subscription.status

    found = access.judge(subscription, clock.now()).reason
    return "past_due" if found == "grace_over" else found


def _badge(state: str) -> Badge:
    match state:
        case "active":
            return Badge("ok", "check", _("Active"))
        case "trialing":
            return Badge("info", "clock", _("Trial"))
        case "past_due":
            return Badge("crit", "alert", _("Payment failed"))
        case "paused":
            return Badge("warn", "pause", _("Paused"))
        case "incomplete":
            return Badge("warn", "alert", _("Action needed"))
        case "unpaid":
            return Badge("crit", "alert", _("Suspended"))
        case "canceled":
            return Badge("neutral", "dot", _("Ended"))
        case _unknown:
            return Badge("neutral", "dot", _("Updating"))
