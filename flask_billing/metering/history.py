"""What was used before: daily sums by dimension, which never look at single events.

Sums are written with each event, in the same atomic step. A read costs as much for a million
events as for ten.
"""

from __future__ import annotations

import collections.abc as c
import dataclasses
import functools
import typing as t
from datetime import UTC, date, datetime, timedelta

import sqlalchemy as sa

from .. import database
from ..errors import InvalidUsageError
from ..models import Customer, UsageRollup
from ..owners import id_of
from ..state import state
from . import store
from .inputs import find_meter

#: What sums can be told apart by.
By = t.Literal["day", "meter", "provider", "model", "endpoint", "member"]
Key = date | str

SUMS: t.Final = (
    "events", "quantity", "input_tokens", "output_tokens", "cached_tokens",
    "cost_prompt", "cost_completion", "cost_cached", "cost_total", "cost_saved",
)  # fmt: skip
_INSTANT: t.Final = timedelta(microseconds=1)


# Not frozen: a report is made of hundreds, and each would take four times as long.
@dataclasses.dataclass(slots=True, unsafe_hash=True)
class UsageSum:
    """What the uses of one group come to.

    Costs are in millionths of the currency's minor unit. ``input_tokens`` include cached ones.

    :param keys: what the group is of, in the order asked for; an empty text is "not said".
    :param events: uses, less those that were taken back.
    :param quantity: in the meter's smallest unit.
    :param cost_saved: what cached tokens would have cost more, had they not been cached.
    """

    keys: tuple[Key, ...]
    events: int = 0
    quantity: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cost_prompt: int = 0
    cost_completion: int = 0
    cost_cached: int = 0
    cost_total: int = 0
    cost_saved: int = 0

    @property
    def key(self) -> Key:
        """The first of the keys."""
        return self.keys[0]


def history(
    customer: Customer,
    meter: str | None,
    start: date,
    end: date,
    *,
    by: By | c.Sequence[By] = "day",
) -> list[UsageSum]:
    """What was used of a meter in some days, by day or by a dimension.

    By day alone, each day is there, with zeros where nothing was used.

    :param meter: None is all of them, which are best told apart by "meter".
    :param start: the first day (UTC), or a moment in it.
    :param end: the last day (UTC); of a moment, the last day before it.
    :param by: one of day, meter, provider, model, endpoint and member, or several of them.
    :raises InvalidUsageError: for an unknown meter or dimension, or an end before the start.
    """
    if meter is not None:
        find_meter(state(), meter)

    names = names_of(by)
    first, last = days(start, end)
    found = read(names, first, last, id_of(customer), meter)

    if names == ("day",):
        by_day = {one.key: one for one in found}
        span = (first + timedelta(days=index) for index in range((last - first).days + 1))
        return [by_day.get(day) or UsageSum((day,)) for day in span]

    return found


def read(
    names: tuple[By, ...], first: date, last: date, customer_id: int, meter: str | None = None
) -> list[UsageSum]:
    """The sums of some days, ordered by their keys.

    :param meter: None is all of them.
    """
    statement = _statement(names, one_meter=meter is not None)
    asked = {"customer": customer_id, "meter": meter, "first": first, "last": last}

    def attempt() -> list[UsageSum]:
        with database.reading() as connection:
            rows = connection.execute(statement, asked).all()

        return [UsageSum(tuple(row[: len(names)]), *row[len(names) :]) for row in rows]

    return store.persistently(state(), attempt)


@functools.lru_cache(maxsize=64)
def _statement(names: tuple[By, ...], *, one_meter: bool) -> sa.Select[t.Any]:
    """The query, built once: that costs more than running it."""
    columns = [getattr(UsageRollup, name) for name in names]
    # PostgreSQL makes a NUMERIC of a sum.
    sums = [sa.cast(sa.func.sum(getattr(UsageRollup, name)), sa.BigInteger()) for name in SUMS]
    every: list[sa.ColumnElement[t.Any]] = [*columns, *sums]
    where = [
        UsageRollup.customer_id == sa.bindparam("customer"),
        UsageRollup.day.between(sa.bindparam("first"), sa.bindparam("last")),
    ]

    if one_meter:
        where.append(UsageRollup.meter == sa.bindparam("meter"))

    return sa.select(*every).where(*where).group_by(*columns).order_by(*columns)


def names_of(by: By | c.Sequence[By]) -> tuple[By, ...]:
    """What to tell apart by, as a tuple.

    :raises InvalidUsageError: for what is no dimension of the daily sums.
    """
    names = (by,) if isinstance(by, str) else tuple(by)
    unknown = [name for name in names if name not in t.get_args(By)]

    if unknown or not names or len(set(names)) < len(names):
        raise InvalidUsageError(
            f"Usage cannot be told apart by {by!r}. Choose among {', '.join(t.get_args(By))}, "
            "each once. Nothing was changed."
        )

    return names


def days(start: date, end: date) -> tuple[date, date]:
    """The first and the last day (UTC) of a span.

    :param end: a day is included; of a moment, the last day before it.
    :raises InvalidUsageError: for a moment without a zone, or an end before the start.
    """
    first, last = _day(start), _day(end, -_INSTANT)

    if last < first:
        raise InvalidUsageError(
            f"The span from {start} to {end} has no day. Nothing was changed. Pass the earlier "
            "day first."
        )

    return first, last


def _day(value: date, shift: timedelta = timedelta(0)) -> date:
    if not isinstance(value, datetime):
        return value

    if value.tzinfo is None:
        raise InvalidUsageError(
            f"{value!r} has no time zone, so it is in no certain day. Nothing was changed. "
            "Pass a date, or an aware time."
        )

    return (value.astimezone(UTC) + shift).date()
