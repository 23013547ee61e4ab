"""Idempotency keys: the same request twice is done once and answered the same."""

import hashlib
import json
import sqlite3
import time
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
    """What must be equal for a key to be used again: the endpoint, and the parameters' hash."""
    text = json.dumps(params, sort_keys=True)
    return f"{method} {path} {hashlib.sha256(text.encode()).hexdigest()}"


def check_length(key: str) -> None:
    """Refuse a key that is too long."""
    if len(key) > MAX_LENGTH:
        raise ApiError(
            400,
            "Idempotency key exceeds the maximum length of 255 characters.",
            error_type="idempotency_error",
        )


def recall(connection: sqlite3.Connection, key: str, print_: str) -> Replay | None:
    """The answer the key got before, or None; another request is an ``idempotency_error``."""
    row = connection.execute(
        "SELECT fingerprint, status, body, request_id FROM idempotency"
        " WHERE key = ? AND created >= ?",
        (key, time.time() - DAY),
    ).fetchone()
    if row is None:
        return None
    if row[0] != print_:
        raise _other_request(key, row[0], print_)
    return Replay(*row[1:])


def _other_request(key: str, first: str, second: str) -> ApiError:
    endpoint, other = (print_.rpartition(" ")[0] for print_ in (first, second))
    scope = (
        "with the same parameters they were first used with."
        if endpoint == other
        else "for the same endpoint they were first used for "
        f"('{other.partition(' ')[2]}' vs '{endpoint.partition(' ')[2]}')."
    )
    return ApiError(
        400,
        f"Keys for idempotent requests can only be used {scope} Try using a key other than "
        f"'{key}' if you meant to execute a different request.",
        error_type="idempotency_error",
    )


def remember(connection: sqlite3.Connection, key: str, print_: str, replay: Replay) -> None:
    """Keep an answer for 24 hours of wall time, as clients retry by theirs."""
    now = time.time()
    connection.execute("DELETE FROM idempotency WHERE created < ?", (now - DAY,))
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
