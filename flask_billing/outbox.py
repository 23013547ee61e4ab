"""Signals and mails waiting to leave, written with the change that caused them.

A row is written in the transaction of its cause and leaves after the commit: at once by
:func:`drain`, and again by a job for what a crash left behind. So each leaves at least once,
and a dedupe key keeps two deliveries of one cause from writing two rows.
"""

from __future__ import annotations

import collections.abc as c
import datetime as dt
import logging
import typing as t

import sqlalchemy as sa

from . import clock
from .database import insert, transaction
from .models import Outbox
from .signals import NAMES, signal
from .state import state

log = logging.getLogger("flask_billing.outbox")

#: Times a listener may fail before its row is given up.
MAX_ATTEMPTS = 12


def announce(
    connection: sa.Connection,
    name: str,
    *,
    customer_id: int | None,
    key: str,
    body: c.Mapping[str, object] | None = None,
) -> None:
    """Write a signal to the outbox, once per ``key``.

    :param name: one of :data:`flask_billing.signals.NAMES`.
    """
    write(connection, [signal_row(name, customer_id=customer_id, key=key, body=body)])


def signal_row(
    name: str,
    *,
    customer_id: int | None,
    key: str,
    body: c.Mapping[str, object] | None = None,
) -> dict[str, object]:
    """An outbox row for a signal."""
    assert name in NAMES, name
    return _row("signal", name, customer_id, f"signal:{name}:{key}", body)


def mail_row(
    name: str,
    *,
    customer_id: int | None,
    key: str,
    body: c.Mapping[str, object] | None = None,
) -> dict[str, object]:
    """An outbox row for a mail; ``name`` is its template."""
    return _row("mail", name, customer_id, f"mail:{name}:{key}", body)


def write(connection: sa.Connection, rows: c.Sequence[dict[str, object]]) -> None:
    """Write rows in one statement; those whose dedupe key exists are dropped."""
    if rows:
        connection.execute(
            insert(connection, Outbox)
            .values(list(rows))
            .on_conflict_do_nothing(index_elements=["dedupe_key"])
        )


def drain(limit: int = 100) -> int:
    """Send the waiting signals, oldest first. Returns how many left."""
    sent = 0

    with transaction() as connection:
        rows = connection.execute(
            sa.select(Outbox.id, Outbox.name, Outbox.customer_id, Outbox.body, Outbox.attempts)
            .where(
                Outbox.state == "waiting",
                Outbox.kind == "signal",
                sa.or_(Outbox.next_attempt_at.is_(None), Outbox.next_attempt_at <= clock.wall()),
            )
            .order_by(Outbox.id)
            .limit(limit)
        ).all()

    for row in rows:
        sent += _send(row.id, row.name, row.customer_id, row.body, row.attempts)

    return sent


def _send(
    row_id: int, name: str, customer_id: int | None, body: dict[str, t.Any], attempts: int
) -> bool:
    values: dict[str, object] = {"state": "sent", "sent_at": clock.wall(), "error": None}

    try:
        signal(name).send(state().app, customer_id=customer_id, transition=row_id, **body)
    except Exception as error:  # a host's listener may raise anything; the row must stay
        log.exception("A listener of %s failed; it is tried again", name)
        values = _failed(error, attempts + 1)

    with transaction() as connection:
        connection.execute(sa.update(Outbox).where(Outbox.id == row_id).values(**values))

    return values["state"] == "sent"


def _failed(error: Exception, attempts: int) -> dict[str, object]:
    delay = dt.timedelta(seconds=min(3600, 15 * 2**attempts))
    return {
        "state": "dead" if attempts >= MAX_ATTEMPTS else "waiting",
        "attempts": attempts,
        "error": f"{type(error).__name__}: {error}",
        "next_attempt_at": clock.wall() + delay,
    }


def _row(
    kind: str,
    name: str,
    customer_id: int | None,
    key: str,
    body: c.Mapping[str, object] | None,
) -> dict[str, object]:
    return {
        "kind": kind,
        "name": name,
        "dedupe_key": key,
        "customer_id": customer_id,
        "body": dict(body or {}),
        "state": "waiting",
        "attempts": 0,
        "created_at": clock.wall(),
    }
