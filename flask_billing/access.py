"""One rule: may this customer use the product, on which plan, why, and until when.

:data:`RULES` is read by :func:`judge` in Python and by :func:`has_access` in SQL, so a page
and a query can never disagree.
"""

from __future__ import annotations

import collections.abc as c
import dataclasses
import typing as t
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy import orm

from . import clock
from .catalog import Plan
from .models import ENDED, Customer, Subscription
from .owners import id_of
from .state import state

Reason = t.Literal[
    "free", "trialing", "active", "ending", "pausing", "past_due", "grace_over", "paused",
    "incomplete", "unpaid", "canceled", "no_access",
]  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Rule:
    """What holds for subscriptions in some statuses, as far as a moment decides it too.

    :param deadline: column that access lasts until; None is no deadline.
    :param grace: config key of a span added to the deadline.
    :param before: whether the rule is for times before the deadline, or from it on.
    """

    reason: Reason
    allowed: bool
    statuses: tuple[str, ...]
    paused: bool = False
    deadline: str | None = None
    grace: str | None = None
    before: bool = True


LIVE: t.Final = ("active", "trialing")

#: The first rule that matches decides.
RULES: t.Final = (
    Rule("paused", False, ("paused",)),
    Rule("canceled", False, LIVE, deadline="cancel_at", before=False),
    Rule("pausing", True, LIVE, paused=True, deadline="pause_starts_at"),
    # Over by its date, whenever Stripe's news of it comes.
    Rule("active", True, LIVE, paused=True, deadline="pause_resumes_at", before=False),
    Rule("paused", False, LIVE, paused=True),
    Rule("ending", True, LIVE, deadline="cancel_at"),
    Rule("trialing", True, ("trialing",)),
    Rule("active", True, ("active",)),
    Rule(
        "past_due", True, ("past_due",), deadline="past_due_since", grace="BILLING_PAST_DUE_GRACE"
    ),
    Rule("grace_over", False, ("past_due",)),
    Rule("unpaid", False, ("unpaid",)),
    Rule("incomplete", False, ("incomplete",)),
    Rule("canceled", False, ENDED),
)

NEWEST_FIRST: t.Final = (Subscription.started_at.desc(), Subscription.id.desc())

#: Built once: that costs more than running it.
_OF_CUSTOMER: t.Final = (
    sa.select(Subscription)
    .where(Subscription.customer_id == sa.bindparam("customer"))
    .order_by(*NEWEST_FIRST)
    # The audit copy is long, and nobody asks for it here.
    .options(orm.defer(Subscription.snapshot))
    # Rows change beside this session, by webhooks and by our own transactions.
    .execution_options(populate_existing=True)
)

#: Reasons after which the customer simply has no subscription, and the free plan holds.
_LIKE_NONE: t.Final = ("canceled", "incomplete")


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What the rule says of one subscription."""

    allowed: bool
    reason: Reason
    until: datetime | None


@dataclasses.dataclass(frozen=True)
class Access:
    """Whether the product may be used. Truthy when it may; explains itself.

    :param plan: the plan whose limits hold; None is no plan.
    :param until: when it ends, as far as that is known (UTC).
    :param subscription: the subscription that decided, if one did.
    """

    allowed: bool
    plan: Plan | None
    reason: Reason
    until: datetime | None = None
    subscription: Subscription | None = None

    def __bool__(self) -> bool:
        return self.allowed

    @property
    def trialing(self) -> bool:
        """Whether the plan is on trial now."""
        return (
            self.allowed
            and self.subscription is not None
            and (self.subscription.status == "trialing")
        )


def judge(subscription: Subscription, now: datetime) -> Verdict:
    """Apply the rule to one subscription at a moment of business time."""
    for rule in RULES:
        if subscription.status not in rule.statuses:
            continue

        if rule.paused and subscription.pause is None:
            continue

        until = _deadline(rule, subscription)

        if rule.deadline is not None and (until is None or (now < until) is not rule.before):
            continue

        lasts = rule.before or not rule.allowed
        return Verdict(rule.allowed, rule.reason, until if lasts else None)

    return Verdict(False, "no_access", None)


def has_access(now: datetime | None = None) -> sa.ColumnElement[bool]:
    """The rule as an SQL condition on :class:`Subscription`, at ``now`` (business time)."""
    now = now or clock.now()
    whens = [(_clause(rule, now), sa.literal(rule.allowed)) for rule in RULES]
    return sa.case(*whens, else_=sa.false()).is_(sa.true())


def access_for(customer: Customer) -> Access:
    """What a customer may do now, over all their subscriptions.

    Of several live ones the plan of the highest rank counts. Without any, the catalog's free
    plan holds; where there is none, nothing does.
    """
    return decide(subscriptions_of(id_of(customer)))


def subscriptions_of(customer_id: int) -> c.Sequence[Subscription]:
    """The customer's subscriptions, newest first."""
    found: c.Sequence[Subscription] = (
        state().db.session.scalars(_OF_CUSTOMER, {"customer": customer_id}).all()
    )
    return found


def decide(subscriptions: c.Sequence[Subscription]) -> Access:
    """The access these subscriptions of one customer give. See :func:`access_for`."""
    now = clock.now()
    catalog = state().catalog
    verdicts = [(judge(subscription, now), subscription) for subscription in subscriptions]
    allowed = [pair for pair in verdicts if pair[0].allowed]

    if allowed:
        verdict, subscription = max(allowed, key=lambda pair: _rank(pair[1]))
        return Access(True, _plan(subscription), verdict.reason, verdict.until, subscription)

    free = catalog.free_plan
    blocking = [pair for pair in verdicts if pair[0].reason not in _LIKE_NONE]

    if blocking:
        verdict, subscription = blocking[0]
        return Access(False, free, verdict.reason, verdict.until, subscription)

    latest = verdicts[0][1] if verdicts else None

    if free is not None:
        return Access(True, free, "free", None, latest)

    return Access(False, None, verdicts[0][0].reason if verdicts else "no_access", None, latest)


def _plan(subscription: Subscription) -> Plan | None:
    return state().catalog.plan(subscription.plan or subscription.last_plan)


def _rank(subscription: Subscription) -> int:
    plan = _plan(subscription)
    return plan.rank if plan is not None else -1


def _grace(rule: Rule) -> timedelta:
    if rule.grace is None:
        return timedelta(0)

    grace: timedelta = state().app.config[rule.grace]
    return grace


def _deadline(rule: Rule, subscription: Subscription) -> datetime | None:
    if rule.deadline is None:
        return None

    start: datetime | None = getattr(subscription, rule.deadline)
    return None if start is None else start + _grace(rule)


def _clause(rule: Rule, now: datetime) -> sa.ColumnElement[bool]:
    conditions: list[sa.ColumnElement[bool]] = [Subscription.status.in_(rule.statuses)]

    if rule.paused:
        conditions.append(Subscription.pause.is_not(None))

    if rule.deadline is not None:
        column: sa.ColumnElement[datetime] = getattr(Subscription, rule.deadline)
        moment = now - _grace(rule)
        conditions += [column.is_not(None), column > moment if rule.before else column <= moment]

    return sa.and_(*conditions)
