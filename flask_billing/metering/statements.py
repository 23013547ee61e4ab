"""The SQL of a booking, written by hand and compiled once per shape.

The guard stands on the counter's own columns, in the statement that changes it: neither a
read before the update nor a sub-select keeps two processes from both fitting.
"""

# ruff: noqa: S608  (only names of columns are put in; values are parameters)
from __future__ import annotations

import dataclasses
import functools
import typing as t

import sqlalchemy as sa

from .dimensions import COUNTS

Bound = dict[str, object] | tuple[object, ...]

#: Dimensions that a daily sum is kept apart by; the empty text stands for none.
_ROLLUP_KEYS: t.Final = ("provider", "model", "endpoint", "member")
_ROLLUP_SUMS: t.Final = (
    "input_tokens", "output_tokens", "cached_tokens",
    "cost_prompt", "cost_completion", "cost_cached", "cost_total", "cost_saved",
)  # fmt: skip

_TIMES: t.Final = (
    "occurred_at", "recorded_at", "period_start", "period_end", "sum_from", "sum_to"
)  # fmt: skip
_NUMBERS: t.Final = (
    "customer_id", "quantity", "events", "room", "credits", "creditable", "limit",
    "used_by", "reserved_by", "credited_by", *COUNTS,
)  # fmt: skip
_EVENTS: t.Final = (
    "FROM billing_usage_event AS e "
    "WHERE e.customer_id = :customer_id AND e.meter = :meter "
    "AND e.occurred_at >= :sum_from AND e.occurred_at < :sum_to "
    "AND (:member IS NULL OR COALESCE(e.member, '') = :member)"
)


@dataclasses.dataclass(frozen=True, slots=True)
class Statement:
    """SQL in the driver's own parameter style."""

    sql: str
    #: The order of parameters, for drivers that take them by position.
    order: tuple[str, ...] | None

    def bind(self, parameters: dict[str, object]) -> Bound:
        """The parameters as the driver takes them."""
        if self.order is None:
            return parameters

        return tuple([parameters[name] for name in self.order])


@dataclasses.dataclass(frozen=True, slots=True)
class Booking:
    """The statements that book one event of a shape, in the order they run.

    :param at_once: all of them in one, for PostgreSQL. It fails on the NOT NULL quantity
        where a guard refused.
    """

    event: Statement
    counter: Statement
    rollup: Statement
    at_once: Statement | None


@functools.lru_cache(maxsize=512)
def booking(dialect: sa.Dialect, buckets: int, columns: tuple[str, ...], *, keyed: bool) -> Booking:
    """The statements for an event with these dimension columns and this many buckets.

    :param keyed: whether the key is the caller's, so that it may have been booked before.
    """
    event = (
        f"{_event_head(columns)} VALUES ({', '.join(_values(dialect, columns))}) "
        "ON CONFLICT (customer_id, meter, idempotency_key) DO NOTHING"
    )
    counter = _counter(buckets)
    rollup = _rollup(columns)
    at_once = None

    if dialect.name == "postgresql":
        at_once = _compiled(_at_once(dialect, buckets, columns, keyed=keyed), dialect)

    return Booking(
        _compiled(event, dialect), _compiled(counter, dialect), _compiled(rollup, dialect), at_once
    )


@functools.lru_cache(maxsize=16)
def seed(dialect: sa.Dialect) -> Statement:
    """What the events of a period come to, for a counter that is not open yet."""
    return _compiled(
        f"SELECT COALESCE(SUM(e.quantity), 0), COALESCE(SUM(e.credits), 0) * :creditable {_EVENTS}",
        dialect,
    )


@functools.lru_cache(maxsize=16)
def opening(dialect: sa.Dialect) -> Statement:
    """Open one counter, with what the events of its period come to already."""
    return _compiled(
        "INSERT INTO billing_usage_counter (customer_id, meter, bucket, used, reserved, credited, "
        'period_start, period_end, reported, plan, "limit") '
        "SELECT :customer_id, :meter, :bucket, "
        f"COALESCE((SELECT SUM(e.quantity) {_EVENTS}), 0), 0, "
        f"COALESCE((SELECT SUM(e.credits) {_EVENTS}), 0) * :creditable, "
        ":period_start, :period_end, 0, :plan, :limit WHERE true "
        "ON CONFLICT (customer_id, meter, bucket) DO NOTHING",
        dialect,
    )


@functools.lru_cache(maxsize=64)
def lock(dialect: sa.Dialect, buckets: int) -> Statement:
    """Read counters and keep others from changing them until the transaction ends."""
    names = ", ".join(f":bucket{index}" for index in range(buckets))
    where = f"WHERE customer_id = :customer_id AND meter = :meter AND bucket IN ({names})"
    columns = "bucket, used, reserved, credited"

    if _is_postgresql(dialect):
        sql = f"SELECT {columns} FROM billing_usage_counter {where} ORDER BY bucket FOR UPDATE"
    else:  # inside the host's transaction a read alone would lock nothing
        sql = f"UPDATE billing_usage_counter SET used = used {where} RETURNING {columns}"

    return _compiled(sql, dialect)


@functools.lru_cache(maxsize=16)
def change(dialect: sa.Dialect) -> Statement:
    """Change one counter that is locked, and note the plan and limit it is under."""
    return _compiled(
        "UPDATE billing_usage_counter SET used = used + :used_by, "
        "reserved = reserved + :reserved_by, credited = credited + :credited_by, "
        'plan = COALESCE(:plan, plan), "limit" = COALESCE(:limit, "limit") '
        "WHERE customer_id = :customer_id AND meter = :meter AND bucket = :bucket "
        "RETURNING bucket, used, reserved, credited",
        dialect,
    )


@functools.lru_cache(maxsize=16)
def answer(dialect: sa.Dialect) -> Statement:
    """Write the response's status on an event."""
    return _compiled(
        "UPDATE billing_usage_event SET status = :status WHERE customer_id = :customer_id "
        "AND meter = :meter AND idempotency_key = :key",
        dialect,
    )


def _event_head(columns: tuple[str, ...]) -> str:
    return (
        "INSERT INTO billing_usage_event (customer_id, meter, idempotency_key, occurred_at, "
        f"recorded_at, quantity{''.join(f', {name}' for name in columns)})"
    )


def _values(
    dialect: sa.Dialect, columns: tuple[str, ...], quantity: str = ":quantity"
) -> list[str]:
    return [
        ":customer_id",
        ":meter",
        ":key",
        ":occurred_at",
        ":recorded_at",
        quantity,
        *(
            "CAST(:extra AS JSON)" if name == "extra" and _is_postgresql(dialect) else f":{name}"
            for name in columns
        ),
    ]


def _counter(buckets: int, condition: str = "") -> str:
    if buckets == 1:
        guard = "bucket = :bucket0 AND used + reserved - credited <= :room0"
    else:
        names = ", ".join(f":bucket{index}" for index in range(buckets))
        cases = " ".join(f"WHEN :bucket{index} THEN :room{index}" for index in range(buckets))
        guard = f"bucket IN ({names}) AND used + reserved - credited <= CASE bucket {cases} END"

    return (
        "UPDATE billing_usage_counter SET used = used + :quantity "
        f"WHERE customer_id = :customer_id AND meter = :meter AND {guard}{condition} "
        "RETURNING bucket, used, reserved, credited"
    )


def _rollup(columns: tuple[str, ...]) -> str:
    sums = [name for name in _ROLLUP_SUMS if name in columns]
    keys = [f":{name}" if name in columns else "''" for name in _ROLLUP_KEYS]
    values = [f":{name}" if name in columns else "0" for name in _ROLLUP_SUMS]
    changes = ", ".join(
        f"{name} = billing_usage_rollup.{name} + excluded.{name}"
        for name in ("events", "quantity", *sums)
    )
    return (
        "INSERT INTO billing_usage_rollup (customer_id, meter, day, "
        f"{', '.join(_ROLLUP_KEYS)}, events, quantity, {', '.join(_ROLLUP_SUMS)}) "
        f"VALUES (:customer_id, :meter, :day, {', '.join(keys)}, :events, :quantity, "
        f"{', '.join(values)}) "
        f"ON CONFLICT (customer_id, meter, day, {', '.join(_ROLLUP_KEYS)}) "
        f"DO UPDATE SET {changes}"
    )


def _at_once(dialect: sa.Dialect, buckets: int, columns: tuple[str, ...], *, keyed: bool) -> str:
    fresh = (
        " AND NOT EXISTS (SELECT 1 FROM billing_usage_event AS e WHERE "
        "e.customer_id = :customer_id AND e.meter = :meter AND e.idempotency_key = :key)"
        if keyed
        else ""
    )
    quantity = (
        f"CASE WHEN (SELECT count(*) FROM counted) = {buckets} THEN CAST(:quantity AS BIGINT) END"
    )
    return (
        f"WITH counted AS ({_counter(buckets, fresh)}), "
        f"booked AS ({_event_head(columns)} "
        f"SELECT {', '.join(_values(dialect, columns, quantity))}), "
        f"summed AS ({_rollup(columns)}) "
        "SELECT bucket, used, reserved, credited FROM counted"
    )


def _is_postgresql(dialect: sa.Dialect) -> bool:
    return dialect.name == "postgresql"


def _compiled(sql: str, dialect: sa.Dialect) -> Statement:
    """Bind the parameters with their types, which PostgreSQL could not all deduce."""
    text = sa.text(sql)
    typed = [sa.bindparam(name, type_=_type(name)) for name in text._bindparams]
    compiled = text.bindparams(*typed).compile(dialect=dialect)
    order: list[str] | None = getattr(compiled, "positiontup", None)
    return Statement(str(compiled), None if order is None else tuple(order))


def _type(name: str) -> sa.types.TypeEngine[t.Any]:
    stem = name.rstrip("0123456789")

    if stem in _TIMES:
        return sa.DateTime(timezone=True)

    if stem in _NUMBERS:
        return sa.BigInteger()

    return sa.Date() if stem == "day" else sa.String()
