"""A trial that is made longer."""

from __future__ import annotations

import typing as t
from datetime import datetime

from .. import stripe_objects
from ..clock import from_timestamp
from ..models import Subscription, SubscriptionChange
from ..stripe_gateway import StripeObject
from . import intent_rows, intents, schedules
from .calls import Calls, Outcome
from .wish import Wish


def extend_trial(
    subscription: Subscription,
    until: datetime,
    *,
    quote_id: str,
    reason: str | None = None,
    comment: str | None = None,
    actor: str | None = None,
) -> SubscriptionChange:
    """Let a trial last until a later day; an end that was planned is taken back.

    :param quote_id: what was agreed; each is carried out once.
    :raises StripeError: where Stripe refused, or did not answer; then it is carried out later.
    """
    wish = Wish(
        "extend_trial",
        request={"trial_end": int(until.timestamp())},
        effective_at=until,
        quote_id=quote_id,
        reason=reason,
        feedback=comment,
        actor=actor,
    )
    return intents.carry_out(subscription, wish)


def extend(change: SubscriptionChange, calls: Calls) -> Outcome:
    """Move the end of the trial, and look whether it moved."""
    until: int = (change.request or {})["trial_end"]
    path = f"/v1/subscriptions/{intent_rows.subscription_of(change).stripe_id}"
    found = calls.get(path)

    if found["status"] != "trialing":
        return Outcome("failed", reason="trial_over")

    if not _is_extended(found, until):
        params: dict[str, t.Any] = {"trial_end": until, "proration_behavior": "none"}

        if stripe_objects.cancels_at(found) is not None:
            schedules.release(found["id"], calls)
            by_period = found.get("cancel_at_period_end")
            goes_on = {"cancel_at_period_end": False} if by_period else {"cancel_at": ""}
            calls.post("resume", path, goes_on)

        calls.post("extend", path, params)
        found = calls.get(path)

    done = _is_extended(found, until)
    return Outcome("done") if done else Outcome("failed", reason="not_applied")


def _is_extended(subscription: StripeObject, until: int) -> bool:
    reached = from_timestamp(subscription.get("trial_end"))
    wanted = from_timestamp(until)
    assert wanted is not None
    goes_on = stripe_objects.cancels_at(subscription) is None
    return goes_on and reached is not None and reached >= wanted
