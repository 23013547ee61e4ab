"""Every write to a subscription at Stripe: intended as a row, carried out, and closed.

The row is committed before Stripe is asked, and everything that is asked is made of it alone,
with idempotency keys of its own. So a double click, a second tab, a crash and a retry after a
timeout all end up at the same request. A subscription has one open intent at a time: who comes
with the same wish joins it, and who wants something else finishes it first.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
import typing as t

from .. import clock
from ..errors import (
    BillingError,
    CardDeclinedError,
    ChangeRefusedError,
    ChangeUnderWayError,
    StripeError,
    StripeNotFoundError,
    StripeRejectedError,
    StripeUnreachableError,
)
from ..models import Subscription, SubscriptionChange
from . import intent_rows as rows
from . import kinds
from .calls import Calls, Outcome
from .closing import close
from .wish import Wish

log = logging.getLogger("flask_billing.subscriptions")

#: A server error may be replayed to our key for a day. From this age on it is taken for that.
REPLAYED_FROM: t.Final = dt.timedelta(minutes=10)
#: No request is on its way any longer by then; the client gives up sooner.
SETTLED_AFTER: t.Final = dt.timedelta(minutes=5)


def carry_out(subscription: Subscription, wish: Wish) -> SubscriptionChange:
    """Record a wish, ask Stripe for it, and write what came of it.

    :returns: the change as it stands now: done, pending or failed.
    :raises CardDeclinedError: where the bank said no; nothing was changed.
    :raises StripeError: where Stripe refused, or did not answer: then the intent stays open
        and :func:`finish_open` goes on with it.
    """
    return perform(begin(subscription, wish))


def begin(subscription: Subscription, wish: Wish) -> SubscriptionChange:
    """The committed intent of a wish: a new one, or the one that is open for the same."""
    while True:
        row_id = rows.record(subscription, wish)

        if row_id is not None:
            return rows.fresh(row_id)

        change = rows.standing_in_the_way(subscription, wish)

        if change is None:
            continue

        if change.state != "open" or wish.matches(change):
            return change

        try:
            finish(change)
        except BillingError:
            if rows.fresh(change.id).state != "open":
                continue  # it came to nothing, and is out of the way

            if kinds.waits(wish.kind):
                rows.put_aside(subscription, wish)

            raise


def perform(change: SubscriptionChange) -> SubscriptionChange:
    """Ask Stripe for what an intent says and close it; a closed one is left as it is."""
    if change.state != "open":
        return change

    try:
        outcome = kinds.performer(change.kind)(change, Calls(change))
    except (CardDeclinedError, StripeRejectedError, ChangeRefusedError) as error:
        if _is_promised(change, error):
            rows.take_other_keys(change)
        else:
            with contextlib.suppress(StripeError):
                close(change, Outcome("failed", reason=error.code or "refused"))

        raise
    except StripeUnreachableError as error:
        _leave_replayed_answer(change, error)
        raise

    return close(change, outcome)


def finish(change: SubscriptionChange) -> SubscriptionChange:
    """Bring an intent to its end that another request left open.

    What charges is not asked for again, as nobody waits for it any more: Stripe is asked
    whether it happened.

    :raises ChangeUnderWayError: while the request may still be on its way.
    """
    if not kinds.charges(change.kind):
        return perform(change)

    try:
        happened = _what_happened(change)
    except CardDeclinedError as error:
        return close(change, Outcome("failed", reason=error.code or "refused"))

    if happened is not None:
        return close(change, happened)

    if rows.age(change) < SETTLED_AFTER:
        raise ChangeUnderWayError

    return close(change, Outcome("failed", reason="never_arrived"))


def finish_open(*, limit: int = 100, min_age: dt.timedelta = dt.timedelta(minutes=1)) -> int:
    """Finish the intents that crashes and outages left open, oldest first.

    :param min_age: leaves younger ones to the request that is at work on them.
    :returns: how many are closed now.
    """
    closed = 0
    asked_before = clock.wall() - min_age

    for row_id in rows.open_since(asked_before, limit):
        closed += _try_to_finish(row_id)

    for row_id in rows.come_up(limit):
        closed += _try_to_finish(row_id)

    return closed


def _try_to_finish(row_id: int) -> bool:
    try:
        return finish(rows.fresh(row_id)).state != "open"
    except BillingError as error:  # the next one may still be possible
        # Stripe's own text may quote what a customer wrote.
        reason = error.code if isinstance(error, StripeRejectedError) else error
        log.warning("Change %s of a subscription is not finished yet: %s", row_id, reason)
        return False


def _what_happened(change: SubscriptionChange) -> Outcome | None:
    """What became of a change that charges, as Stripe has it; None where it never arrived."""
    look = kinds.looker(change.kind)

    if look is not None:
        return look(change, Calls(change))

    subscription = rows.refreshed(change)

    if _has_happened(subscription, change):
        return Outcome("done")

    return Outcome("pending") if subscription.pending_until is not None else None


def _has_happened(subscription: Subscription, change: SubscriptionChange) -> bool:
    wanted = (change.to_plan, change.to_interval, change.quantity)
    has = (subscription.plan, subscription.interval, subscription.quantity)
    still_on_trial = subscription.status == "trialing" and (change.request or {}).get("trial_end")
    return has == wanted and not still_on_trial


def _leave_replayed_answer(change: SubscriptionChange, error: StripeUnreachableError) -> None:
    """Take other keys where ours are stuck with a server error, for what charges nothing."""
    answered = error.status is not None and error.status >= 500

    if not answered or kinds.charges(change.kind):
        return

    if rows.age(change) >= REPLAYED_FROM:
        rows.take_other_keys(change)


def _is_promised(change: SubscriptionChange, error: BillingError) -> bool:
    """Whether a customer was told that it is done whatever Stripe says, and it still can be."""
    refused = isinstance(error, StripeRejectedError) and not isinstance(error, StripeNotFoundError)
    return refused and kinds.waits(change.kind)
