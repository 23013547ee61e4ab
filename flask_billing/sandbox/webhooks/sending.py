"""One attempt to deliver an event: rendered for its endpoint, signed, posted, judged."""

from __future__ import annotations

import json
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask_billing.sandbox import clock
from flask_billing.sandbox import signing_secrets as secrets
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.engine_room import EngineRoom
from flask_billing.sandbox.outgoing import url_of
from flask_billing.sandbox.settings import API_VERSION
from flask_billing.sandbox.webhooks import posting, signature
from flask_billing.sandbox.webhooks.queue import Queue, Waiting

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Parcel:
    """What is posted where."""

    url: str
    payload: bytes
    headers: dict[str, str]


class Sender:
    """Makes deliveries; ``targets`` are the endpoints that are called in process."""

    def __init__(self, room: EngineRoom, queue: Queue) -> None:
        self._room = room
        self._queue = queue
        self.targets: dict[str, WSGIApplication] = {}
        self.timeout = 20.0

    def send(self, one: Waiting) -> int | None:
        """Try a delivery once; the answered status, None if the endpoint is gone or disabled."""
        parcel = self._packed(one)
        if parcel is None:
            self.lose(one)
            return None
        target = self.targets.get(one.endpoint)
        if target is not None:
            status = posting.in_process(target, parcel.url, parcel.payload, parcel.headers)
        else:
            status = posting.over_http(parcel.url, parcel.payload, parcel.headers, self.timeout)
        if 300 <= status < 500:
            # The receiver's own log may know nothing of what never came to its webhook route.
            _LOG.warning(
                "%s answered %s to a webhook, which is refused with that. Whatever stands before "
                "the route, as a check for who is signed in, has to let it pass.",
                parcel.url,
                status,
            )
        self._note(one, status)
        return status

    def lose(self, one: Waiting) -> None:
        """Never make a delivery."""
        self._queue.finish(one.seq, "dropped", one.attempts, None)

    def _packed(self, one: Waiting) -> _Parcel | None:
        with self._room.store.reading() as connection:
            found = dict(
                connection.execute(
                    "SELECT id, body FROM objects WHERE id IN (?, ?)", (one.event, one.endpoint)
                ).fetchall()
            )
            now = clock.read(connection)
        if len(found) < 2:
            return None
        endpoint: Body = json.loads(found[one.endpoint])
        if endpoint["status"] != "enabled":
            return None
        payload = rendered(found[one.event], endpoint)
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
            "Accept": "*/*; q=0.5, application/xml",
            # Wall time: the receiver holds the age of a signature against its own clock.
            "Stripe-Signature": signature.header(
                payload, secrets.active(endpoint, now), int(time.time())
            ),
        }
        return _Parcel(url_of(endpoint), payload, headers)

    def _note(self, one: Waiting, status: int) -> None:
        attempts = one.attempts + 1
        waits = self._room.settings.webhook_retry_seconds
        if 200 <= status < 300:
            self._queue.finish(one.seq, "delivered", attempts, status)
        elif attempts > len(waits):
            self._queue.finish(one.seq, "failed", attempts, status)
        else:
            with self._room.store.reading() as connection:
                now = clock.read(connection)
            self._queue.finish(one.seq, "pending", attempts, status, now + waits[attempts - 1])


def rendered(event: str, endpoint: Body) -> bytes:
    """The payload of an event for an endpoint: thin ones lose their data, others name a version."""
    if '"object":"v2.core.event"' in event[:200]:
        body = json.loads(event)
        for name in ("_", "data", "changes"):
            body.pop(name, None)
        return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
    version = endpoint["api_version"]
    if version is not None and version != API_VERSION:
        event = event.replace(f'"api_version":"{API_VERSION}"', f'"api_version":"{version}"', 1)
    return event.encode()
