"""What a period comes to, day by day, and what the days it is compared with came to: one query.

Periods of billing begin and end at a moment of a day, and daily sums tell no part of one. So what
of that day lies outside is summed from its events, which costs as much as there are on it.
"""

from __future__ import annotations

import dataclasses
import functools
import operator
import typing as t
from datetime import UTC, date, datetime, time, timedelta

import sqlalchemy as sa

from .. import database
from ..models import Customer, UsageEvent, UsageRollup
from ..models.base import UTCDateTime
from ..prepared import Prepared, Row
from ..state import state
from . import store
from .history import SUMS, By, UsageSum

#: All that daily sums are kept apart by.
EVERY: t.Final[tuple[By, ...]] = ("meter", "day", "provider", "model", "endpoint", "member")

_TEXTS: t.Final = EVERY[2:]
_DAY: t.Final = timedelta(days=1)
_sums_in: t.Final = operator.itemgetter(*SUMS)
_keys_in: t.Final = operator.itemgetter(*EVERY)
# Not parameters: there would be dozens.
_NOTHING: t.Final = sa.literal_column("''", sa.String())
_ZERO: t.Final = sa.literal_column("0", sa.BigInteger())
_CUSTOMER: t.Final = sa.bindparam("customer", type_=sa.BigInteger())


@dataclasses.dataclass(frozen=True, slots=True)
class PeriodSums:
    """What was used in a period.

    :param days: told apart by all of :data:`EVERY`, in their order.
    :param before: meter -> what the days came to that it is compared with.
    """

    days: list[UsageSum]
    before: dict[str, UsageSum]


def period_sums(
    customer: Customer,
    first: date,
    last: date,
    before: tuple[date, date],
    *,
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
) -> PeriodSums:
    """Read what was used in a period.

    :param first: its first day (UTC); ``last`` is its last one.
    :param before: the first and the last day to compare with.
    :param starts_at: the moment of the first day that it begins at; None is with the day.
    :param ends_at: the moment of the last day that it has ended at; None is with the day.
    """
    current = state()
    meters = tuple([meter.key for meter in current.catalog.meters])
    moments = {"start": starts_at, "end": ends_at}
    within = {name: moment for name, moment in moments.items() if moment is not None}
    asked: dict[str, object] = {
        "customer": customer.id,
        "first": first,
        "last": last if ends_at is None else last - _DAY,
        "before_first": before[0],
        "before_last": before[1],
    }

    for name, moment in within.items():
        day = moment.astimezone(UTC).date()
        midnight = datetime.combine(day, time(), UTC)
        asked |= {name: moment, f"{name}_day": day, f"{name}_midnight": midnight}

    def attempt() -> list[Row]:
        with database.reading() as connection:
            return _query(connection.dialect, meters, tuple(within)).rows(connection, asked)

    return _read(store.persistently(current, attempt))


def _read(rows: list[Row]) -> PeriodSums:
    days: dict[tuple[t.Any, ...], tuple[int, ...]] = {}
    outside: dict[tuple[t.Any, ...], tuple[int, ...]] = {}
    before: dict[str, UsageSum] = {}

    for row in rows:
        keys, sums = _keys_in(row), _sums_in(row)

        if row["kind"] == "before":
            before[row["meter"]] = UsageSum((row["meter"],), *sums)
        elif row["kind"] == "start":
            outside[keys] = sums
        else:
            days[keys] = sums

    for keys in outside.keys() & days.keys():
        days[keys] = tuple(map(operator.sub, days[keys], outside[keys]))

    used = [keys for keys in sorted(days) if keys not in outside or any(days[keys])]
    return PeriodSums([UsageSum(keys, *days[keys]) for keys in used], before)


@functools.lru_cache(maxsize=64)
def _query(dialect: sa.Dialect, meters: tuple[str, ...], moments: tuple[str, ...]) -> Prepared:
    """The query for a catalog's meters, built once: that costs more than running it.

    :param moments: ``start`` and ``end``, of those that are within a day.
    """
    parts = [_days(), _before(), *[_used_before(moment, meters) for moment in moments]]
    return Prepared(sa.union_all(*parts), dialect)


def _days() -> sa.Select[*tuple[t.Any, ...]]:
    table = UsageRollup.__table__.c
    return sa.select(_kind("day"), *[table[name] for name in (*EVERY, *SUMS)]).where(
        UsageRollup.customer_id == _CUSTOMER, _between("first", "last")
    )


def _before() -> sa.Select[*tuple[t.Any, ...]]:
    nothing = [_NOTHING.label(name) for name in _TEXTS]
    # PostgreSQL makes a NUMERIC of a sum.
    sums = [
        sa.cast(sa.func.sum(getattr(UsageRollup, name)), sa.BigInteger()).label(name)
        for name in SUMS
    ]
    day = sa.cast(sa.null(), sa.Date()).label("day")
    return (
        sa.select(_kind("before"), UsageRollup.meter, day, *nothing, *sums)
        .where(UsageRollup.customer_id == _CUSTOMER, _between("before_first", "before_last"))
        .group_by(UsageRollup.meter)
    )


def _used_before(moment: str, meters: tuple[str, ...]) -> sa.Select[*tuple[t.Any, ...]]:
    """What was used on a moment's day before it."""
    event = UsageEvent
    texts = [sa.func.coalesce(getattr(event, name), _NOTHING).label(name) for name in _TEXTS]
    # As the daily sums count: what was taken back takes its use away, another quantity none.
    uses = sa.case(
        (event.idempotency_key.startswith("correction:"), 0), (event.quantity < 0, -1), else_=1
    )
    columns = [uses, *(getattr(event, name) for name in SUMS[1:])]
    sums = [
        sa.cast(sa.func.coalesce(sa.func.sum(column), _ZERO), sa.BigInteger()).label(name)
        for name, column in zip(SUMS, columns, strict=True)
    ]
    day = sa.bindparam(f"{moment}_day", type_=sa.Date()).label("day")
    return (
        sa.select(_kind(moment), event.meter, day, *texts, *sums)
        .where(
            event.customer_id == _CUSTOMER,
            event.meter.in_([sa.literal(meter) for meter in meters]),
            event.occurred_at >= sa.bindparam(f"{moment}_midnight", type_=UTCDateTime()),
            event.occurred_at < sa.bindparam(moment, type_=UTCDateTime()),
        )
        .group_by(event.meter, *texts)
    )


def _between(first: str, last: str) -> sa.ColumnElement[bool]:
    return UsageRollup.day.between(
        sa.bindparam(first, type_=sa.Date()), sa.bindparam(last, type_=sa.Date())
    )


def _kind(name: str) -> sa.Label[str]:
    return sa.literal_column(f"'{name}'", sa.String()).label("kind")
