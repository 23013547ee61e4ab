"""Downgrades that made way for an upgrade which came to nothing: they are scheduled again.

Else who had asked for less would go on paying for more.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import typing as t

import sqlalchemy as sa
from sqlalchemy import orm

from .. import clock
from ..database import transaction
from ..errors import BillingError
from ..models import Subscription, SubscriptionChange
from . import intent_rows, intents
from .calls import Outcome
from .closing import close
from .wish import Wish

#: How long ago an upgrade may have failed: a job that comes later surprises.
_RECENTLY: t.Final = dt.timedelta(days=2)


def schedule_again(subscription: Subscription, replaced: SubscriptionChange | None) -> None:
    """Put back the downgrade that had to make way for an upgrade which was then declined."""
    if replaced is None or replaced.kind != "downgrade" or replaced.request is None:
        return

    with contextlib.suppress(BillingError):
        intents.carry_out(subscription, _wish(replaced))


def put_back(*, limit: int = 100) -> int:
    """Put back those that made way for an upgrade which the bank was never told to pay.

    A card that is declined is answered at once. A bank that is asked forgets it after a day, when
    nobody is there any more. Whoever chose something else since has that. A job calls it.

    :returns: how many are scheduled again.
    """
    made = 0

    for replaced_id, failed_id in _given_up(limit):
        with contextlib.suppress(BillingError):
            made += _put_back(intent_rows.fresh(replaced_id), failed_id)

    return made


def _put_back(replaced: SubscriptionChange, failed_id: int) -> bool:
    subscription = intent_rows.subscription_of(replaced)
    change = intents.begin(subscription, _wish(replaced))

    # While ours is open nobody begins another one, but somebody may have a moment ago.
    if _others_since(replaced, failed_id, change.id):
        close(change, Outcome("failed", reason="stale_change"))
        return False

    return intents.perform(change).state == "pending"


def _wish(replaced: SubscriptionChange) -> Wish:
    return Wish(
        "downgrade",
        request=replaced.request or {},
        to_plan=replaced.to_plan,
        to_interval=replaced.to_interval,
        quantity=replaced.quantity,
        effective_at=replaced.effective_at,
        currency=replaced.currency,
        reason=replaced.reason,
        feedback=replaced.feedback,
        actor=replaced.actor,
    )


def _given_up(limit: int) -> list[tuple[int, int]]:
    """Ids of the downgrades to put back, and of the upgrades that took their place."""
    replaced, failed, other = (orm.aliased(SubscriptionChange) for _ in range(3))
    others = sa.exists().where(
        other.subscription_id == replaced.subscription_id,
        other.id > replaced.id,
        other.id != failed.id,
    )
    statement = (
        sa.select(replaced.id, failed.id)
        .join(failed, failed.subscription_id == replaced.subscription_id)
        .where(
            replaced.kind == "downgrade",
            replaced.state == "undone",
            replaced.effective_at > clock.now(),
            replaced.finished_at >= failed.created_at,
            failed.id > replaced.id,
            failed.kind == "upgrade",
            failed.state == "failed",
            failed.finished_at > clock.now() - _RECENTLY,
            ~others,
        )
        .order_by(failed.id)
        .limit(limit)
    )

    with transaction() as connection:
        return [(row[0], row[1]) for row in connection.execute(statement)]


def _others_since(replaced: SubscriptionChange, *ours: int) -> bool:
    statement = sa.select(SubscriptionChange.id).where(
        SubscriptionChange.subscription_id == replaced.subscription_id,
        SubscriptionChange.id > replaced.id,
        SubscriptionChange.id.not_in(ours),
    )

    with transaction() as connection:
        return connection.execute(statement.limit(1)).first() is not None
