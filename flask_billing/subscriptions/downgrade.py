"""A smaller plan from the end of the period on, by a schedule at Stripe."""

from __future__ import annotations

from ..clock import from_timestamp
from ..models import Customer, SubscriptionChange
from ..row_marks import idempotency_key
from . import facts, intents, items, rules, schedules, undo
from .calls import Calls, Outcome
from .charging import path
from .current import refreshed_subscription
from .quote import refuse_foreign_schedule
from .refusals import NotADowngradeError, StaleChangeError
from .requests import said, wish_for
from .target import target_of


def downgrade(
    customer: Customer,
    plan: str | None = None,
    interval: str | None = None,
    quantity: int | None = None,
    *,
    reason: str | None = None,
    comment: str | None = None,
    actor: str | None = None,
) -> SubscriptionChange:
    """Put the customer on a smaller plan when their period ends; on trial, at once.

    Nothing is charged now, so nothing has to be quoted. What is None stays as it is.

    :param reason: why, one of Stripe's eight codes, as ``too_expensive``.
    :raises NotADowngradeError: for what would have to be paid for now.
    :raises ChangeRefusedError: where the plan cannot be changed so now.
    :raises StripeError: where Stripe did not answer; the wish is recorded and carried out
        later all the same.
    """
    subscription = refreshed_subscription(customer)
    rules.refuse_unchangeable(subscription)
    refuse_foreign_schedule(subscription.snapshot or {})
    target = target_of(subscription, plan, interval, quantity)
    kind = rules.kind_of(subscription, target)

    if rules.direction(subscription, target) != "down":
        raise NotADowngradeError

    entries = items.changed(subscription.snapshot or {}, target)
    undo.give_up_unpaid(subscription, actor=actor)
    wish = wish_for(subscription, target, kind, entries, None)
    return intents.carry_out(subscription, said(wish, reason, comment, actor))


def at_period_end(change: SubscriptionChange, calls: Calls) -> Outcome:
    """Schedule the plan that follows.

    :raises StaleChangeError: where the subscription is not what was quoted any more.
    """
    asked = change.request or {}
    subscription = calls.get(path(change))
    mark = idempotency_key(change, "schedule", 1)

    if facts.of(subscription) != asked["facts"]:
        raise StaleChangeError

    schedule, complete = schedules.attach(subscription, mark, calls)
    current = schedule["phases"][0]

    if not complete:
        following = items.phase(subscription, current["items"], asked["items"])
        schedules.put(schedule, following, asked["interval"], mark, calls)

    return Outcome(
        "pending",
        effective_at=from_timestamp(current["end_date"]),
        announce="subscription.change_scheduled",
        mail="change_scheduled",
    )
