"""The handle on webhooks: endpoints, and deliveries that are held, shuffled, doubled or lost."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from flask_billing.sandbox import signing_secrets as secrets
from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.engine_room import EngineRoom
from flask_billing.sandbox.errors import SandboxError
from flask_billing.sandbox.outgoing import DESTINATION, ENDPOINT, receiver, receives
from flask_billing.sandbox.resources.event_destinations import new_event_destination
from flask_billing.sandbox.resources.webhook_endpoints import new_webhook_endpoint
from flask_billing.sandbox.webhooks.courier import Courier
from flask_billing.sandbox.webhooks.queue import Delivery, Queue
from flask_billing.sandbox.webhooks.sending import Sender

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

Order = Literal["created", "reversed", "shuffled"]


class Webhooks:
    """The handle on deliveries: `sandbox.webhooks`.

    With ``auto`` a thread delivers by itself after each answer; without it nothing leaves until
    `deliver` is called.
    """

    def __init__(self, room: EngineRoom) -> None:
        self._room = room
        self._queue = Queue(room.store)
        self._sender = Sender(room, self._queue)
        self._courier = Courier(self._deliver_due)
        self._held = False
        self._to_drop = 0
        self._auto = False

    # endpoints

    def add_endpoint(
        self,
        target: str | WSGIApplication,
        secret: str | None = None,
        enabled_events: Iterable[str] = ("*",),
        *,
        path: str = "/billing/webhooks/stripe",
        object_id: str | None = None,
        payload: Literal["snapshot", "thin"] = "snapshot",
    ) -> str:
        """Register a receiver: a URL, or a WSGI application that is called in process.

        Returns the secret that signs its deliveries. ``path`` is where a WSGI application is
        posted to; ``object_id`` makes the registration idempotent. ``payload`` says whether it
        receives events with their object, or the thin ones, such as of meters.
        """
        in_process = not isinstance(target, str)
        url = target if isinstance(target, str) else f"http://localhost{path}"
        with self._room.account() as account:
            endpoint = receiver(account, object_id)
            if endpoint is None:
                make = new_event_destination if payload == "thin" else new_webhook_endpoint
                endpoint = make(account, url=url, object_id=object_id)
            endpoint.update(enabled_events=list(enabled_events), status="enabled")
            endpoint["_"] = {"secrets": secrets.first(secret), "in_process": in_process}
            (endpoint["_"] if payload == "thin" else endpoint)["url"] = url
            account.save(endpoint)
        if not isinstance(target, str):
            self._sender.targets[endpoint["id"]] = target
        return str(endpoint["_"]["secrets"][0]["secret"])

    def roll_secret(self, endpoint_id: str, *, overlap: timedelta = timedelta(days=1)) -> str:
        """Give an endpoint a new secret, and return it.

        The old one signs beside it for ``overlap`` of simulated time, at most a day, so that
        deliveries carry two signatures.
        """
        seconds = int(overlap.total_seconds())
        if not 0 <= seconds <= secrets.LONGEST_OVERLAP:
            raise SandboxError(
                "An old secret lives for at most 24 hours beside a new one. Nothing was changed."
            )
        with self._room.account() as account:
            endpoint = receiver(account, endpoint_id)
            if endpoint is None:
                raise SandboxError(f"There is no endpoint {endpoint_id}. Nothing was changed.")
            secret = secrets.roll(endpoint, account.now, seconds)
            account.save(endpoint)
        return secret

    @property
    def timeout(self) -> float:
        """How many seconds a receiver has for its answer over HTTP."""
        return self._sender.timeout

    @timeout.setter
    def timeout(self, seconds: float) -> None:
        self._sender.timeout = seconds

    # modes

    @property
    def auto(self) -> bool:
        """Are events delivered by themselves?"""
        return self._auto

    @auto.setter
    def auto(self, on: bool) -> None:
        self._auto = on
        if on:
            self.notify()

    def automate(self) -> None:
        """Turn ``auto`` on for an app that is still being put together.

        Flask takes no further route after the first request, and what an earlier process left
        undelivered would be one. So nothing leaves before `begin`, or before something happens.
        """
        self._auto = True

    def begin(self) -> None:
        """The app takes requests: in ``auto`` mode deliver what waits."""
        if self._auto and not self._courier.runs:
            self._courier.wake()

    def notify(self) -> None:
        """Something was queued: start or wake the delivering thread in ``auto`` mode."""
        if self._auto:
            self._courier.wake()

    @property
    def held(self) -> bool:
        """Is everything kept back?"""
        return self._held

    def hold(self) -> None:
        """Keep everything back until `release`."""
        self._held = True

    def release(
        self, order: Order = "created", duplicates: int = 1, *, seed: int | None = None
    ) -> list[tuple[str, int]]:
        """Deliver what was held, in an order and each as many times; see `deliver`."""
        self._held = False
        return self.deliver(order=order, duplicates=duplicates, seed=seed)

    def drop(self, count: int = 1) -> None:
        """Lose the next deliveries: they are never made."""
        self._to_drop += count

    # delivering

    def deliver(
        self,
        *,
        order: Order = "created",
        duplicates: int = 1,
        seed: int | None = None,
        due_only: bool = False,
    ) -> list[tuple[str, int]]:
        """Deliver all that waits, and what that causes; each delivery is tried once.

        Returns (event type, answered status) in the order of delivery; 0 is no answer. What
        failed waits for the next call, however often it failed before it was given up; with
        ``due_only``, as in ``auto`` mode, until the clock reaches the time of its retry.
        """
        self._room.catch_up()
        made: list[tuple[str, int]] = []
        tried: set[int] = set()
        while not self._held:
            waiting = self._queue.claim(self._reaches, due_only=due_only, but_not=tried)
            if not waiting:
                break
            tried.update(one.seq for one in waiting)
            if order == "reversed":
                waiting.reverse()
            elif order == "shuffled":
                random.Random(seed).shuffle(waiting)  # noqa: S311 - not a secret
            for one in waiting:
                if self._is_dropped():
                    self._sender.lose(one)
                    continue
                for _copy in range(duplicates):
                    status = self._sender.send(one)
                    if status is not None:
                        made.append((one.type, status))
        return made

    def retry(self) -> list[tuple[str, int]]:
        """Deliver what waits and what was given up after its last attempt; see `deliver`."""
        self._queue.try_failed_again()
        return self.deliver()

    def replay(self, event_id: str) -> list[tuple[str, int]]:
        """Deliver an event again to every endpoint that wants it."""
        with self._room.account() as account:
            event = account.get("event", event_id) or account.get("v2.core.event", event_id)
            if event is None:
                raise SandboxError(f"There is no event {event_id}. Nothing was sent.")
            for endpoint in _receivers(account, event):
                self._queue.add(account.connection, event_id, event["type"], endpoint["id"])
        return self.deliver()

    def pending(self) -> int:
        """How many deliveries wait."""
        return self._queue.pending()

    def log(self, limit: int = 100) -> list[Delivery]:
        """The latest deliveries, newest first."""
        return self._queue.log(limit)

    def close(self) -> None:
        """Stop the delivering thread."""
        self._auto = False
        self._courier.stop(self._sender.timeout)

    def _deliver_due(self, must_stop: Callable[[], bool]) -> None:
        """What the thread does when it is woken."""
        self._room.catch_up()
        if self._held:
            return
        for one in self._queue.claim(self._reaches, due_only=True):
            if must_stop() or self._held:
                self._queue.put_back(one.seq)
            elif self._is_dropped():
                self._sender.lose(one)
            else:
                self._sender.send(one)

    def _is_dropped(self) -> bool:
        if self._to_drop <= 0:
            return False
        self._to_drop -= 1
        return True

    def _reaches(self, connection: sqlite3.Connection, endpoint: str) -> bool:
        """Can this process deliver to the endpoint? Another's WSGI application is out of reach."""
        if endpoint in self._sender.targets:
            return True
        row = connection.execute(
            "SELECT json_extract(body, '$._.in_process') FROM objects WHERE id = ?", (endpoint,)
        ).fetchone()
        return row is None or not row[0]


def _receivers(account: Account, event: Body) -> list[Body]:
    kind = DESTINATION if event["object"] == "v2.core.event" else ENDPOINT
    return [found for found in account.find(kind) if receives(found, event["type"])]
