"""Tickets that order fetches of Stripe objects."""

from __future__ import annotations

import collections.abc as c
import functools

import sqlalchemy as sa
from sqlalchemy.sql.dml import ReturningInsert

from ..database import insert_for
from ..models import SyncTicket
from ..prepared import Prepared


def draw(connection: sa.Connection, object_ids: c.Collection[str]) -> dict[str, int]:
    """Draw a ticket for each object. Commit before fetching, so that later ones are higher."""
    ordered = sorted(set(object_ids))  # one order everywhere, so that two drawers never deadlock

    if not ordered:
        return {}

    statement = _statement(connection.dialect, len(ordered))
    drawn = statement.rows(connection, {f"id_{n}": value for n, value in enumerate(ordered)})
    return {row["object_id"]: row["ticket"] for row in drawn}


def go_on_from(connection: sa.Connection, object_id: str, ticket: int) -> None:
    """Let the tickets of an object begin above those of another that its row stood for before."""
    statement = insert_for(connection.dialect.name, SyncTicket).values(
        object_id=object_id, ticket=ticket
    )
    higher = sa.case(
        (SyncTicket.ticket < statement.excluded.ticket, statement.excluded.ticket),
        else_=SyncTicket.ticket,
    )
    connection.execute(
        statement.on_conflict_do_update(index_elements=["object_id"], set_={"ticket": higher})
    )


@functools.lru_cache(maxsize=16)
def _statement(dialect: sa.Dialect, count: int) -> Prepared:
    return Prepared(insert(dialect, count), dialect)


def insert(dialect: sa.Dialect, count: int) -> ReturningInsert[str, int]:
    """The statement that draws, with parameters ``id_0`` and on, to be part of another."""
    rows = [{"object_id": sa.bindparam(f"id_{n}"), "ticket": sa.text("1")} for n in range(count)]
    return (
        insert_for(dialect.name, SyncTicket)
        .values(rows)
        .on_conflict_do_update(index_elements=["object_id"], set_={"ticket": SyncTicket.ticket + 1})
        .returning(SyncTicket.object_id, SyncTicket.ticket)
    )
