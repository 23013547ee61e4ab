"""The rows of what is wanted of subscriptions: recorded, read, put aside and taken up again."""

from __future__ import annotations

import datetime as dt
import typing as t

import sqlalchemy as sa
from sqlalchemy import orm

from .. import clock, sync
from ..database import committed, insert, reread, transaction
from ..models import Subscription, SubscriptionChange
from .wish import Wish

#: What the messages of errors call all of it.
ACTION: t.Final = "Changing a subscription"

_COLUMNS: t.Final = (
    "kind", "to_plan", "to_interval", "quantity", "effective_at", "amount", "currency",
    "quote_id", "reason", "feedback", "actor", "shown",
)  # fmt: skip


def record(subscription: Subscription, wish: Wish, state: str = "open") -> int | None:
    """Commit a wish; the id of its row, or None where another intent stands in the way."""
    values = {
        "customer_id": subscription.customer_id,
        "subscription_id": subscription.id,
        "state": state,
        "attempt": 1,
        "from_plan": subscription.plan or subscription.last_plan,
        "from_interval": subscription.interval,
        "from_quantity": subscription.quantity,
        "created_at": clock.now(),
        "asked_at": clock.wall(),
        **{name: getattr(wish, name) for name in _COLUMNS},
        "request": dict(wish.request),
    }

    with committed(ACTION) as connection:
        found: int | None = connection.execute(
            insert(connection, SubscriptionChange)
            .values(values)
            .on_conflict_do_nothing()  # one open a subscription, and one a quote
            .returning(SubscriptionChange.id)
        ).scalar_one_or_none()

    return found


def standing_in_the_way(subscription: Subscription, wish: Wish) -> SubscriptionChange | None:
    """The change that keeps a wish from being recorded: of the same quote, or open."""
    if wish.quote_id is not None:
        same = reread(
            sa.select(SubscriptionChange).where(SubscriptionChange.quote_id == wish.quote_id)
        )

        if same is not None:
            return same

    return reread(
        sa.select(SubscriptionChange).where(
            SubscriptionChange.subscription_id == subscription.id,
            SubscriptionChange.state == "open",
        )
    )


def put_aside(subscription: Subscription, wish: Wish) -> None:
    """Record what must not get lost while another change stands in its way."""
    waiting = sa.select(SubscriptionChange).where(
        SubscriptionChange.subscription_id == subscription.id,
        SubscriptionChange.kind == wish.kind,
        SubscriptionChange.state == "waiting",
    )

    if reread(waiting) is None:
        record(subscription, wish, state="waiting")


def come_up(limit: int) -> list[int]:
    """Open the changes that waited for another one, where that is closed by now."""
    other = orm.aliased(SubscriptionChange)
    in_the_way = sa.exists().where(
        other.subscription_id == SubscriptionChange.subscription_id, other.state == "open"
    )

    with transaction() as connection:
        ready = connection.execute(
            sa.select(SubscriptionChange.id)
            .where(SubscriptionChange.state == "waiting", ~in_the_way)
            .order_by(SubscriptionChange.id)
            .limit(limit)
        ).scalars()
        row_ids = list(ready)

    return [row_id for row_id in row_ids if _open(row_id)]


def open_since(asked_before: dt.datetime, limit: int) -> list[int]:
    """The intents that are open for longer, by wall time, than a request takes; oldest first."""
    with transaction() as connection:
        found = connection.execute(
            sa.select(SubscriptionChange.id)
            .where(
                SubscriptionChange.state == "open",
                SubscriptionChange.asked_at <= asked_before,
            )
            .order_by(SubscriptionChange.id)
            .limit(limit)
        ).scalars()
        return list(found)


def open_of(customer_id: int, kind: str) -> list[SubscriptionChange]:
    """The intents of a kind that are open of a customer."""
    with transaction() as connection:
        found = connection.scalars(
            sa.select(SubscriptionChange.id).where(
                SubscriptionChange.customer_id == customer_id,
                SubscriptionChange.kind == kind,
                SubscriptionChange.state == "open",
            )
        )
        row_ids = list(found)

    return [fresh(row_id) for row_id in row_ids]


def _open(row_id: int) -> bool:
    try:
        with transaction() as connection:
            opened = connection.execute(
                sa.update(SubscriptionChange)
                .where(SubscriptionChange.id == row_id, SubscriptionChange.state == "waiting")
                .values(state="open")
            )
    except sa.exc.IntegrityError:  # another one was opened since we looked
        return False

    return opened.rowcount > 0


def withdraw(subscription: Subscription, kind: str) -> bool:
    """Take back an intent of that kind before it is carried out; whether there was one."""
    with committed(ACTION) as connection:
        withdrawn = connection.execute(
            sa.update(SubscriptionChange)
            .where(
                SubscriptionChange.subscription_id == subscription.id,
                SubscriptionChange.kind == kind,
                SubscriptionChange.state.in_(("open", "waiting")),
            )
            .values(state="undone", finished_at=clock.now())
        )

    return withdrawn.rowcount > 0


def take_other_keys(change: SubscriptionChange) -> None:
    """Ask anew the next time: Stripe replays its answer to our keys for a day."""
    with committed(ACTION) as connection:
        connection.execute(
            sa.update(SubscriptionChange)
            .where(SubscriptionChange.id == change.id, SubscriptionChange.attempt == change.attempt)
            .values(attempt=change.attempt + 1)
        )


def fresh(row_id: int) -> SubscriptionChange:
    """A change as it is committed."""
    found = reread(sa.select(SubscriptionChange).where(SubscriptionChange.id == row_id))
    assert found is not None, "the row was committed before"
    return found


def age(change: SubscriptionChange) -> dt.timedelta:
    """The wall time since it was asked for."""
    assert change.asked_at is not None, "intents say when they were"
    return clock.wall() - change.asked_at


def subscription_of(change: SubscriptionChange) -> Subscription:
    """The subscription of a change, as it is committed."""
    found = reread(sa.select(Subscription).where(Subscription.id == change.subscription_id))
    assert found is not None, "changes are made of subscriptions we know"
    return found


def refreshed(change: SubscriptionChange) -> Subscription:
    """The subscription of a change, as Stripe has it now."""
    subscription = subscription_of(change)
    sync.pull("subscription", subscription.stripe_id, action=ACTION)
    return subscription_of(change)
