"""The end of an intent: what came of it is written, and told."""

from __future__ import annotations

import typing as t

import sqlalchemy as sa
from sqlalchemy import orm

from .. import clock, outbox
from ..database import committed
from ..metering.sheets import forget
from ..models import Subscription, SubscriptionChange
from ..row_marks import idempotency_key
from ..sync import changes
from .calls import Outcome
from .intent_rows import ACTION, fresh, refreshed


def close(change: SubscriptionChange, outcome: Outcome) -> SubscriptionChange:
    """Write how Stripe has the subscription now, then that the intent is closed."""
    subscription = refreshed(change)

    with committed(ACTION) as connection:
        if outcome.state == "pending":
            _let_go_of_pending(connection, change)

        values = {"state": outcome.state, **outcome.columns()}

        if outcome.state != "pending":
            values["finished_at"] = clock.now()

        closed = connection.execute(
            sa.update(SubscriptionChange)
            .where(SubscriptionChange.id == change.id, SubscriptionChange.state == "open")
            .values(values)
        )
        # What it waits for may have come while it was being recorded.
        changes.settle(connection, _columns(subscription))
        rows = _announcement(change, outcome) if closed.rowcount else []
        written = outbox.write(connection, rows)

    outbox.dispatch(written)
    forget(change.customer_id)
    return fresh(change.id)


def _announcement(change: SubscriptionChange, outcome: Outcome) -> list[dict[str, object]]:
    """The signal of a change, and its mail where it has one."""
    effective_at = outcome.effective_at or change.effective_at
    body = {
        "from_plan": change.from_plan,
        "plan": change.to_plan,
        "interval": change.to_interval,
        "quantity": change.quantity,
        "effective_at": None if effective_at is None else effective_at.isoformat(),
    }
    key = idempotency_key(change, "announced", 1)
    rows = []

    if outcome.announce is not None:
        rows.append(
            outbox.signal_row(outcome.announce, customer_id=change.customer_id, key=key, body=body)
        )

    if outcome.mail is not None:
        rows.append(
            outbox.mail_row(outcome.mail, customer_id=change.customer_id, key=key, body=body)
        )

    return rows


def _let_go_of_pending(connection: sa.Connection, change: SubscriptionChange) -> None:
    """One change waits at a time: this one takes the place of the one before."""
    this = orm.aliased(SubscriptionChange)
    still_open = sa.exists().where(this.id == change.id, this.state == "open")
    connection.execute(
        sa.update(SubscriptionChange)
        .where(
            SubscriptionChange.subscription_id == change.subscription_id,
            SubscriptionChange.state == "pending",
            still_open,  # else another process closed it, and what waits now is newer
        )
        .values(state="undone", finished_at=clock.now())
    )


def _columns(subscription: Subscription) -> dict[str, t.Any]:
    return {name: getattr(subscription, name) for name in changes.READS}
