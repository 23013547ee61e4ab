"""Payloads hold names and addresses, so they are forgotten when nobody needs them any more."""

from __future__ import annotations

import datetime as dt
import typing as t

import sqlalchemy as sa

from .. import clock
from ..database import transaction
from ..models import WebhookEvent
from .storing import CLOSED

#: How long a payload is kept for replay.
KEPT_FOR: t.Final = dt.timedelta(days=90)

#: States of events that nothing processes by itself any more.
PRUNED: t.Final = (*CLOSED, "dead")


def prune(*, limit: int = 100) -> int:
    """Forget the payloads of events received long ago; the rows stay. Says how many it were.

    What failed keeps its payload until it is a dead letter.
    """
    old = (
        sa.select(WebhookEvent.id)
        .where(
            WebhookEvent.received_at < clock.wall() - KEPT_FOR,
            WebhookEvent.payload.is_not(None),
            WebhookEvent.state.in_(PRUNED),
        )
        .order_by(WebhookEvent.id)
        .limit(limit)
    )

    with transaction() as connection:
        pruned = connection.execute(
            sa.update(WebhookEvent)
            .where(WebhookEvent.id.in_(old.scalar_subquery()))
            .values(payload=None)
        )
        return pruned.rowcount
