"""Taking back a change that waits for its date or its payment."""

from __future__ import annotations

import typing as t

import sqlalchemy as sa

from ..database import reread
from ..models import Customer, Subscription, SubscriptionChange
from . import charging, intents, schedules
from .calls import Calls, Outcome
from .current import live_subscription
from .refusals import NothingToUndoError
from .wish import Wish

#: Cancellations and pauses are taken back by functions of their own.
UNDONE_HERE: t.Final = ("upgrade", "end_trial", "downgrade")


def undo_change(customer: Customer, *, actor: str | None = None) -> SubscriptionChange:
    """Keep the plan as it is, instead of the change that waits. Nothing is charged.

    :raises NothingToUndoError: where none waits; a cancellation is taken back by ``resume``, a
        pause by ``undo_pause``.
    :raises StripeError: where Stripe did not answer; it is taken back later all the same.
    """
    subscription = live_subscription(customer)
    waiting = waiting_change(subscription)

    if waiting is None or waiting.kind not in UNDONE_HERE:
        raise NothingToUndoError

    return give_up(subscription, waiting, actor=actor)


def give_up(
    subscription: Subscription, waiting: SubscriptionChange, *, actor: str | None = None
) -> SubscriptionChange:
    """Take back a change that waits."""
    wish = Wish(
        "undo_change",
        request={"change": waiting.id},
        to_plan=waiting.from_plan,
        to_interval=waiting.from_interval,
        quantity=waiting.from_quantity,
        actor=actor,
    )
    return intents.carry_out(subscription, wish)


def give_up_unpaid(subscription: Subscription, *, actor: str | None = None) -> None:
    """Make way for another change: a bank must not be asked for two, and the older be paid."""
    waiting = waiting_change(subscription)

    if waiting is not None and subscription.pending_until is not None:
        give_up(subscription, waiting, actor=actor)


def waiting_change(subscription: Subscription) -> SubscriptionChange | None:
    """The change that waits for its date or its payment."""
    return reread(
        sa.select(SubscriptionChange).where(
            SubscriptionChange.subscription_id == subscription.id,
            SubscriptionChange.state == "pending",
        )
    )


def take_back(change: SubscriptionChange, calls: Calls) -> Outcome:
    """Let Stripe forget what waits: the schedule, or the invoice that was not paid."""
    subscription = calls.get(charging.path(change))

    if subscription.get("pending_update"):
        charging.void_waiting(subscription, calls)
    else:
        schedules.release_ours(subscription, calls)

    return Outcome("done", announce="subscription.change_undone")
