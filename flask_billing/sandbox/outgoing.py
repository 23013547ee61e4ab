"""Events on their way out: written down, and queued for the endpoints that want them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask_billing.sandbox.body import Body, dumps
from flask_billing.sandbox.ids import new_id
from flask_billing.sandbox.settings import API_VERSION

if TYPE_CHECKING:
    from flask_billing.sandbox.account import Account


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


def receives(endpoint: Body, event_type: str, *, thin: bool = False) -> bool:
    """Does an endpoint want events of a type? Thin ones go to endpoints for thin ones only."""
    types = endpoint["enabled_events"]
    return (
        endpoint["status"] == "enabled"
        and (endpoint["_"].get("payload") == "thin") == thin
        and ("*" in types or event_type in types)
    )


def queue(account: Account, events: list[Emitted]) -> int:
    """Write events and let them wait for their endpoints; how many deliveries wait."""
    endpoints = [
        (endpoint, endpoint["id"])
        for endpoint in account.find("webhook_endpoint")
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
    """Write a thin event and let it wait for the endpoints that take such."""
    account.add(event)
    receivers = [
        endpoint["id"]
        for endpoint in account.find("webhook_endpoint")
        if receives(endpoint, event["type"], thin=True)
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
