"""The first step of a delivery: the event is kept and its tickets are drawn, in one commit."""

from __future__ import annotations

import datetime as dt
import functools
import typing as t

import sqlalchemy as sa

from .. import clock, stripe_objects, sync
from ..database import Insert, autocommit, insert_for, transaction
from ..models import WebhookEvent
from ..prepared import Prepared, Row
from ..stripe_objects import StripeObject
from ..writes import fit_one_statement
from .handlers import HANDLERS, Handling
from .verify import Event

#: States in which nothing is left to do.
CLOSED: t.Final = ("handled", "ignored")
#: How long a stored event may look unprocessed before the retry takes it for a crash.
CRASHED_AFTER: t.Final = dt.timedelta(minutes=2)

_COLUMNS: t.Final = (
    "stripe_id", "type", "object_id", "state", "payload", "received_at", "next_attempt_at",
)  # fmt: skip


class Stored(t.NamedTuple):
    """An event in the inbox.

    :param tickets: by object id, for what is to be fetched; none where nothing is.
    """

    id: int
    state: str
    deliveries: int
    tickets: dict[str, int]


def keep(event: Event, body: bytes, handling: Handling | None, *, deferred: bool) -> Stored:
    """Store an event, or count another delivery of it, and draw tickets if it is processed now."""
    processed = handling is not None and not deferred
    ids = fetched_ids(event, handling) if handling is not None and processed else []
    values = _values(event, body, known=handling is not None, deferred=deferred)

    if processed and fit_one_statement():
        with autocommit() as connection:
            return _at_once(connection, values, ids)

    with transaction() as connection:
        [row] = _store_statement(connection.dialect).rows(connection, values)
        stays = row["state"] in CLOSED
        return _stored(row, {} if stays else sync.draw(connection, ids))


def fetched_ids(event: Event, handling: Handling) -> list[str]:
    """The ids of the objects that processing the event fetches."""
    found: StripeObject = event["data"]["object"]
    ids = [handling.find(found)] if handling.kind else []

    if handling.kind == "paid_invoice":
        ids.append(stripe_objects.invoice_subscription(found))
    elif handling.kind == "session":
        # A session is only ever closed, so the ticket is for what it brought about.
        ids = [stripe_objects.reference(found.get("subscription"))]

    return sorted({object_id for object_id in ids if object_id})


def _values(event: Event, body: bytes, *, known: bool, deferred: bool) -> Row:
    now = clock.wall()
    return {
        "stripe_id": event["id"],
        "type": event["type"][:128],
        "object_id": _object_id(event),
        # As long as "handled", so that SQLite closes the row in place and leaves its payload alone.
        "state": "waiting" if known else "ignored",
        "payload": body.decode(),
        "received_at": now,
        "next_attempt_at": now if deferred else now + CRASHED_AFTER,
    }


def _object_id(event: Event) -> str | None:
    handling = HANDLERS.get(event["type"])
    found = event["data"]["object"]
    return (handling.find(found) if handling else None) or stripe_objects.reference(found)


def _at_once(connection: sa.Connection, values: Row, ids: list[str]) -> Stored:
    statement = _whole_statement(connection.dialect, len(ids))
    rows = statement.rows(connection, {**values, **{f"id_{n}": one for n, one in enumerate(ids)}})
    return _stored(rows[0], {row["ticket_of"]: row["ticket"] for row in rows if ids})


def _stored(row: Row, tickets: dict[str, int]) -> Stored:
    return Stored(row["id"], row["state"], row["deliveries"], tickets)


@functools.lru_cache(maxsize=16)
def _store_statement(dialect: sa.Dialect) -> Prepared:
    return Prepared(_store(dialect).returning(*_RETURNED), dialect)


@functools.lru_cache(maxsize=16)
def _whole_statement(dialect: sa.Dialect, count: int) -> Prepared:
    """Event and tickets in one statement, which PostgreSQL commits without waiting for the disk.

    Stripe is answered after a second commit. That one does wait and takes this one with it, as
    the log is written in order. Should the server crash before, the event's row is gone and
    the second commit never comes: it closes that row.
    """
    waiting = sa.func.set_config("synchronous_commit", "off", sa.true())
    stored = _store(dialect).returning(*_RETURNED, waiting.label("waiting")).cte("stored")

    if count == 0:
        return Prepared(sa.select(*stored.c), dialect)

    drawn = sync.ticket_insert(dialect, count).cte("drawn")
    statement = sa.select(
        *stored.c, drawn.c.object_id.label("ticket_of"), drawn.c.ticket
    ).select_from(stored.join(drawn, sa.true()))
    return Prepared(statement, dialect)


def _store(dialect: sa.Dialect) -> Insert:
    return (
        insert_for(dialect.name, WebhookEvent)
        .values({name: sa.bindparam(name) for name in _COLUMNS} | {"deliveries": 1, "attempts": 0})
        .on_conflict_do_update(
            index_elements=["stripe_id"], set_={"deliveries": WebhookEvent.deliveries + 1}
        )
    )


_RETURNED: t.Final = (WebhookEvent.id, WebhookEvent.state, WebhookEvent.deliveries)
