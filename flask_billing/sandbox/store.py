"""The SQLite store: objects as JSON rows, what falls due, deliveries and idempotency keys."""

import os
import sqlite3
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager

_SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    created INTEGER NOT NULL,
    customer TEXT,
    parent TEXT,
    body TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS objects_kind ON objects (kind, seq);
CREATE INDEX IF NOT EXISTS objects_customer ON objects (customer, kind, seq);
CREATE INDEX IF NOT EXISTS objects_parent ON objects (parent, kind, seq);
CREATE TABLE IF NOT EXISTS due (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    task TEXT NOT NULL,
    object TEXT NOT NULL,
    clock TEXT,
    UNIQUE (task, object)
);
CREATE INDEX IF NOT EXISTS due_clock ON due (clock, at, seq);
CREATE TABLE IF NOT EXISTS deliveries (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    event TEXT NOT NULL,
    type TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    not_before INTEGER NOT NULL DEFAULT 0,
    status INTEGER,
    at REAL,
    holder INTEGER
);
CREATE INDEX IF NOT EXISTS deliveries_state ON deliveries (state, seq);
CREATE INDEX IF NOT EXISTS deliveries_event ON deliveries (event);
CREATE TABLE IF NOT EXISTS idempotency (
    key TEXT PRIMARY KEY,
    fingerprint TEXT NOT NULL,
    created REAL NOT NULL,
    status INTEGER,
    body TEXT,
    request_id TEXT
);
CREATE INDEX IF NOT EXISTS idempotency_created ON idempotency (created);
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""

#: Columns that came later than their table.
_ADDED = (("due", "clock", "TEXT"), ("deliveries", "holder", "INTEGER"))


class Store:
    """One SQLite database behind one lock.

    Threads share the connection and take turns; processes take turns through SQLite's own write
    lock, which every transaction takes at its start. A forked child opens its own connection.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        self.path = None if path is None else os.fspath(path)
        self._lock = threading.RLock()
        self._pid = 0
        self._connection: sqlite3.Connection
        self._open()

    def _open(self) -> None:
        connection = sqlite3.connect(
            self.path or ":memory:", isolation_level=None, check_same_thread=False, timeout=30
        )
        if self.path is not None:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
        _add_columns(connection)
        connection.executescript(_SCHEMA)
        self._connection = connection
        self._pid = os.getpid()
        self._closer = weakref.finalize(self, connection.close)
        # Not when the interpreter ends: a thread that delivers may be reading from it.
        self._closer.atexit = False

    def _after_fork(self) -> None:
        if self.path is not None and self._pid != os.getpid():
            self._closer.detach()
            self._lock = threading.RLock()
            self._open()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Hold the store for one unit of work: committed at the end, rolled back on an error."""
        self._after_fork()
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Read a value without taking SQLite's write lock."""
        self._after_fork()
        with self._lock:
            yield self._connection

    def clear(self) -> None:
        """Forget everything."""
        with self.transaction() as connection:
            for table in ("objects", "due", "deliveries", "idempotency", "meta"):
                connection.execute(f"DELETE FROM {table}")  # noqa: S608 - names from above

    def close(self) -> None:
        """Close the connection; the store cannot be used any more."""
        with self._lock:
            self._closer()


def _add_columns(connection: sqlite3.Connection) -> None:
    """Bring a file of an earlier version up to date."""
    for table, column, kind in _ADDED:
        known = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
        if known and column not in known:
            connection.execute(f"ALTER TABLE {table} ADD COLUMN {column} {kind}")
