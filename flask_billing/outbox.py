"""Signals and mails waiting to leave, written with the change that caused them.

A row is written in the transaction of its cause and leaves after the commit: at once by
:func:`drain`, and again by a job for what a crash left behind. So each leaves at least once,
and a dedupe key keeps two deliveries of one cause from writing two rows.
"""

from __future__ import annotations

import collections.abc as c
import datetime as dt
import functools
import logging
import typing as t

import sqlalchemy as sa

from . import clock
from .database import insert_for, transaction
from .models import Outbox
from .prepared import Prepared
from .signals import NAMES, signal
from .state import state
from .writes import Writes

log = logging.getLogger("flask_billing.outbox")

_COLUMNS: t.Final = (
    "kind", "name", "dedupe_key", "customer_id", "body", "state", "attempts", "created_at",
    "sent_at",
)  # fmt: skip

#: Times a listener may fail before its row is given up.
MAX_ATTEMPTS = 12


class Written(t.NamedTuple):
    """A row that is in the outbox now."""

    id: int
    kind: str
    name: str
    values: dict[str, object]


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


def write(connection: sa.Connection, rows: c.Sequence[dict[str, object]]) -> list[Written]:
    """Write rows in one statement; those whose dedupe key exists are dropped.

    :returns: what was written, to :func:`dispatch` after the commit.
    """
    return write_last(Writes(connection), rows)


def write_last(writes: Writes, rows: c.Sequence[dict[str, object]]) -> list[Written]:
    """Send writes with their rows as the last of them."""
    if not rows:
        writes.send()
        return []

    rows = [_heard_by_nobody(row) or row for row in rows]
    statement = _insert_statement(writes.connection.dialect, len(rows))
    numbered = {f"{name}_{n}": row[name] for n, row in enumerate(rows) for name in _COLUMNS}
    ids = {row["dedupe_key"]: row["id"] for row in writes.send(statement, numbered)}
    return [
        Written(ids[key], t.cast("str", row["kind"]), t.cast("str", row["name"]), row)
        for row in rows
        if (key := t.cast("str", row["dedupe_key"])) in ids
    ]


def dispatch(written: c.Sequence[Written]) -> None:
    """Send signals just committed and mark them sent in one statement.

    What a crash keeps from leaving here is found waiting by :func:`drain`.
    """
    sent = []

    for row in written:
        if row.kind != "signal" or row.values["state"] == "sent":
            continue

        customer_id = t.cast("int | None", row.values["customer_id"])
        body = t.cast("dict[str, t.Any]", row.values["body"])
        failure = _send(row.id, row.name, customer_id, body)

        if failure is None:
            sent.append(row.id)
        else:
            _mark([row.id], retry_values(failure, 1))

    if sent:
        _mark(sent, {"state": "sent", "sent_at": clock.wall()})


def drain(*, limit: int = 100, min_age: dt.timedelta = dt.timedelta(seconds=30)) -> int:
    """Send the signals that a crash or a failing listener left waiting, oldest first.

    :param min_age: leaves younger rows to the process that wrote them and is about to send them.
    :returns: how many left.
    """
    sent = 0

    with transaction() as connection:
        rows = connection.execute(_waiting(clock.wall() - min_age).limit(limit)).all()

    for row in rows:
        failure = _send(row.id, row.name, row.customer_id, row.body)
        values = (
            retry_values(failure, row.attempts + 1)
            if failure
            else {"state": "sent", "sent_at": clock.wall(), "error": None}
        )
        _mark([row.id], values)
        sent += failure is None

    return sent


def given_up(*, limit: int = 50) -> c.Sequence[Outbox]:
    """The signals and mails that were given up after many attempts, newest first."""
    statement = sa.select(Outbox).where(Outbox.state == "dead").order_by(Outbox.id.desc())
    found: c.Sequence[Outbox] = state().db.session.scalars(statement.limit(limit)).all()
    return found


def revive() -> int:
    """Let what was given up be tried again by the jobs; how many signals and mails it is."""
    with transaction() as connection:
        revived = connection.execute(
            sa.update(Outbox)
            .where(Outbox.state == "dead")
            .values(state="waiting", attempts=0, next_attempt_at=None)
        )
        return revived.rowcount


def _heard_by_nobody(row: dict[str, object]) -> dict[str, object] | None:
    """A signal without listeners as sent: there is nothing to wait for, nor to mark later."""
    if row["kind"] != "signal":
        return None

    name = t.cast("str", row["name"])
    current = state()

    if current.hooks.listeners.get(name) or signal(name).has_receivers_for(current.app):
        return None

    return {**row, "state": "sent", "sent_at": clock.wall()}


@functools.lru_cache(maxsize=64)
def _insert_statement(dialect: sa.Dialect, count: int) -> Prepared:
    types = {name: Outbox.__table__.c[name].type for name in _COLUMNS}
    statement = (
        insert_for(dialect.name, Outbox)
        .values(
            [
                {name: sa.bindparam(f"{name}_{n}", type_=types[name]) for name in _COLUMNS}
                for n in range(count)
            ]
        )
        .on_conflict_do_nothing(index_elements=["dedupe_key"])
        .returning(Outbox.id, Outbox.dedupe_key)
    )
    return Prepared(statement, dialect)


def _waiting(
    written_before: dt.datetime,
) -> sa.Select[tuple[int, str, int | None, dict[str, t.Any], int]]:
    due = sa.or_(Outbox.next_attempt_at.is_(None), Outbox.next_attempt_at <= clock.wall())
    return (
        sa.select(Outbox.id, Outbox.name, Outbox.customer_id, Outbox.body, Outbox.attempts)
        .where(
            Outbox.state == "waiting",
            Outbox.kind == "signal",
            Outbox.created_at <= written_before,
            due,
        )
        .order_by(Outbox.id)
    )


def _send(
    row_id: int, name: str, customer_id: int | None, body: dict[str, t.Any]
) -> Exception | None:
    current = state()

    try:
        for listener in current.hooks.listeners.get(name, ()):
            listener(current.app, customer_id=customer_id, transition=row_id, **body)

        signal(name).send(current.app, customer_id=customer_id, transition=row_id, **body)
    except Exception as error:  # a host's listener may raise anything; the row must stay
        log.exception("A listener of %s failed; it is tried again", name)
        return error

    return None


def _mark(row_ids: list[int], values: dict[str, object]) -> None:
    with transaction() as connection:
        connection.execute(sa.update(Outbox).where(Outbox.id.in_(row_ids)).values(**values))


def retry_values(error: Exception, attempts: int) -> dict[str, object]:
    """The columns of a row that did not leave: when it is tried again, or that it never is."""
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
        "sent_at": None,
    }
