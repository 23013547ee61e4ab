"""Events on their way out: written down, and queued for the endpoints that want them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask_billing.sandbox.body import Body, dumps
from flask_billing.sandbox.ids import new_id
from flask_billing.sandbox.settings import API_VERSION

if TYPE_CHECKING:
    from flask_billing.sandbox.account import Account


ENDPOINT = "webhook_endpoint"
#: What thin events go to.
DESTINATION = "v2.core.event_destination"


@dataclass(frozen=True)
class Cause:
    """The API request that events name as their cause; both are None for automatic work."""

    request_id: str | None = None
    idempotency_key: str | None = None


@dataclass(frozen=True)
class Emitted:
    """An event before it has an id: ``text`` is its object as JSON, ``created`` in seconds."""

    type: str
    text: str
    previous: Body | None
    created: int
    cause: Cause


def receives(endpoint: Body, event_type: str) -> bool:
    """Does an endpoint or a destination want events of a type?"""
    types = endpoint["enabled_events"]
    return endpoint["status"] == "enabled" and ("*" in types or event_type in types)


def receiver(account: Account, object_id: str | None) -> Body | None:
    """The endpoint or destination of an id."""
    return account.get(ENDPOINT, object_id) or account.get(DESTINATION, object_id)


def url_of(receiver: Body) -> str:
    """Where deliveries are posted to; a destination tells that only when asked."""
    url: str = receiver["_"]["url"] if receiver["object"] == DESTINATION else receiver["url"]
    return url


def drop(account: Account, receiver: str) -> None:
    """Let nothing wait for a receiver any more."""
    account.connection.execute(
        "UPDATE deliveries SET state = 'dropped' WHERE endpoint = ? AND state = 'pending'",
        (receiver,),
    )


def queue(account: Account, events: list[Emitted]) -> int:
    """Write events and let them wait for their endpoints; how many deliveries wait."""
    endpoints = [
        (endpoint, endpoint["id"])
        for endpoint in account.find(ENDPOINT)
        if endpoint["status"] == "enabled"
    ]
    rows, queued = [], 0
    for event in events:
        receivers = [
            object_id for endpoint, object_id in endpoints if receives(endpoint, event.type)
        ]
        event_id = new_id("evt")
        rows.append(
            (event_id, event.created, event.type, _written(event, event_id, len(receivers)))
        )
        queued += wait(account, event_id, event.type, receivers)
    account.connection.executemany(
        "INSERT INTO objects (id, kind, created, parent, body) VALUES (?, 'event', ?, ?, ?)", rows
    )
    return queued


def queue_thin(account: Account, event: Body) -> None:
    """Write a thin event and let it wait for its destinations."""
    account.add(event)
    receivers = [
        destination["id"]
        for destination in account.find(DESTINATION)
        if receives(destination, event["type"])
    ]
    account.queued += wait(account, event["id"], event["type"], receivers)


def wait(account: Account, event_id: str, event_type: str, receivers: list[str]) -> int:
    """Let an event wait for endpoints."""
    if not receivers:
        return 0
    account.connection.executemany(
        "INSERT INTO deliveries (event, type, endpoint, state) VALUES (?, ?, ?, 'pending')",
        [(event_id, event_type, endpoint) for endpoint in receivers],
    )
    return len(receivers)


def _written(event: Emitted, event_id: str, receivers: int) -> str:
    """The event as JSON, put together around the text of its object."""
    data = '{"object":' + event.text
    if event.previous is not None:
        data += ',"previous_attributes":' + dumps(event.previous)
    head = dumps(
        {
            "id": event_id,
            "object": "event",
            "api_version": API_VERSION,
            "created": event.created,
            "livemode": False,
            "pending_webhooks": receivers,
            "request": {
                "id": event.cause.request_id,
                "idempotency_key": event.cause.idempotency_key,
            },
            "type": event.type,
        }
    )
    return head[:-1] + ',"data":' + data + "}}"
