"""The SQL of a booking, written by hand and compiled once per shape.

The guard stands on the counter's own columns, in the statement that changes it: neither a
read before the update nor a sub-select keeps two processes from both fitting. So does the
generation, by which a process notices that others count in more counters than it knows.
"""

# ruff: noqa: S608  (only names of columns are put in; values are parameters)
from __future__ import annotations

import collections.abc as c
import dataclasses
import functools
import typing as t

import sqlalchemy as sa

from .dimensions import COUNTS

Bound = dict[str, object] | tuple[object, ...]

#: A counter may have ended since its limits were read: an admin's reset cuts its period short.
IN_TIME: t.Final = "(period_end IS NULL OR period_end > {at})"
EVENT_KEY: t.Final = ("customer_id", "meter", "idempotency_key")
COUNTER_KEY: t.Final = ("customer_id", "meter", "bucket")
COUNTER_STATE: t.Final = ("used", "reserved", "credited")
#: Dimensions that a daily sum is kept apart by; the empty text stands for none.
ROLLUP_KEYS: t.Final = ("provider", "model", "endpoint", "member")
ROLLUP_SUMS: t.Final = (
    "input_tokens", "output_tokens", "cached_tokens",
    "cost_prompt", "cost_completion", "cost_cached", "cost_total", "cost_saved",
)  # fmt: skip

_TIMES: t.Final = (
    "occurred_at", "recorded_at", "period_start", "period_end", "sum_from", "sum_to", "since"
)  # fmt: skip
_NUMBERS: t.Final = (
    "customer_id", "quantity", "events", "room", "credits", "limit", "bills_from",
    "used_by", "reserved_by", "credited_by", "unbilled_by", "generation", "seen", *COUNTS,
)  # fmt: skip
_EVENTS: t.Final = (
    "FROM billing_usage_event AS e "
    "WHERE e.customer_id = :customer_id AND e.meter = :meter "
    "AND e.occurred_at >= :sum_from AND e.occurred_at < :sum_to "
    "AND (:billing_period IS NULL OR e.billing_period = :billing_period) "
    "AND (:one_shot IS NULL OR e.one_shot LIKE :one_shot) "
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
        where a guard refused, and on the unique key where that was booked before.
    """

    event: Statement
    counter: Statement
    rollup: Statement
    at_once: Statement | None


@functools.lru_cache(maxsize=512)
def booking(dialect: sa.Dialect, extended: tuple[bool, ...], columns: tuple[str, ...]) -> Booking:
    """The statements for an event with these dimension columns.

    :param extended: of each of its buckets, whether credits extend the limit.
    """
    event = (
        f"{_event_head(columns)} VALUES ({', '.join(_values(dialect, columns))}) "
        f"ON CONFLICT ({', '.join(EVENT_KEY)}) DO NOTHING"
    )
    counter = _counter(extended)
    rollup = _rollup(columns)
    at_once = None

    if dialect.name == "postgresql":
        at_once = compiled(_at_once(dialect, extended, columns), dialect)

    return Booking(
        compiled(event, dialect), compiled(counter, dialect), compiled(rollup, dialect), at_once
    )


@functools.lru_cache(maxsize=16)
def seed(dialect: sa.Dialect) -> Statement:
    """What the events of a period come to, for a counter that is not open yet."""
    return compiled(
        f"SELECT COALESCE(SUM(e.quantity), 0), COALESCE(SUM(e.credits), 0) {_EVENTS}",
        dialect,
    )


@functools.lru_cache(maxsize=16)
def opening(dialect: sa.Dialect) -> Statement:
    """Open one counter, with what the events of its period come to already.

    A reset that lies inside its period was made after the limits were read. What was used before
    is not billed: no plan that would had a counter then. One that has ended though its period goes
    on, as that of a trial which was extended, goes on.
    """
    used = f"COALESCE((SELECT SUM(e.quantity) {_EVENTS}), 0)"
    credited = f"COALESCE((SELECT SUM(e.credits) {_EVENTS}), 0)"
    row = "billing_usage_counter"
    since = f"{_EVENTS} AND e.occurred_at >= {row}.period_end"
    more = f"COALESCE((SELECT SUM(e.quantity) {since}), 0)"
    covered = f"COALESCE((SELECT SUM(e.credits) {since}), 0)"
    return compiled(
        "INSERT INTO billing_usage_counter (customer_id, meter, bucket, used, reserved, credited, "
        'period_start, period_end, reported, windows, generation, plan, "limit", billed_from) '
        f"SELECT :customer_id, :meter, :bucket, {used}, 0, {credited}, "
        ":period_start, :period_end, 0, :windows, :generation, :plan, :limit, "
        f"CASE WHEN :bills_from < {used} - {credited} THEN {used} - {credited} "
        "ELSE :bills_from END "
        "WHERE NOT EXISTS (SELECT 1 FROM billing_usage_epoch AS u "
        'WHERE u.customer_id = :customer_id AND u.meter = :meter AND u."window" = :window '
        "AND (:period_start IS NULL OR u.starts_at > :period_start) "
        "AND (:period_end IS NULL OR u.starts_at < :period_end)) "
        "ON CONFLICT (customer_id, meter, bucket) DO UPDATE SET "
        f"used = {row}.used + {more}, credited = {row}.credited + {covered}, "
        f"billed_from = {row}.billed_from + {more} - {covered}, period_end = excluded.period_end, "
        "windows = excluded.windows, generation = excluded.generation "
        "WHERE billing_usage_counter.period_end <= :occurred_at "
        "AND billing_usage_counter.period_end < excluded.period_end",
        dialect,
    )


@functools.lru_cache(maxsize=16)
def newer(dialect: sa.Dialect) -> Statement:
    """Look for counters that were told of other limits since, and let nobody else tell them."""
    # A read alone would lock nothing on SQLite.
    return compiled(
        "UPDATE billing_usage_counter SET used = used WHERE customer_id = :customer_id "
        f"AND meter = :meter AND generation > :seen AND {IN_TIME.format(at=':occurred_at')} "
        "RETURNING bucket",
        dialect,
    )


@functools.lru_cache(maxsize=16)
def tell(dialect: sa.Dialect) -> Statement:
    """Tell the counters that have not ended beside which limits they count."""
    return compiled(
        "UPDATE billing_usage_counter SET windows = :windows, generation = :generation "
        "WHERE customer_id = :customer_id AND meter = :meter "
        "AND (generation <> :generation OR windows <> :windows) "
        "AND (period_end IS NULL OR period_end > :since)",
        dialect,
    )


@functools.lru_cache(maxsize=64)
def lock(dialect: sa.Dialect, buckets: int) -> Statement:
    """Read counters and keep others from changing them until the transaction ends."""
    names = ", ".join(f":bucket{index}" for index in range(buckets))
    where = (
        f"WHERE customer_id = :customer_id AND meter = :meter AND bucket IN ({names}) "
        f"AND generation = :generation AND {IN_TIME.format(at=':occurred_at')}"
    )
    columns = "bucket, used, reserved, credited"

    if _is_postgresql(dialect):
        sql = f"SELECT {columns} FROM billing_usage_counter {where} ORDER BY bucket FOR UPDATE"
    else:  # inside the host's transaction a read alone would lock nothing
        sql = f"UPDATE billing_usage_counter SET used = used {where} RETURNING {columns}"

    return compiled(sql, dialect)


@functools.lru_cache(maxsize=16)
def change(dialect: sa.Dialect) -> Statement:
    """Change one counter that is locked, and note the plan and limit it is under.

    One that is closed keeps those it was closed with.
    """
    return compiled(
        "UPDATE billing_usage_counter SET used = used + :used_by, "
        "reserved = reserved + :reserved_by, credited = credited + :credited_by, "
        "plan = CASE WHEN closed_at IS NULL THEN COALESCE(:plan, plan) ELSE plan END, "
        '"limit" = CASE WHEN closed_at IS NULL THEN COALESCE(:limit, "limit") ELSE "limit" END, '
        f"billed_from = {billed_from(':plan', ':limit', ':bills_from')} + :unbilled_by "
        "WHERE customer_id = :customer_id AND meter = :meter AND bucket = :bucket "
        "RETURNING bucket, used, reserved, credited",
        dialect,
    )


@functools.lru_cache(maxsize=16)
def answer(dialect: sa.Dialect) -> Statement:
    """Write the response's status on an event."""
    return compiled(
        "UPDATE billing_usage_event SET status = :status WHERE customer_id = :customer_id "
        "AND meter = :meter AND idempotency_key = :key",
        dialect,
    )


def billed_from(plan: str, limit: str, bills_from: str) -> str:
    """A counter's new ``billed_from``: what earlier terms did not bill, those of now never do.

    :param plan: the plan it is under now, as the limit; NULL where nothing new is said.
    :param bills_from: from how many units on these bill; NULL where they do not.
    """
    row = "billing_usage_counter"
    counted = f"{row}.used - {row}.credited"
    unbilled = (
        f"(CASE WHEN {row}.billed_from IS NULL THEN {counted} - {row}.reported "
        f"WHEN {row}.billed_from < {counted} THEN {row}.billed_from ELSE {counted} END)"
    )
    return (
        f"CASE WHEN {row}.closed_at IS NOT NULL OR {limit} IS NULL "
        f'OR ({row}.plan = {plan} AND {row}."limit" = {limit}) THEN {row}.billed_from '
        f"WHEN {bills_from} < {unbilled} THEN {unbilled} ELSE {bills_from} END"
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


def _counter(extended: tuple[bool, ...]) -> str:
    in_time = IN_TIME.format(at=":occurred_at")
    rooms = [
        f":room{index}{' + credited' if lifted else ''}" for index, lifted in enumerate(extended)
    ]

    if len(rooms) == 1:
        guard = f"bucket = :bucket0 AND used + reserved <= {rooms[0]}"
    else:
        names = ", ".join(f":bucket{index}" for index in range(len(rooms)))
        cases = " ".join(f"WHEN :bucket{index} THEN {room}" for index, room in enumerate(rooms))
        guard = f"bucket IN ({names}) AND used + reserved <= CASE bucket {cases} END"

    return (
        "UPDATE billing_usage_counter SET used = used + :quantity "
        f"WHERE customer_id = :customer_id AND meter = :meter AND {guard} "
        f"AND generation = :generation AND {in_time} "
        "RETURNING bucket, used, reserved, credited"
    )


def _rollup(columns: tuple[str, ...]) -> str:
    sums = [name for name in ROLLUP_SUMS if name in columns]
    keys = [f":{name}" if name in columns else "''" for name in ROLLUP_KEYS]
    values = [f":{name}" if name in columns else "0" for name in ROLLUP_SUMS]
    return (
        "INSERT INTO billing_usage_rollup (customer_id, meter, day, "
        f"{', '.join(ROLLUP_KEYS)}, events, quantity, {', '.join(ROLLUP_SUMS)}) "
        f"VALUES (:customer_id, :meter, :day, {', '.join(keys)}, :events, :quantity, "
        f"{', '.join(values)}) "
        f"ON CONFLICT (customer_id, meter, day, {', '.join(ROLLUP_KEYS)}) "
        f"DO UPDATE SET {added(('events', 'quantity', *sums))}"
    )


def added(names: c.Iterable[str]) -> str:
    """What an upsert of daily sums does to those that are there."""
    return ", ".join(f"{name} = billing_usage_rollup.{name} + excluded.{name}" for name in names)


def _at_once(dialect: sa.Dialect, extended: tuple[bool, ...], columns: tuple[str, ...]) -> str:
    booked = f"(SELECT count(*) FROM counted) = {len(extended)}"
    quantity = f"CASE WHEN {booked} THEN CAST(:quantity AS BIGINT) END"
    return (
        f"WITH counted AS ({_counter(extended)}), "
        f"booked AS ({_event_head(columns)} "
        f"SELECT {', '.join(_values(dialect, columns, quantity))}), "
        f"summed AS ({_rollup(columns)}) "
        "SELECT bucket, used, reserved, credited FROM counted"
    )


def _is_postgresql(dialect: sa.Dialect) -> bool:
    return dialect.name == "postgresql"


def compiled(sql: str, dialect: sa.Dialect) -> Statement:
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
