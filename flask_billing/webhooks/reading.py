"""The inbox, as people look at it."""

from __future__ import annotations

import collections.abc as c

import sqlalchemy as sa

from ..models import UNHANDLED, WebhookEvent
from ..state import state


def latest(*, outcome: str | None = None, limit: int = 50) -> c.Sequence[WebhookEvent]:
    """The last events received, newest first.

    :param outcome: only those in this state: waiting, handled, ignored, failed or dead.
    """
    statement = sa.select(WebhookEvent).order_by(WebhookEvent.id.desc()).limit(limit)

    if outcome is not None:
        statement = statement.where(WebhookEvent.state == outcome)

    if outcome not in (None, "handled"):
        statement = statement.where(UNHANDLED)

    found: c.Sequence[WebhookEvent] = state().db.session.scalars(statement).all()
    return found


def find(reference: str) -> WebhookEvent | None:
    """An event by its number here, or by Stripe's id (``evt_…``)."""
    chosen = WebhookEvent.stripe_id == reference

    if reference.isascii() and reference.isdecimal() and len(reference) < 19:
        chosen = WebhookEvent.id == int(reference)

    found: WebhookEvent | None = state().db.session.scalar(
        sa.select(WebhookEvent).where(chosen).execution_options(populate_existing=True)
    )
    return found
