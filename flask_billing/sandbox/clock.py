"""Simulated time: it follows the wall clock from wherever it was set, or stands still."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from flask_billing.sandbox.errors import SandboxError

if TYPE_CHECKING:
    from flask_billing.sandbox.engine_room import EngineRoom

_SET = "INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)"


def read(connection: sqlite3.Connection) -> int:
    """The simulated time in epoch seconds."""
    rows = dict(
        connection.execute("SELECT name, value FROM meta WHERE name IN ('frozen', 'offset')")
    )
    if "frozen" in rows:
        return int(rows["frozen"])
    return int(time.time() + float(rows.get("offset", 0)))


def is_frozen(connection: sqlite3.Connection) -> bool:
    """Does the clock stand still?"""
    row = connection.execute("SELECT 1 FROM meta WHERE name = 'frozen'").fetchone()
    return row is not None


def write(connection: sqlite3.Connection, moment: int, *, frozen: bool) -> None:
    """Set the clock; it goes on from there unless it is frozen."""
    if frozen:
        connection.execute(_SET, ("frozen", str(moment)))
        return
    connection.execute("DELETE FROM meta WHERE name = 'frozen'")
    connection.execute(_SET, ("offset", repr(moment - time.time())))


class Clock:
    """The handle on simulated time: `sandbox.clock`."""

    def __init__(self, room: EngineRoom, after: Callable[[], None]) -> None:
        self._room = room
        self._after = after

    def now(self) -> datetime:
        """The simulated time, in UTC."""
        with self._room.store.reading() as connection:
            return datetime.fromtimestamp(read(connection), UTC)

    def advance(
        self,
        *,
        to: datetime | None = None,
        days: float = 0,
        hours: float = 0,
        minutes: float = 0,
        seconds: float = 0,
    ) -> datetime:
        """Move forward; renewals, trial ends and retries happen on the way, at their time.

        Returns the new time. Moving back raises `SandboxError`.
        """
        step = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
        with self._room.store.transaction() as connection:
            start = read(connection)
        target = int(to.timestamp()) if to is not None else start + int(step.total_seconds())
        if target < start:
            raise SandboxError("The sandbox's clock only moves forward. Nothing was changed.")
        self._room.catch_up(target, moving=True)
        self._after()
        return datetime.fromtimestamp(target, UTC)

    def freeze(self, at: datetime | None = None) -> None:
        """Let time stand still, at a later moment if one is given."""
        if at is not None:
            self.advance(to=at)
        with self._room.store.transaction() as connection:
            write(connection, read(connection), frozen=True)

    def follow(self) -> None:
        """Let time go on from where it stands."""
        with self._room.store.transaction() as connection:
            write(connection, read(connection), frozen=False)

    def set(self, at: datetime, *, frozen: bool = True) -> None:
        """Set a fresh sandbox's clock to any moment, the past included."""
        with self._room.store.transaction() as connection:
            if connection.execute("SELECT 1 FROM objects LIMIT 1").fetchone():
                raise SandboxError(
                    "The clock can only be set while the sandbox is empty; use advance(). "
                    "Nothing was changed."
                )
            write(connection, int(at.timestamp()), frozen=frozen)
