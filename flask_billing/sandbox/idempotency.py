"""Idempotency keys: the same request twice is done once and answered the same."""

import hashlib
import json
import sqlite3
from dataclasses import dataclass

from flask_billing.sandbox.body import Body
from flask_billing.sandbox.errors import ApiError
from flask_billing.sandbox.settings import DAY

MAX_LENGTH = 255


@dataclass(frozen=True)
class Replay:
    """The first answer to a key."""

    status: int
    body: str
    request_id: str


def fingerprint(method: str, path: str, params: Body) -> str:
    """What must be equal for a key to be used again."""
    text = json.dumps([method, path, params], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def recall(connection: sqlite3.Connection, key: str, print_: str, now: float) -> Replay | None:
    """The answer the key got before, or None; other parameters are an ``idempotency_error``."""
    if len(key) > MAX_LENGTH:
        raise ApiError(
            400,
            "Idempotency key exceeds the maximum length of 255 characters.",
            error_type="idempotency_error",
        )
    row = connection.execute(
        "SELECT fingerprint, created, status, body, request_id FROM idempotency WHERE key = ?",
        (key,),
    ).fetchone()
    if row is None or row[1] < now - DAY:
        return None
    if row[0] != print_:
        raise ApiError(
            400,
            "Keys for idempotent requests can only be used with the same parameters they were "
            f"first used with. Try using a key other than '{key}' if you meant to execute a "
            "different request.",
            error_type="idempotency_error",
        )
    return Replay(row[2], row[3], row[4])


def remember(
    connection: sqlite3.Connection, key: str, print_: str, now: float, replay: Replay
) -> None:
    """Keep an answer for 24 hours."""
    connection.execute(
        "INSERT OR REPLACE INTO idempotency (key, fingerprint, created, status, body, request_id)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (key, print_, now, replay.status, replay.body, replay.request_id),
    )


def in_flight(key: str) -> ApiError:
    """Two requests with one key at the same moment: the later one is refused."""
    return ApiError(
        409,
        f"There is currently another in-progress request using this Stripe API idempotency key: "
        f"{key}. Please try again later.",
        code="idempotency_key_in_use",
        error_type="idempotency_error",
    )
