"""The SQL that books many events in one statement each: events, counters, daily sums.

PostgreSQL takes a column as an array, SQLite all rows as one JSON text. Either is one parameter
whatever the number of rows, so that a statement is compiled once.
"""

# ruff: noqa: S608  (only names of columns are put in; values are parameters)
from __future__ import annotations

import collections.abc as c
import functools
import json
import typing as t

import sqlalchemy as sa

from .dimensions import TEXTS
from .statements import (
    COUNTER_KEY,
    COUNTER_STATE,
    EVENT_KEY,
    IN_TIME,
    ROLLUP_KEYS,
    ROLLUP_SUMS,
    Bound,
    Statement,
    added,
    billed_from,
    compiled,
)

#: A column's name and its values.
Columns = dict[str, c.Sequence[t.Any]]

#: What most batches say alike of all events, and then once.
MARKS: t.Final = ("customer_id", "meter", "billing_period", "one_shot")

LAST_EVENT: t.Final = "SELECT coalesce(max(id), 0) FROM billing_usage_event"

_ONCE: t.Final = f"ON CONFLICT ({', '.join(EVENT_KEY)}) DO NOTHING"
_COUNTER: t.Final = "billing_usage_counter"
_TEXTS: t.Final = (
    *TEXTS, "meter", "bucket", "idempotency_key", "plan", "extra", "billing_period", "one_shot",
)  # fmt: skip
_ROLLUP: t.Final = ("customer_id", "meter", "day", *ROLLUP_KEYS)


@functools.lru_cache(maxsize=128)
def events(dialect: sa.Dialect, alike: tuple[str, ...], names: tuple[str, ...]) -> Statement:
    """Book events, and return the keys of those that were not booked before.

    :param alike: the columns that say the same in all of them.
    """
    same = [f":{name}" for name in alike]
    own = ["CAST(said.extra AS JSON)" if name == "extra" else f"said.{name}" for name in names]
    return compiled(
        f"INSERT INTO billing_usage_event ({', '.join((*alike, *names))}) "
        f"SELECT {', '.join((*same, *own))} FROM {_said(dialect, names)} {_ONCE} "
        f"RETURNING {', '.join(EVENT_KEY)}",
        dialect,
    )


@functools.lru_cache(maxsize=384)
def listed_events(alike: tuple[str, ...], names: tuple[str, ...], rows: int) -> str:
    """Book events on SQLite, which takes rows of values in half the time of a JSON text.

    Each value that is bound costs, so what all say alike stands beside the rows.
    """
    same = ", ".join("?" * len(alike))
    listed = ", ".join([f"({', '.join('?' * len(names))})"] * rows)
    return (
        f"INSERT INTO billing_usage_event ({', '.join((*alike, *names))}) "
        f"SELECT {same}, said.* FROM (VALUES {listed}) AS said WHERE true {_ONCE}"
    )


@functools.lru_cache(maxsize=16)
def listed_known(rows: int) -> str:
    """The quantities that keys were booked with up to an event, for SQLite.

    A look where not all were new: RETURNING takes as long as half the insert.
    """
    keys = ", ".join([f"({', '.join('?' * len(EVENT_KEY))})"] * rows)
    return (
        f"WITH said({', '.join(EVENT_KEY)}) AS (VALUES {keys}) "
        f"SELECT {_listed('e', EVENT_KEY)}, e.quantity "
        f"FROM said CROSS JOIN billing_usage_event AS e ON {_same('e', EVENT_KEY)} AND e.id <= ?"
    )


@functools.lru_cache(maxsize=16)
def known(dialect: sa.Dialect) -> Statement:
    """The quantities that keys were booked with, for PostgreSQL."""
    # The span and order, which an equation would not need, lead PostgreSQL to the index of keys.
    # Before it has statistics, the one of times looks as good to it, by which it would read all
    # events of the customer for each key.
    return compiled(
        f"SELECT {_listed('said', EVENT_KEY)}, (SELECT e.quantity FROM billing_usage_event AS e "
        f"WHERE {_same('e', EVENT_KEY[:2])} AND e.idempotency_key >= said.idempotency_key "
        "AND e.idempotency_key <= said.idempotency_key ORDER BY e.idempotency_key LIMIT 1) "
        f"FROM {_said(dialect, EVENT_KEY)}",
        dialect,
    )


@functools.lru_cache(maxsize=16)
def lock(dialect: sa.Dialect) -> Statement:
    """Read counters of several customers and keep others from changing them."""
    columns = _listed(_COUNTER, (*COUNTER_KEY, *COUNTER_STATE))
    said = _said(dialect, (*COUNTER_KEY, "occurred_at", "generation"))
    same = (
        f"{_same(_COUNTER, (*COUNTER_KEY, 'generation'))} "
        f"AND {IN_TIME.format(at='said.occurred_at')}"
    )

    if _has_arrays(dialect):
        sql = (
            f"SELECT {columns} FROM {_COUNTER} JOIN {said} ON {same} "
            f"ORDER BY {_listed(_COUNTER, COUNTER_KEY)} FOR UPDATE OF {_COUNTER}"
        )
    else:  # inside the host's transaction a read alone would lock nothing
        sql = (
            f"UPDATE {_COUNTER} SET used = {_COUNTER}.used FROM {said} WHERE {same} "
            f"RETURNING {columns}"
        )

    return compiled(sql, dialect)


@functools.lru_cache(maxsize=16)
def change(dialect: sa.Dialect) -> Statement:
    """Change counters that are locked, and note the plan and limit they are under.

    Those that are closed keep what they were closed with.
    """
    names = (*COUNTER_KEY, "used_by", "unbilled_by", "plan", "included", "bills_from")
    return compiled(
        f"UPDATE {_COUNTER} SET used = {_COUNTER}.used + said.used_by, "
        f"plan = CASE WHEN {_COUNTER}.closed_at IS NULL "
        f"THEN COALESCE(said.plan, {_COUNTER}.plan) ELSE {_COUNTER}.plan END, "
        f'"limit" = CASE WHEN {_COUNTER}.closed_at IS NULL '
        f'THEN COALESCE(said.included, {_COUNTER}."limit") ELSE {_COUNTER}."limit" END, '
        f"billed_from = {billed_from('said.plan', 'said.included', 'said.bills_from')} "
        "+ said.unbilled_by "
        f"FROM {_said(dialect, names)} WHERE {_same(_COUNTER, COUNTER_KEY)} "
        f"RETURNING {_listed(_COUNTER, (*COUNTER_KEY, *COUNTER_STATE))}",
        dialect,
    )


@functools.lru_cache(maxsize=16)
def rollup(dialect: sa.Dialect) -> Statement:
    """Add to daily sums."""
    names = (*_ROLLUP, "events", "quantity", *ROLLUP_SUMS)
    return compiled(
        f"INSERT INTO billing_usage_rollup ({', '.join(names)}) "
        f"SELECT {_listed('said', names)} FROM {_said(dialect, names)} WHERE true "
        f"ON CONFLICT ({', '.join(_ROLLUP)}) DO UPDATE SET "
        f"{added(('events', 'quantity', *ROLLUP_SUMS))}",
        dialect,
    )


def bind(
    dialect: sa.Dialect, statement: Statement, columns: Columns, alike: c.Mapping[str, object]
) -> Bound:
    """The parameters of a statement: its rows, column by column, and what all say alike."""
    if _has_arrays(dialect):
        said: dict[str, object] = {
            f"said_{name}": _array(values, quoted=name in _TEXTS)
            for name, values in columns.items()
        }
    else:
        said = {"said": json.dumps(list(zip(*columns.values(), strict=True)))}

    return statement.bind({**said, **alike})


def _said(dialect: sa.Dialect, names: c.Sequence[str]) -> str:
    """The rows of the parameters, as a table to select from."""
    if _has_arrays(dialect):
        arrays = ", ".join(f"CAST(:said_{name} AS {_type(name)}[])" for name in names)
        return f"unnest({arrays}) AS said({', '.join(names)})"

    columns = ", ".join(
        f"json_extract(value, '$[{index}]') AS {name}" for index, name in enumerate(names)
    )
    return f"(SELECT {columns} FROM json_each(:said)) AS said"


def _array(values: c.Iterable[t.Any], *, quoted: bool) -> str:
    """An array as PostgreSQL reads it. The driver would take longer for it than the server."""
    if not quoted:  # numbers and times
        return f"{{{','.join(map(str, values)).replace('None', 'NULL')}}}"

    texts = [
        "NULL" if value is None else '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
        for value in values
    ]
    return f"{{{','.join(texts)}}}"


def _type(name: str) -> str:
    if name in _TEXTS:
        return "TEXT"

    if name == "occurred_at":
        return "TIMESTAMP WITH TIME ZONE"

    return "DATE" if name == "day" else "BIGINT"


def _listed(table: str, names: c.Iterable[str]) -> str:
    return ", ".join(f"{table}.{name}" for name in names)


def _same(table: str, names: c.Iterable[str]) -> str:
    return " AND ".join(f"{table}.{name} = said.{name}" for name in names)


def _has_arrays(dialect: sa.Dialect) -> bool:
    return dialect.name == "postgresql"
