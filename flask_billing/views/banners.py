"""The banner that says what state the plan is in, and until when."""

from __future__ import annotations

import collections.abc as c
import dataclasses
import typing as t

from .. import access, clock
from ..models import PaymentMethod, Subscription, SubscriptionChange
from ..state import state
from ..translation import gettext as _
from . import formatting, payment_labels
from .badges import state_of
from .visitor import Visitor

Tone = t.Literal["info", "warn", "crit"]


@dataclasses.dataclass(frozen=True)
class Banner:
    """One sentence or two on the plan's state.

    :param urgent: whether a screen reader is told at once.
    """

    tone: Tone
    text: str
    urgent: bool = False


def banner(
    visitor: Visitor, change: SubscriptionChange | None, method: PaymentMethod | None
) -> Banner | None:
    """What this customer has to know now; None while all is well."""
    subscription = visitor.access.subscription

    if subscription is None:
        return None

    written = _BANNERS.get(state_of(subscription))

    if written is not None:
        return written(subscription, method)

    return _scheduled(change) if change is not None else None


def _trialing(subscription: Subscription, method: PaymentMethod | None) -> Banner | None:
    end = subscription.trial_end

    if end is None:
        return None

    if method is None:
        return Banner(
            "info",
            _(
                "Your trial ends %(date)s. Without a card on file, %(plan)s ends with it.",
                date=formatting.day(end),
                plan=_plan_name(subscription),
            ),
        )

    if subscription.unit_amount is None or subscription.discount:
        return Banner("info", _("Your trial ends %(date)s.", date=formatting.day(end)))

    return Banner(
        "info",
        _(
            "Your trial ends %(date)s. First charge %(amount)s on %(date)s.",
            date=formatting.day(end),
            amount=formatting.price(
                subscription.unit_amount * subscription.quantity, subscription.currency
            ),
        ),
    )


def _ending(subscription: Subscription, method: PaymentMethod | None) -> Banner | None:
    if subscription.cancel_at is None:
        return None

    return Banner(
        "warn",
        _(
            "Your plan ends on %(date)s. You won't be charged again.",
            date=formatting.day(subscription.cancel_at),
        ),
    )


def _past_due(subscription: Subscription, method: PaymentMethod | None) -> Banner:
    charged = payment_labels.short(method) if method is not None else _("your card")
    until = access.judge(subscription, clock.now())

    if not until.allowed or until.until is None:
        return Banner(
            "crit",
            _(
                "We couldn't charge %(card)s, and %(plan)s is on hold until the payment arrives.",
                card=charged,
                plan=_plan_name(subscription),
            ),
            urgent=True,
        )

    return Banner(
        "crit",
        _(
            "We couldn't charge %(card)s. Update your card by %(date)s to keep %(plan)s.",
            card=charged,
            date=formatting.day(until.until),
            plan=_plan_name(subscription),
        ),
        urgent=True,
    )


def _paused(subscription: Subscription, method: PaymentMethod | None) -> Banner:
    if subscription.pause_resumes_at is None:
        return Banner("warn", _("Your plan is paused. You aren't being charged."))

    return Banner(
        "warn",
        _(
            "Your plan is paused. You aren't being charged. It resumes on %(date)s.",
            date=formatting.day(subscription.pause_resumes_at),
        ),
    )


def _incomplete(subscription: Subscription, method: PaymentMethod | None) -> Banner:
    return Banner("warn", _("Your bank needs you to confirm this payment before the plan starts."))


def _incomplete_expired(subscription: Subscription, method: PaymentMethod | None) -> Banner:
    return Banner(
        "info",
        _("That payment wasn't completed, so the plan didn't start. You weren't charged."),
    )


def _unpaid(subscription: Subscription, method: PaymentMethod | None) -> Banner:
    return Banner(
        "crit",
        _("An invoice is unpaid, so %(plan)s is suspended.", plan=_plan_name(subscription)),
        urgent=True,
    )


def _canceled(subscription: Subscription, method: PaymentMethod | None) -> Banner | None:
    ended = subscription.ended_at or subscription.cancel_at

    if ended is None:
        return None

    return Banner(
        "info",
        _(
            "Your %(plan)s plan ended on %(date)s.",
            plan=_plan_name(subscription),
            date=formatting.day(ended),
        ),
    )


def _scheduled(change: SubscriptionChange) -> Banner | None:
    plan = state().catalog.plan(change.to_plan)

    if plan is None or change.effective_at is None:
        return None

    return Banner(
        "info",
        _(
            "Switching to %(plan)s on %(date)s.",
            plan=plan.name,
            date=formatting.day(change.effective_at),
        ),
    )


_Writer = c.Callable[[Subscription, PaymentMethod | None], Banner | None]

_BANNERS: t.Final[dict[str, _Writer]] = {
    "trialing": _trialing,
    "ending": _ending,
    "past_due": _past_due,
    "paused": _paused,
    "incomplete": _incomplete,
    "incomplete_expired": _incomplete_expired,
    "unpaid": _unpaid,
    "canceled": _canceled,
}


def _plan_name(subscription: Subscription) -> str:
    plan = state().catalog.plan(subscription.plan or subscription.last_plan)
    return plan.name if plan is not None else _("your plan")
