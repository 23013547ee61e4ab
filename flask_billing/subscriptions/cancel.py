"""Cancelling, at the end of what is paid for or at once, and keeping the plan after all.

A cancellation always goes through. It is recorded before Stripe is asked, so that one made while
Stripe is down is carried out later; what was charged in between is given back.
"""

from __future__ import annotations

import contextlib
import typing as t

import sqlalchemy as sa

from .. import access, clock, stripe_objects
from ..database import committed, reread
from ..errors import NoSubscriptionError, StripeError
from ..models import ENDED, Customer, Subscription, SubscriptionChange
from ..owners import id_of
from . import charging, ending, intent_rows, intents, reasons, schedules
from .calls import Calls, Outcome
from .current import live_subscription, refreshed_subscription
from .pause import NOT_PAUSED
from .wish import Wish

#: Reasons of the access rule in which nothing is paid for that could be used up first.
AT_ONCE: t.Final = ("past_due", "grace_over", "unpaid", "incomplete", "paused")

#: States of a cancellation that Stripe was not told of yet.
RECORDED: t.Final = ("open", "waiting")


def cancel(
    customer: Customer,
    *,
    reason: str | None = None,
    comment: str | None = None,
    shown: str | None = None,
    actor: str | None = None,
) -> SubscriptionChange:
    """End the plan with what is paid for, or at once where nothing is.

    :param reason: one of :data:`.reasons.REASONS`.
    :param comment: at most 500 characters.
    :param shown: what the customer had read, kept word for word.
    :param actor: who asked, as the history shows it.
    :returns: the cancellation: pending until its date, or done. Asked for again it is the same.
    :raises InvalidAnswerError: for another reason or a longer comment.
    :raises NoSubscriptionError: where there is nothing to cancel.
    :raises StripeError: where Stripe did not answer; the cancellation is recorded, see
        :func:`cancellation`, and carried out by :func:`.finish_open`.
    """
    reason, comment = reasons.checked(reason, comment)
    subscription = live_subscription(customer)
    standing = _standing(subscription)

    if standing is not None and not ends_at_once(subscription):
        return standing

    wish = Wish("cancel", reason=reason, feedback=comment, shown=shown, actor=actor)
    change = intents.carry_out(subscription, wish)

    if change.state == "undone":  # another click was first
        return _standing(subscription) or change

    return change


def resume(customer: Customer, *, actor: str | None = None) -> SubscriptionChange | None:
    """Keep a plan that was going to end.

    A cancellation that is only recorded is taken back even while Stripe cannot be asked.

    :returns: the change; None where the plan was not going to end.
    :raises NoSubscriptionError: where it has ended already.
    """
    subscription = live_subscription(customer)
    withdrawn = intent_rows.withdraw(subscription, "cancel")

    if not withdrawn and subscription.cancel_at is None:
        subscription = refreshed_subscription(customer)

        if subscription.cancel_at is None:
            return None

    wish = Wish("resume", actor=actor)

    try:
        change = intents.carry_out(subscription, wish)
    except StripeError as error:
        if not (withdrawn and error.retryable):
            raise

        change = intents.begin(subscription, wish)  # stays open, to make sure of it later

    if change.state == "failed":
        raise NoSubscriptionError

    return change


def cancellation(customer: Customer) -> SubscriptionChange | None:
    """The cancellation that stands: recorded, waiting for its date, or carried out.

    None where the customer asked for none since their newest subscription began, or took it back.
    """
    newest = next(iter(access.subscriptions_of(id_of(customer))), None)
    return None if newest is None else reread(_latest(newest, "open", "waiting", "pending", "done"))


def close(subscription: Subscription, *, bill_usage: bool = True) -> SubscriptionChange:
    """End a subscription at once, in whatever state it is, because its account is closed.

    :param bill_usage: whether what was used so far is charged where a metered price bills it.
    """
    return intents.carry_out(subscription, Wish("close", request={"bill_usage": bill_usage}))


def finish_closing(customer: Customer) -> None:
    """See to what an earlier try to close an account has ended and left there.

    :raises StripeError: where Stripe refused or did not answer. It may be called again.
    """
    for change in intent_rows.open_of(customer.id, "close"):
        intents.finish(change)


def explain(
    customer: Customer, *, reason: str | None = None, comment: str | None = None
) -> SubscriptionChange | None:
    """Keep why a customer left who gave no reason when they did.

    :returns: the cancellation with it; None where nothing was said, or it was known before.
    :raises InvalidAnswerError: for another reason or a longer comment.
    """
    reason, comment = reasons.checked(reason, comment)
    change = cancellation(customer)

    if change is None or (reason is None and comment is None):
        return None

    with committed(intent_rows.ACTION) as connection:
        written = connection.execute(
            sa.update(SubscriptionChange)
            .where(
                SubscriptionChange.id == change.id,
                SubscriptionChange.reason.is_(None),
                SubscriptionChange.feedback.is_(None),
            )
            .values(reason=reason, feedback=comment)
        )

    if not written.rowcount:
        return None

    explained = intent_rows.fresh(change.id)

    if change.state not in RECORDED:  # else it is told with the rest
        path = f"/v1/subscriptions/{intent_rows.subscription_of(explained).stripe_id}"

        with contextlib.suppress(StripeError):  # kept here, which is what it was asked for
            Calls(explained).post(
                "explain", path, {"cancellation_details": ending.details(explained)}
            )

    return explained


def ends_at_once(subscription: Subscription) -> bool:
    """Whether a cancellation now leaves nothing to be used up."""
    return access.judge(subscription, clock.now()).reason in AT_ONCE


def end(change: SubscriptionChange, calls: Calls) -> Outcome:
    """Tell Stripe to end the subscription, with its period or at once."""
    subscription = intent_rows.refreshed(change)

    if subscription.status in ENDED:
        return ending.after_the_end(change, subscription, calls)

    subscription = _without_what_waits(change, subscription, calls)

    if ends_at_once(subscription) or ending.renewals_since(change, subscription, calls):
        return ending.now(change, subscription, calls)

    if subscription.cancel_at is not None:
        # Ours, repeated after a crash; or by somebody else, whose date stays.
        if _standing(subscription) is not None:
            return Outcome("undone", reason="already_asked")

        return Outcome("pending", effective_at=subscription.cancel_at)

    path = f"/v1/subscriptions/{subscription.stripe_id}"
    schedules.release(subscription.stripe_id, calls)
    params = {"cancel_at_period_end": True, "cancellation_details": ending.details(change)}

    if subscription.pause is None:
        answer = calls.post("cancel", path, params)
    else:  # it was to begin when the plan ends now, and would be back if that is kept
        answer = calls.post("cancel-unpaused", path, {**params, **NOT_PAUSED})

    if intent_rows.fresh(change.id).state == "undone":  # taken back while it was on its way
        calls.post("cancel-undone", path, {"cancel_at_period_end": False})
        return Outcome("undone")

    return Outcome("pending", effective_at=stripe_objects.cancels_at(answer))


def end_now(change: SubscriptionChange, calls: Calls) -> Outcome:
    """Tell Stripe to end the subscription at once."""
    subscription = intent_rows.refreshed(change)

    if subscription.status in ENDED:
        return ending.after_the_end(change, subscription, calls)

    return ending.now(change, _without_what_waits(change, subscription, calls), calls)


def take_back(change: SubscriptionChange, calls: Calls) -> Outcome:
    """Tell Stripe that the subscription goes on."""
    subscription = intent_rows.refreshed(change)

    if subscription.status in ENDED:
        return Outcome("failed", reason="ended")

    if subscription.cancel_at is None:  # done already, or it never got as far as Stripe
        return Outcome("done")

    by_period = (subscription.snapshot or {}).get("cancel_at_period_end")
    schedules.release(subscription.stripe_id, calls)
    calls.post(
        "resume",
        f"/v1/subscriptions/{subscription.stripe_id}",
        {"cancel_at_period_end": False} if by_period else {"cancel_at": ""},
    )
    return Outcome("done")


def _without_what_waits(
    change: SubscriptionChange, subscription: Subscription, calls: Calls
) -> Subscription:
    """Void what the bank was to be asked for: who leaves must not be able to pay it any more."""
    if subscription.pending_until is None:
        return subscription

    charging.void_waiting(calls.get(charging.path(change)), calls)
    return intent_rows.refreshed(change)


def _standing(subscription: Subscription) -> SubscriptionChange | None:
    """The cancellation that waits for the plan's end."""
    if subscription.cancel_at is None:
        return None

    return reread(_latest(subscription, "pending"))


def _latest(subscription: Subscription, *states: str) -> sa.Select[SubscriptionChange]:
    return (
        sa.select(SubscriptionChange)
        .where(
            SubscriptionChange.subscription_id == subscription.id,
            SubscriptionChange.kind == "cancel",
            SubscriptionChange.state.in_(states),
        )
        .order_by(SubscriptionChange.id.desc())
        .limit(1)
    )
