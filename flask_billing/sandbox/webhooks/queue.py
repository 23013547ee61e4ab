"""The queue of deliveries: what waits, who sends it, how it went."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Container
from dataclasses import dataclass
from datetime import UTC, datetime

from flask_billing.sandbox import clock
from flask_billing.sandbox.store import Store

_LEASE_SECONDS = 60


@dataclass(frozen=True)
class Delivery:
    """One line of the delivery log.

    ``state`` is pending, sending, delivered, failed or dropped; ``status`` the receiver's answer,
    0 if there was none; ``at`` wall time.
    """

    event: str
    type: str
    endpoint: str
    url: str
    state: str
    attempts: int
    status: int | None
    at: datetime | None


@dataclass(frozen=True)
class Waiting:
    """A delivery this process took to make."""

    seq: int
    event: str
    type: str
    endpoint: str
    attempts: int


class Queue:
    """Deliveries in the store, shared by all processes on it."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def claim(
        self,
        reaches: Callable[[sqlite3.Connection, str], bool],
        *,
        due_only: bool,
        but_not: Container[int] = (),
    ) -> list[Waiting]:
        """Take what waits and this process can deliver, so that nobody else does.

        ``due_only`` leaves retries until the simulated time of their appointment. What a process
        was sending when it died is taken over.
        """
        if self._is_empty():
            return []
        now = time.time()
        with self._store.transaction() as connection:
            _take_over(connection, now)
            rows = connection.execute(
                "SELECT seq, event, type, endpoint, attempts FROM deliveries"
                " WHERE state = 'pending' AND (NOT ? OR not_before <= ?) ORDER BY seq",
                (due_only, clock.read(connection)),
            ).fetchall()
            found = [Waiting(*row) for row in rows]
            reached = {
                endpoint: reaches(connection, endpoint)
                for endpoint in {one.endpoint for one in found}
            }
            mine = [one for one in found if one.seq not in but_not and reached[one.endpoint]]
            connection.executemany(
                "UPDATE deliveries SET state = 'sending', at = ?, holder = ? WHERE seq = ?",
                [(now, os.getpid(), one.seq) for one in mine],
            )
        return mine

    def _is_empty(self) -> bool:
        with self._store.reading() as connection:
            row = connection.execute(
                "SELECT 1 FROM deliveries WHERE state IN ('pending', 'sending') LIMIT 1"
            ).fetchone()
        return row is None

    def add(self, connection: sqlite3.Connection, event: str, kind: str, endpoint: str) -> None:
        """Let an event wait for an endpoint."""
        connection.execute(
            "INSERT INTO deliveries (event, type, endpoint, state) VALUES (?, ?, ?, 'pending')",
            (event, kind, endpoint),
        )

    def put_back(self, seq: int) -> None:
        """Leave a delivery to the next one who asks."""
        with self._store.transaction() as connection:
            connection.execute("UPDATE deliveries SET state = 'pending' WHERE seq = ?", (seq,))

    def try_failed_again(self) -> None:
        """Let what was given up wait again."""
        with self._store.transaction() as connection:
            connection.execute(
                "UPDATE deliveries SET state = 'pending', not_before = 0 WHERE state = 'failed'"
            )

    def finish(
        self, seq: int, state: str, attempts: int, status: int | None, not_before: int = 0
    ) -> None:
        """Write down how an attempt went; ``not_before`` is simulated time."""
        with self._store.transaction() as connection:
            connection.execute(
                "UPDATE deliveries SET state = ?, attempts = ?, status = ?, not_before = ?, at = ?"
                " WHERE seq = ?",
                (state, attempts, status, not_before, time.time(), seq),
            )

    def pending(self) -> int:
        """How many deliveries wait."""
        with self._store.reading() as connection:
            row = connection.execute(
                "SELECT count(*) FROM deliveries WHERE state IN ('pending', 'sending')"
            ).fetchone()
        return int(row[0])

    def log(self, limit: int) -> list[Delivery]:
        """The latest deliveries, newest first."""
        with self._store.reading() as connection:
            rows = connection.execute(
                "SELECT d.event, d.type, d.endpoint, coalesce(json_extract(o.body, '$.url'),"
                " json_extract(o.body, '$._.url'), ''),"
                " d.state, d.attempts, d.status, d.at FROM deliveries d"
                " LEFT JOIN objects o ON o.id = d.endpoint ORDER BY d.seq DESC LIMIT ?",
                (limit,),
            ).fetchall()
        return [_logged(*row) for row in rows]


def _logged(
    event: str,
    kind: str,
    endpoint: str,
    url: str,
    state: str,
    attempts: int,
    status: int | None,
    at: float | None,
) -> Delivery:
    moment = None if at is None else datetime.fromtimestamp(at, UTC)
    return Delivery(event, kind, endpoint, url, state, attempts, status, moment)


def _take_over(connection: sqlite3.Connection, now: float) -> None:
    """Free what nobody sends any more: its lease ran out, or its process is gone."""
    rows = connection.execute(
        "SELECT DISTINCT holder FROM deliveries WHERE state = 'sending'"
    ).fetchall()
    for (holder,) in rows:
        before = now if _is_gone(holder) else now - _LEASE_SECONDS
        connection.execute(
            "UPDATE deliveries SET state = 'pending'"
            " WHERE state = 'sending' AND holder IS ? AND at <= ?",
            (holder, before),
        )


def _is_gone(pid: int | None) -> bool:
    # Elsewhere the question whether a process lives would end it.
    if pid is None or os.name != "posix":
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False
