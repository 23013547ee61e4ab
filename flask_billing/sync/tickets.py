"""Tickets that order fetches of Stripe objects."""

from __future__ import annotations

import collections.abc as c
import functools

import sqlalchemy as sa

from ..database import insert_for
from ..models import SyncTicket


def draw(connection: sa.Connection, object_ids: c.Collection[str]) -> dict[str, int]:
    """Draw a ticket for each object. Commit before fetching, so that later ones are higher."""
    ordered = sorted(set(object_ids))  # one order everywhere, so that two drawers never deadlock

    if not ordered:
        return {}

    parameters = [{"object_id": object_id, "ticket": 1} for object_id in ordered]
    drawn = connection.execute(_statement(connection.dialect.name), parameters)
    return {object_id: ticket for object_id, ticket in drawn}


@functools.cache
def _statement(dialect: str) -> sa.Executable:
    return (
        insert_for(dialect, SyncTicket)
        .on_conflict_do_update(index_elements=["object_id"], set_={"ticket": SyncTicket.ticket + 1})
        .returning(SyncTicket.object_id, SyncTicket.ticket)
    )
