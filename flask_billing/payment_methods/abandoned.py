"""Cards that somebody began to add and never did: forgotten, once nothing can come of them."""

from __future__ import annotations

import datetime as dt
import typing as t

import sqlalchemy as sa

from .. import clock
from ..database import transaction
from ..models import PaymentMethodChange

#: As long as Stripe tells what happened, so that the event of a card that was added finds its row.
KEPT_FOR: t.Final = dt.timedelta(days=30)
_NEVER_ADDED: t.Final = ("open", "failed")


def prune_abandoned(*, limit: int = 500) -> int:
    """Delete what is left of cards that were never added, a month later. Says how many it were."""
    old = (
        sa.select(PaymentMethodChange.id)
        .where(
            PaymentMethodChange.kind == "add",
            PaymentMethodChange.state.in_(_NEVER_ADDED),
            PaymentMethodChange.created_at < clock.wall() - KEPT_FOR,
        )
        .order_by(PaymentMethodChange.id)
        .limit(limit)
    )

    with transaction() as connection:
        pruned = connection.execute(
            sa.delete(PaymentMethodChange).where(
                PaymentMethodChange.id.in_(old.scalar_subquery()),
                PaymentMethodChange.state.in_(_NEVER_ADDED),
            )
        )
        return pruned.rowcount
