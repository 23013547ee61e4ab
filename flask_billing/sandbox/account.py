"""The account one request works on: its objects, its time and the events it causes."""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from flask_billing.sandbox import outgoing, present
from flask_billing.sandbox.body import Body, dumps, loads, previous_attributes
from flask_billing.sandbox.errors import missing_object, missing_param
from flask_billing.sandbox.outgoing import Cause, Emitted
from flask_billing.sandbox.settings import Settings

__all__ = ["Account", "Cause"]

#: Payments happen in real time, whatever the test clock of their customer says.
_OFF_TEST_CLOCKS = frozenset({"payment_intent", "charge"})


class Account:
    """A unit of work on the store.

    Objects read are the same dict for the whole unit, changes are marked with `save` and written
    together, events leave in the order they were emitted. `now` is simulated time in seconds: the
    sandbox's (`wall`), or that of a test clock (`clock`) from the first object on that is bound
    to it.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        now: int,
        settings: Settings,
        public_url: str,
        cause: Cause | None = None,
    ) -> None:
        self.connection = connection
        self.now = self.wall = now
        self.clock: str | None = None
        self.settings = settings
        self.public_url = public_url
        self.cause = cause or Cause()
        self._objects: dict[str, Body] = {}
        self._new: set[str] = set()
        self._dirty: dict[str, None] = {}
        self._events: list[Emitted] = []
        self._has_clocks: bool | None = None
        #: How many deliveries wait because of this unit.
        self.queued = 0

    # objects

    def get(self, kind: str, object_id: str | None) -> Body | None:
        """The object with this id, if there is one of this kind and it was not deleted."""
        if not object_id or not isinstance(object_id, str):
            return None
        body = self._objects.get(object_id)
        if body is None:
            row = self.connection.execute(
                "SELECT body FROM objects WHERE id = ?", (object_id,)
            ).fetchone()
            if row is None:
                return None
            body = self._objects[object_id] = loads(row[0])
        if body["object"] != kind or body.get("deleted"):
            return None
        self.follow(body)
        return body

    def require(
        self, kind: str, object_id: str | None, *, param: str = "id", label: str | None = None
    ) -> Body:
        """The object with this id, or Stripe's error: 404 for a path id, 400 for a parameter."""
        if object_id is None:
            raise missing_param(param)
        body = self.get(kind, object_id)
        if body is None:
            status = 404 if param == "id" or param.endswith("!") else 400
            name = label or kind.rsplit(".", 1)[-1].replace("_", " ")
            raise missing_object(name, str(object_id), param.rstrip("!"), status)
        return body

    def anything(self, object_id: str) -> Body | None:
        """The object with this id, whatever kind it is."""
        if object_id not in self._objects:
            row = self.connection.execute(
                "SELECT body FROM objects WHERE id = ?", (object_id,)
            ).fetchone()
            if row is None:
                return None
            self._objects[object_id] = loads(row[0])
        return self._objects[object_id]

    def add(self, body: Body) -> Body:
        """Keep a new object; what is made for a customer on a test clock is bound to it too."""
        if self.clock is not None:
            if "test_clock" in body:
                body["test_clock"] = self.clock
            if body["object"] in _OFF_TEST_CLOCKS:
                body["created"] = self.wall
        self._objects[body["id"]] = body
        self._new.add(body["id"])
        self._dirty[body["id"]] = None
        return body

    def save(self, body: Body) -> Body:
        """Keep the changes of an object."""
        self._objects.setdefault(body["id"], body)
        self._dirty[body["id"]] = None
        return body

    def forget(self, body: Body) -> None:
        """Drop an object entirely."""
        self._objects.pop(body["id"], None)
        self._dirty.pop(body["id"], None)
        self._new.discard(body["id"])
        self.connection.execute("DELETE FROM objects WHERE id = ?", (body["id"],))

    def find(
        self,
        kind: str,
        *,
        customer: str | None = None,
        parent: str | None = None,
        where: Iterable[tuple[str, Any]] = (),
        newest_first: bool = False,
    ) -> list[Body]:
        """All objects of a kind; ``where`` compares JSON paths such as ``$.status``."""
        self.flush()
        conditions, values = ["kind = ?"], [kind]
        if customer is not None:
            conditions.append("customer = ?")
            values.append(customer)
        if parent is not None:
            conditions.append("parent = ?")
            values.append(parent)
        for path, value in where:
            conditions.append("json_extract(body, ?) = ?")
            values.extend((path, value))
        query = (
            f"SELECT id, body FROM objects WHERE {' AND '.join(conditions)} "  # noqa: S608
            f"ORDER BY seq {'DESC' if newest_first else 'ASC'}"
        )
        return self.loaded(self.connection.execute(query, values).fetchall())

    def loaded(self, rows: Iterable[tuple[str, str]]) -> list[Body]:
        """Rows of (id, body) as objects of this unit of work."""
        found = []
        for object_id, text in rows:
            body = self._objects.get(object_id)
            if body is None:
                body = self._objects[object_id] = loads(text)
            if not body.get("deleted"):
                found.append(body)
        return found

    def flush(self) -> None:
        """Write what is marked, so that queries see it."""
        for object_id in list(self._dirty):
            body = self._objects[object_id]
            parent = present.parent_of(body)
            customer = body.get("customer")
            if object_id in self._new:
                self.connection.execute(
                    "INSERT INTO objects (id, kind, created, customer, parent, body)"
                    " VALUES (?, ?, ?, ?, ?, ?)",
                    (
                        object_id,
                        body["object"],
                        body.get("created", self.now),
                        customer,
                        parent,
                        dumps(body),
                    ),
                )
            else:
                self.connection.execute(
                    "UPDATE objects SET customer = ?, parent = ?, body = ? WHERE id = ?",
                    (customer, parent, dumps(body), object_id),
                )
        self._dirty.clear()
        self._new.clear()

    # time

    @property
    def has_clocks(self) -> bool:
        """Is there any test clock?"""
        if self._has_clocks is None:
            row = self.connection.execute(
                "SELECT 1 FROM objects WHERE kind = 'test_helpers.test_clock' LIMIT 1"
            ).fetchone()
            self._has_clocks = row is not None
        return self._has_clocks

    def follow(self, body: Body) -> None:
        """Work at the time of the test clock that an object or its customer is bound to."""
        if self.clock is not None or not self.has_clocks:
            return
        bound = body.get("test_clock")
        if bound is None and isinstance(body.get("customer"), str):
            bound = (self.anything(body["customer"]) or {}).get("test_clock")
        if bound is not None and (test_clock := self.anything(bound)) is not None:
            self.clock, self.now = bound, test_clock["frozen_time"]

    @contextmanager
    def at_clock(self, test_clock: Body | None) -> Iterator[None]:
        """Inside, it is the time of a test clock, or with None the sandbox's own."""
        before = self.clock, self.now
        self.clock, self.now = None, self.wall
        if test_clock is not None:
            self.clock, self.now = test_clock["id"], test_clock["frozen_time"]
        try:
            yield
        finally:
            self.clock, self.now = before

    # events

    def show(self, body: Body) -> Body:
        """The object as the API shows it."""
        return present.shown(self, body)

    def emit(
        self, event_type: str, body: Body, previous: Body | None = None, *, at: int | None = None
    ) -> None:
        """Record an event with the object as it is now; ``at`` is an earlier `mark`."""
        self.emit_shown(event_type, self.show(body), previous, at=at)

    def emit_shown(
        self, event_type: str, shown: Body, previous: Body | None = None, *, at: int | None = None
    ) -> None:
        """Record an event whose object is already as the API shows it."""
        self._emit_text(event_type, dumps(shown), previous, at)

    def _emit_text(self, event_type: str, text: str, previous: Body | None, at: int | None) -> None:
        event = Emitted(event_type, text, previous, self.wall, self.cause)
        if at is None:
            self._events.append(event)
        else:
            self._events.insert(at, event)

    def mark(self) -> int:
        """The present place in the order of events."""
        return len(self._events)

    @contextmanager
    def changing(self, body: Body, event: str, *, at: int | None = None) -> Iterator[Body]:
        """Change an object inside, and emit ``event`` with what it was if anything changed."""
        before = dumps(self.show(body))
        yield body
        self.save(body)
        shown = self.show(body)
        after = dumps(shown)
        if after != before:
            self._emit_text(event, after, previous_attributes(loads(before), shown), at)

    @contextmanager
    def automatic(self) -> Iterator[None]:
        """Events inside are caused by no request."""
        cause, self.cause = self.cause, Cause()
        try:
            yield
        finally:
            self.cause = cause

    # what falls due

    def schedule(self, at: int, task: str, object_id: str) -> None:
        """Let ``task`` run on an object at a simulated time, instead of an earlier appointment."""
        self.connection.execute(
            "INSERT OR REPLACE INTO due (at, task, object, clock) VALUES (?, ?, ?, ?)",
            (at, task, object_id, self.clock),
        )

    def unschedule(self, task: str, object_id: str) -> None:
        """Cancel an appointment."""
        self.connection.execute("DELETE FROM due WHERE task = ? AND object = ?", (task, object_id))

    # the end of the unit

    def finish(self) -> int:
        """Write objects and events, and queue the events' deliveries; how many were queued."""
        self.flush()
        if self._events:
            self.queued += outgoing.queue(self, self._events)
            self._events.clear()
        return self.queued
