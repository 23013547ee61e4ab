"""When a change takes effect, and what keeps a plan from being changed at all.

What gives more begins now and is paid for now; what gives less begins when what is paid for is
used up. Where a change does both, the plan's rank decides before the interval, and the interval
before the seats; whoever wants the one part at once can ask for it alone first.
"""

from __future__ import annotations

import typing as t

from ..errors import ChangeRefusedError
from ..models import Subscription
from . import refusals
from .target import Target, plan_of

#: What a change is: paid for and begun now; of a plan on trial, which goes on; the trial ended
#: and the plan paid for now; or begun when the period ends.
ChangeKind = t.Literal["upgrade", "switch", "end_trial", "downgrade"]
Direction = t.Literal["up", "down", "same"]

_IN_THE_WAY: t.Final[dict[str, type[ChangeRefusedError]]] = {
    "past_due": refusals.PayFirstError,
    "unpaid": refusals.PayFirstError,
    "paused": refusals.ResumeFirstError,
    "incomplete": refusals.FirstPaymentOpenError,
}


def refuse_unchangeable(subscription: Subscription) -> None:
    """Make sure that a subscription is in a state that can be changed.

    :raises ChangeRefusedError: saying what has to be done first.
    """
    in_the_way = _IN_THE_WAY.get(subscription.status)

    if in_the_way is not None:
        raise in_the_way()

    if subscription.pause is not None:
        raise refusals.ResumeFirstError

    if subscription.cancel_at is not None:
        raise refusals.KeepFirstError

    if (subscription.snapshot or {}).get("collection_method") == "send_invoice":
        raise refusals.SentInvoicesError


def kind_of(subscription: Subscription, target: Target, *, end_trial: bool = False) -> ChangeKind:
    """What kind of change it is.

    A trial goes on with another plan, unless that is a bigger one which has no trial.

    :param end_trial: whether to end a trial now and pay; nothing where there is none.
    :raises SamePlanError: where it would change nothing.
    """
    way = direction(subscription, target)

    if subscription.status == "trialing":
        bigger_without = way == "up" and _other_plan(subscription, target) and not _trials(target)

        if end_trial or bigger_without:
            return "end_trial"

    if way == "same":
        raise refusals.SamePlanError

    if subscription.status == "trialing":
        return "switch"

    return "upgrade" if way == "up" else "downgrade"


def direction(subscription: Subscription, target: Target) -> Direction:
    """Whether a target gives more or less than what is had."""
    if _other_plan(subscription, target):
        return _of_plans(subscription, target)

    if subscription.interval != target.interval:
        return "up" if target.interval == "year" else "down"

    if subscription.quantity != target.quantity:
        return "up" if target.quantity > subscription.quantity else "down"

    return "same"


def _of_plans(subscription: Subscription, target: Target) -> Direction:
    current = plan_of(subscription)

    if current is not None and current.rank != target.plan.rank:
        return "up" if target.plan.rank > current.rank else "down"

    pays = _monthly(subscription.unit_amount, subscription.interval, subscription.quantity)
    return "up" if _monthly(target.amount, target.interval, target.quantity) >= pays else "down"


def _monthly(amount: int | None, interval: str | None, quantity: int) -> int:
    """Twelfths of a minor unit a month, to compare."""
    return (amount or 0) * quantity * (1 if interval == "year" else 12)


def _other_plan(subscription: Subscription, target: Target) -> bool:
    return (subscription.plan or subscription.last_plan) != target.plan.key


def _trials(target: Target) -> bool:
    return target.plan.trial_days > 0
