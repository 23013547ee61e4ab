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

    statement = _statement(connection.dialect.name, len(ordered))
    parameters = {f"id_{index}": value for index, value in enumerate(ordered)}
    return {row.object_id: row.ticket for row in connection.execute(statement, parameters)}


@functools.cache
def _statement(dialect: str, count: int) -> sa.Executable:
    return (
        insert_for(dialect, SyncTicket)
        .values([{"object_id": sa.bindparam(f"id_{index}"), "ticket": 1} for index in range(count)])
        .on_conflict_do_update(index_elements=["object_id"], set_={"ticket": SyncTicket.ticket + 1})
        .returning(SyncTicket.object_id, SyncTicket.ticket)
    )
