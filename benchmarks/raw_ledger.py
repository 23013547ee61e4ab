"""Check and record written by hand on the driver: the least that the same promise costs.

A guarded counter, an event with a unique key and its daily sum, durable together or not at all:
one statement on PostgreSQL, one transaction on SQLite. There is no plan, no threshold, no credit
and no period to look up.
"""

from __future__ import annotations

import sqlite3
import typing as t
import uuid

from usage_host import METER, month

from flask_billing.clock import wall

_EVENT: t.Final = (
    "INSERT INTO billing_usage_event "
    "(customer_id, meter, idempotency_key, occurred_at, recorded_at, quantity) "
)
_ROLLUP: t.Final = (
    "INSERT INTO billing_usage_rollup (customer_id, meter, day, provider, model, endpoint, "
    "member, events, quantity, input_tokens, output_tokens, cached_tokens, cost_total) "
)
_ADDED: t.Final = (
    "ON CONFLICT (customer_id, meter, day, provider, model, endpoint, member) DO UPDATE SET "
    "events = billing_usage_rollup.events + excluded.events, "
    "quantity = billing_usage_rollup.quantity + excluded.quantity"
)
_POSTGRESQL: t.Final = (
    "WITH counted AS (UPDATE billing_usage_counter SET used = used + %(quantity)s "
    "WHERE customer_id = %(customer)s AND meter = %(meter)s AND bucket = %(bucket)s "
    "AND used + reserved + %(quantity)s <= %(limit)s RETURNING used), "
    f"booked AS ({_EVENT} SELECT %(customer)s, %(meter)s, %(key)s, %(now)s, %(now)s, "
    "CASE WHEN (SELECT count(*) FROM counted) = 1 THEN %(quantity)s END), "
    f"summed AS ({_ROLLUP} VALUES (%(customer)s, %(meter)s, %(day)s, '', '', '', '', 1, "
    f"%(quantity)s, 0, 0, 0, 0) {_ADDED}) SELECT used FROM counted"
)


class RawPostgresql:
    """On psycopg's connection in autocommit."""

    def __init__(self, driver: t.Any, limit: int) -> None:
        self._driver, self._limit = driver, limit

    def consume(self, customer_id: int, quantity: int = 1) -> bool:
        """Book, unless that passes the limit."""
        import psycopg

        now = wall()
        said = {
            "customer": customer_id,
            "meter": METER,
            "bucket": month(),
            "quantity": quantity,
            "limit": self._limit,
            "key": uuid.uuid4().hex,
            "now": now,
            "day": now.date(),
        }

        try:
            self._driver.execute(_POSTGRESQL, said).fetchone()
        except psycopg.errors.NotNullViolation:
            return False

        return True


class RawSqlite:
    """On the standard library's connection, which begins by hand."""

    def __init__(self, driver: sqlite3.Connection, limit: int) -> None:
        self._driver, self._limit = driver, limit

    def consume(self, customer_id: int, quantity: int = 1) -> bool:
        """Book, unless that passes the limit."""
        now = wall().replace(tzinfo=None)
        time = now.isoformat(" ", "microseconds")
        cursor = self._driver.cursor()
        cursor.execute("BEGIN IMMEDIATE")
        counted = cursor.execute(
            "UPDATE billing_usage_counter SET used = used + ? WHERE customer_id = ? "
            "AND meter = ? AND bucket = ? AND used + reserved + ? <= ? RETURNING used",
            (quantity, customer_id, METER, month(), quantity, self._limit),
        ).fetchall()

        if not counted:
            cursor.execute("ROLLBACK")
            return False

        cursor.execute(
            f"{_EVENT} VALUES (?, ?, ?, ?, ?, ?)",
            (customer_id, METER, uuid.uuid4().hex, time, time, quantity),
        )
        cursor.execute(
            f"{_ROLLUP} VALUES (?, ?, ?, '', '', '', '', 1, ?, 0, 0, 0, 0) {_ADDED}",
            (customer_id, METER, time[:10], quantity),
        )
        cursor.execute("COMMIT")
        return True
