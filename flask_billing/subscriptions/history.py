"""Everything that happened to a customer's plans, the newest first."""

from __future__ import annotations

import collections.abc as c
import dataclasses
import datetime as dt

import sqlalchemy as sa

from ..models import Customer, Subscription, SubscriptionChange
from ..owners import id_of
from ..state import state


@dataclasses.dataclass(frozen=True)
class Entry:
    """One change of a plan.

    :param kind: ``start``, or the change's kind; see :data:`.kinds.KINDS` and
        :mod:`flask_billing.sync.changes`.
    :param state: open, pending, done, undone or failed.
    :param at: when it was asked for, in business time.
    :param effective_at: from when on it holds, or would have.
    :param amount: minor units charged with it; None where nothing was, or it is not known.
    :param reason: the customer's reason, or the code of a refusal.
    :param actor: who asked; None for the customer at the checkout.
    """

    kind: str
    state: str
    at: dt.datetime
    from_plan: str | None = None
    from_interval: str | None = None
    from_quantity: int | None = None
    to_plan: str | None = None
    to_interval: str | None = None
    quantity: int | None = None
    effective_at: dt.datetime | None = None
    amount: int | None = None
    currency: str | None = None
    reason: str | None = None
    feedback: str | None = None
    actor: str | None = None


def history(customer: Customer) -> list[Entry]:
    """The changes of all the customer's subscriptions, and when each started."""
    session = state().db.session
    changes: c.Sequence[SubscriptionChange] = session.scalars(
        sa.select(SubscriptionChange)
        .where(SubscriptionChange.customer_id == id_of(customer))
        .order_by(SubscriptionChange.created_at, SubscriptionChange.id)
        .execution_options(populate_existing=True)
    ).all()
    subscriptions: c.Sequence[Subscription] = session.scalars(
        sa.select(Subscription)
        .where(Subscription.customer_id == customer.id)
        .execution_options(populate_existing=True)
    ).all()
    started = [_start(found, changes) for found in subscriptions if found.started_at is not None]
    entries = [*started, *map(_entry, changes)]
    entries.reverse()  # so that of the same second the later one stays first
    return sorted(entries, key=lambda entry: entry.at, reverse=True)


def _entry(change: SubscriptionChange) -> Entry:
    return Entry(
        kind=change.kind,
        state=change.state,
        at=change.created_at,
        from_plan=change.from_plan,
        from_interval=change.from_interval,
        from_quantity=change.from_quantity,
        to_plan=change.to_plan,
        to_interval=change.to_interval,
        quantity=change.quantity,
        effective_at=change.effective_at,
        amount=change.amount,
        currency=change.currency,
        reason=change.reason,
        feedback=change.feedback,
        actor=change.actor,
    )


def _start(subscription: Subscription, changes: c.Iterable[SubscriptionChange]) -> Entry:
    """How a subscription began: what its first change says it was, or what it is."""
    assert subscription.started_at is not None
    first = next((change for change in changes if change.subscription_id == subscription.id), None)
    is_now = (subscription.plan or subscription.last_plan, subscription.interval)
    plan, interval = (first.from_plan, first.from_interval) if first is not None else is_now
    quantity = first.from_quantity if first is not None else subscription.quantity
    return Entry(
        kind="trial" if subscription.trial_start is not None else "start",
        state="failed" if subscription.status == "incomplete_expired" else "done",
        at=subscription.started_at,
        to_plan=plan,
        to_interval=interval,
        quantity=quantity,
        effective_at=subscription.started_at,
        currency=subscription.currency,
    )
