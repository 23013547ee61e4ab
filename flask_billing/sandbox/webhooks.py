"""Webhook delivery: after the answer, signed, retried; held, shuffled or lost on request."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Container, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from flask_billing.sandbox import posting, signature
from flask_billing.sandbox.engine_room import EngineRoom
from flask_billing.sandbox.errors import SandboxError
from flask_billing.sandbox.ids import new_id
from flask_billing.sandbox.resources.webhook_endpoints import new_webhook_endpoint

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

Order = Literal["created", "reversed", "shuffled"]
_LEASE_SECONDS = 60
_BACKOFF_SECONDS = (5, 30, 300, 1_800, 7_200)
_TIMEOUT_SECONDS = 20


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


class Webhooks:
    """The handle on deliveries: `sandbox.webhooks`.

    With ``auto`` a thread delivers by itself after each answer; without it nothing leaves until
    `deliver` is called.
    """

    def __init__(self, room: EngineRoom) -> None:
        self._room = room
        self._targets: dict[str, WSGIApplication] = {}
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._turn = threading.Lock()
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
    ) -> str:
        """Register a receiver: a URL, or a WSGI application that is called in process.

        Returns the secret that signs its deliveries. ``path`` is where a WSGI application is
        posted to; ``id`` makes the registration idempotent.
        """
        secret = secret or new_id("whsec")
        url = target if isinstance(target, str) else f"http://localhost{path}"
        with self._room.account() as account:
            known = account.get("webhook_endpoint", object_id)
            if known is not None:
                known.update(url=url, enabled_events=list(enabled_events), status="enabled")
                endpoint = known
            else:
                endpoint = new_webhook_endpoint(
                    account,
                    url=url,
                    enabled_events=list(enabled_events),
                    secret=secret,
                    object_id=object_id,
                )
            in_process = not isinstance(target, str)
            endpoint["_"] = {"secrets": [secret], "in_process": in_process}
            account.save(endpoint)
            endpoint_id: str = endpoint["id"]
        if not isinstance(target, str):
            self._targets[endpoint_id] = target
        return secret

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

    def notify(self) -> None:
        """Something was queued: start or wake the delivering thread in ``auto`` mode."""
        if not self._auto:
            return
        if self._thread is None or not self._thread.is_alive():
            self._stop.clear()
            self._thread = threading.Thread(
                target=self._run, name="stripe-sandbox-webhooks", daemon=True
            )
            self._thread.start()
        self._wake.set()

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
        self, *, order: Order = "created", duplicates: int = 1, seed: int | None = None
    ) -> list[tuple[str, int]]:
        """Deliver all that waits, and what that causes; each delivery is tried once.

        Returns (event type, answered status) in the order of delivery; 0 is no answer. What
        failed waits for the next call, or for its retry time in ``auto`` mode.
        """
        made: list[tuple[str, int]] = []
        tried: set[int] = set()
        while not self._held:
            waiting = self._claim(any_time=True, but_not=tried)
            if not waiting:
                break
            tried.update(row[0] for row in waiting)
            if order == "reversed":
                waiting.reverse()
            elif order == "shuffled":
                random.Random(seed).shuffle(waiting)  # noqa: S311 - not a secret
            for row in waiting:
                for _copy in range(duplicates):
                    status = self._send(row)
                    if status is not None:
                        made.append((row[2], status))
        return made

    def replay(self, event_id: str) -> list[tuple[str, int]]:
        """Deliver an event again to every endpoint that wants it."""
        with self._room.account() as account:
            event = account.get("event", event_id)
            if event is None:
                raise SandboxError(f"There is no event {event_id}. Nothing was sent.")
            for endpoint in account.find("webhook_endpoint"):
                if {"*", event["type"]} & set(endpoint["enabled_events"]):
                    account.connection.execute(
                        "INSERT INTO deliveries (event, type, endpoint, state)"
                        " VALUES (?, ?, ?, 'pending')",
                        (event_id, event["type"], endpoint["id"]),
                    )
        return self.deliver()

    def pending(self) -> int:
        """How many deliveries wait."""
        with self._room.store.transaction() as connection:
            row = connection.execute(
                "SELECT count(*) FROM deliveries WHERE state IN ('pending', 'sending')"
            ).fetchone()
        return int(row[0])

    def log(self, limit: int = 100) -> list[Delivery]:
        """The latest deliveries, newest first."""
        with self._room.store.transaction() as connection:
            rows = connection.execute(
                "SELECT d.event, d.type, d.endpoint, coalesce(json_extract(o.body, '$.url'), ''),"
                " d.state, d.attempts, d.status, d.at FROM deliveries d"
                " LEFT JOIN objects o ON o.id = d.endpoint ORDER BY d.seq DESC LIMIT ?",
                (limit,),
            ).fetchall()
        return [
            Delivery(
                event,
                event_type,
                endpoint,
                url,
                state,
                attempts,
                status,
                None if at is None else datetime.fromtimestamp(at, UTC),
            )
            for event, event_type, endpoint, url, state, attempts, status, at in rows
        ]

    def close(self) -> None:
        """Stop the delivering thread."""
        self._auto = False
        self._stop.set()
        self._wake.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(_TIMEOUT_SECONDS)
        self._thread = None

    def _run(self) -> None:
        while not self._stop.is_set():
            self._wake.wait(timeout=1.0)
            self._wake.clear()
            if self._stop.is_set() or self._held:
                continue
            for row in self._claim(any_time=False):
                if self._stop.is_set():
                    self._put_back(row[0])
                    continue
                self._send(row)

    def _claim(
        self, *, any_time: bool, but_not: Container[int] = ()
    ) -> list[tuple[int, str, str, str, int]]:
        """Take waiting deliveries that this process can make, so that nobody else does."""
        now = time.time()
        with self._turn, self._room.store.transaction() as connection:
            rows = connection.execute(
                "SELECT seq, event, type, endpoint, attempts FROM deliveries"
                " WHERE (state = 'pending' AND (? OR not_before <= ?))"
                " OR (state = 'sending' AND at < ?) ORDER BY seq",
                (any_time, now, now - _LEASE_SECONDS),
            ).fetchall()
            mine = [
                row for row in rows if row[0] not in but_not and self._reaches(connection, row[3])
            ]
            connection.executemany(
                "UPDATE deliveries SET state = 'sending', at = ? WHERE seq = ?",
                [(now, row[0]) for row in mine],
            )
        return mine

    def _reaches(self, connection: Any, endpoint: str) -> bool:
        if endpoint in self._targets:
            return True
        row = connection.execute(
            "SELECT json_extract(body, '$._.in_process') FROM objects WHERE id = ?", (endpoint,)
        ).fetchone()
        return row is not None and not row[0]

    def _put_back(self, seq: int) -> None:
        with self._room.store.transaction() as connection:
            connection.execute("UPDATE deliveries SET state = 'pending' WHERE seq = ?", (seq,))

    def _send(self, row: tuple[int, str, str, str, int]) -> int | None:
        seq, event_id, _type, endpoint_id, attempts = row
        if self._to_drop > 0:
            self._to_drop -= 1
            self._finish(seq, "dropped", attempts, None, 0)
            return None
        with self._room.store.transaction() as connection:
            found = dict(
                connection.execute(
                    "SELECT kind, body FROM objects WHERE id IN (?, ?)", (event_id, endpoint_id)
                ).fetchall()
            )
        if len(found) < 2:
            self._finish(seq, "dropped", attempts, None, 0)
            return None
        endpoint = json.loads(found["webhook_endpoint"])
        payload = found["event"].encode()
        now = time.time()
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
            "Accept": "*/*; q=0.5, application/xml",
            "Stripe-Signature": signature.header(payload, endpoint["_"]["secrets"], int(now)),
        }
        target = self._targets.get(endpoint_id)
        if target is not None:
            status = posting.in_process(target, endpoint["url"], payload, headers)
        else:
            status = posting.over_http(endpoint["url"], payload, headers)
        attempts += 1
        if 200 <= status < 300:
            self._finish(seq, "delivered", attempts, status, 0)
        elif attempts > len(_BACKOFF_SECONDS):
            self._finish(seq, "failed", attempts, status, 0)
        else:
            self._finish(seq, "pending", attempts, status, now + _BACKOFF_SECONDS[attempts - 1])
        return status

    def _finish(
        self, seq: int, state: str, attempts: int, status: int | None, not_before: float
    ) -> None:
        with self._room.store.transaction() as connection:
            connection.execute(
                "UPDATE deliveries SET state = ?, attempts = ?, status = ?, not_before = ?, at = ?"
                " WHERE seq = ?",
                (state, attempts, status, not_before, time.time(), seq),
            )
