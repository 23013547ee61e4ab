"""Units of work: the one place that opens transactions, reads the clock and catches up."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from flask_billing.sandbox import clock, timeline
from flask_billing.sandbox.account import Account, Cause
from flask_billing.sandbox.settings import Settings
from flask_billing.sandbox.store import Store

#: How long one transaction may go on with what is due, while others wait for the store.
_TURN_SECONDS = 0.25


class EngineRoom:
    """The store with its clock and settings.

    ``on_events`` is called after a unit of work that queued deliveries was committed.
    """

    def __init__(self, store: Store, settings: Settings, public_url: str) -> None:
        self.store = store
        self.settings = settings
        self.public_url = public_url
        self.on_events: Callable[[], None] = lambda: None

    @contextmanager
    def account(self, cause: Cause | None = None) -> Iterator[Account]:
        """A unit of work at the present simulated time, with all that was due before it done."""
        self.catch_up()
        queued = 0
        with self.store.transaction() as connection:
            account = self._account(connection, clock.read(connection), cause)
            yield account
            queued = account.finish()
        if queued:
            self.on_events()

    def _account(
        self, connection: sqlite3.Connection, now: int, cause: Cause | None = None
    ) -> Account:
        return Account(connection, now, self.settings, self.public_url, cause)

    def catch_up(self, target: int | None = None, *, moving: bool = False) -> None:
        """Run what is due up to a time, moment by moment; ``moving`` sets the clock on the way."""
        queued = 0
        while moving or self._is_behind(target):
            with self.store.transaction() as connection:
                until = clock.read(connection) if target is None else target
                account = self._account(connection, until)
                reached = timeline.run(account, until, time.monotonic() + _TURN_SECONDS)
                moving = moving and reached < until
                if target is not None:
                    frozen = clock.is_frozen(connection)
                    now = max(reached, clock.read(connection))
                    clock.write(connection, now, frozen=frozen)
                queued += account.finish()
        if queued:
            self.on_events()

    def _is_behind(self, target: int | None) -> bool:
        with self.store.reading() as connection:
            until = clock.read(connection) if target is None else target
            return timeline.next_due(connection, until) is not None
