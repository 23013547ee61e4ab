"""One query for all that a decision needs to know of a customer.

Subscriptions, overrides, resets, the counters open now and the time of each meter's last event
come back as rows of one shape, told apart by ``kind``. Pages ask often, so they ask once.
"""

from __future__ import annotations

import collections.abc as c
import dataclasses
import functools
import typing as t
from datetime import datetime, timedelta

import sqlalchemy as sa

from .. import access
from ..database import reading
from ..errors import InvalidUsageError
from ..models import (
    CreditGrant,
    Customer,
    LimitOverride,
    Subscription,
    UsageCounter,
    UsageEpoch,
    UsageEvent,
)
from ..models.base import UTCDateTime
from ..prepared import Prepared, Row
from .limits import Facts, Override

_TEXTS, _NUMBERS, _TIMES = 4, 5, 7
#: How far days of two time zones can overlap. A period that ended within it is read too.
_OVERLAP: t.Final = timedelta(hours=27)
_CUSTOMER: t.Final = sa.bindparam("customer", type_=sa.BigInteger())
_NOW: t.Final = sa.bindparam("now", type_=UTCDateTime())
_RECENTLY: t.Final = sa.bindparam("recently", type_=UTCDateTime())


@dataclasses.dataclass(frozen=True, slots=True)
class Counter:
    """A counter that is open, or was until a moment ago, with its period as it was opened."""

    meter: str
    bucket: str
    used: int
    reserved: int
    credited: int
    #: Plan and included units when it was last noted.
    terms: tuple[str | None, int | None]
    start: datetime | None
    end: datetime | None
    #: What was in force when a counter was opened beside it last, and the number of that.
    windows: str | None
    generation: int


@dataclasses.dataclass(frozen=True, slots=True)
class Snapshot:
    """A customer's facts and counters, read at one moment.

    :param credits: meter -> units of credit left, for meters that have any.
    :param last_events: meter -> time of its latest event, for meters that have any.
    """

    facts: Facts
    counters: dict[tuple[str, str], Counter]
    last_events: dict[str, datetime]
    credits: dict[str, int]


def read_snapshot(customer_id: int, meters: c.Iterable[str], now: datetime) -> Snapshot:
    """Read a customer, past every cache.

    :param now: business time; decides which counters and overrides are open.
    :raises InvalidUsageError: where no such customer is committed.
    """
    rows: dict[str, list[Row]] = {}

    with reading() as connection:
        query = _query(connection.dialect, tuple(meters))
        found = query.rows(
            connection, {"customer": customer_id, "now": now, "recently": now - _OVERLAP}
        )

    for row in found:
        rows.setdefault(row["kind"], []).append(row)

    if "customer" not in rows:
        raise InvalidUsageError(
            f"There is no customer {customer_id}. Nothing was booked. Commit a new customer "
            "before its usage, or let 'billing.customer_for(owner)' create it."
        )

    return Snapshot(
        _facts(customer_id, rows),
        _counters_of(rows.get("counter", ())),
        {row["text0"]: row["time0"] for row in rows.get("event", ()) if row["time0"] is not None},
        {row["text0"]: row["number0"] for row in rows.get("grant", ())},
    )


def read_counters(customer_id: int, meter: str, at: datetime) -> dict[tuple[str, str], Counter]:
    """The counters of a meter that had not ended at a moment, by meter and bucket."""
    with reading() as connection:
        query = _counters_query(connection.dialect)
        return _counters_of(
            query.rows(connection, {"customer": customer_id, "meter": meter, "now": at})
        )


def _counters_of(rows: c.Iterable[Row]) -> dict[tuple[str, str], Counter]:
    found = [
        Counter(
            row["text0"],
            row["text1"],
            row["number0"],
            row["number1"],
            row["number2"],
            (row["text2"], row["number3"]),
            row["time0"],
            row["time1"],
            row["text3"],
            row["number4"],
        )
        for row in rows
    ]
    return {(counter.meter, counter.bucket): counter for counter in found}


def _facts(customer_id: int, rows: dict[str, list[Row]]) -> Facts:
    customer = rows["customer"][0]
    found = access.decide([_subscription(row) for row in _newest(rows.get("subscription", []))])
    live = found.subscription if found.allowed and found.reason != "free" else None
    overrides = sorted(rows.get("override", ()), key=lambda row: -row["number0"])
    return Facts(
        customer_id,
        found.plan.key if found.plan else None,
        found.trialing,
        _anchor(live) or customer["time0"],
        customer["time0"],
        _trial(live),  # when it is over too: what happened in it is booked into it
        live.started_at if live is not None else None,
        customer["text0"],
        tuple(Override(row["text0"], row["text1"], row["number1"]) for row in overrides),
        _resets(rows.get("epoch", [])),
    )


def _resets(rows: list[Row]) -> dict[tuple[str, str], tuple[datetime, ...]]:
    found: dict[tuple[str, str], list[datetime]] = {}

    for row in sorted(rows, key=lambda row: row["number0"]):
        found.setdefault((row["text0"], row["text1"]), []).append(row["time0"])

    return {key: tuple(times) for key, times in found.items()}


@functools.lru_cache(maxsize=64)
def _query(dialect: sa.Dialect, meters: tuple[str, ...]) -> Prepared:
    """The query for a catalog's meters, built once: that costs more than running it."""
    rows = sa.union_all(
        _subscriptions(),
        _row("customer", [Customer.timezone], times=[Customer.created_at]).where(
            Customer.id == _CUSTOMER
        ),
        _overrides(),
        _row(
            "epoch",
            [UsageEpoch.meter, UsageEpoch.window],
            [UsageEpoch.epoch],
            [UsageEpoch.starts_at],
        ).where(UsageEpoch.customer_id == _CUSTOMER),
        _counters(),
        _grants(),
        *(_last_event(meter) for meter in meters),
    ).subquery()
    return Prepared(sa.select(*rows.c), dialect)


#: The pause, while it holds: before it begins and after it ends there is none.
_PAUSE_NOW: t.Final = sa.case(
    (
        sa.or_(Subscription.pause_starts_at > _NOW, Subscription.pause_resumes_at <= _NOW),
        sa.null(),
    ),
    else_=Subscription.pause,
)


def _subscriptions() -> sa.Select[t.Any]:
    return _row(
        "subscription",
        [Subscription.status, Subscription.plan, Subscription.last_plan, _PAUSE_NOW],
        # The first select of a union says of which type its columns are.
        [Subscription.id, *[sa.cast(sa.null(), sa.BigInteger())] * (_NUMBERS - 1)],
        [
            Subscription.trial_start,
            Subscription.trial_end,
            Subscription.cancel_at,
            Subscription.past_due_since,
            Subscription.anchor,
            Subscription.current_period_start,
            Subscription.started_at,
        ],
    ).where(Subscription.customer_id == _CUSTOMER)


def _overrides() -> sa.Select[t.Any]:
    return _row(
        "override",
        [LimitOverride.meter, LimitOverride.window],
        [LimitOverride.id, LimitOverride.limit],
    ).where(
        LimitOverride.customer_id == _CUSTOMER,
        LimitOverride.starts_at <= _NOW,
        sa.or_(LimitOverride.ends_at.is_(None), LimitOverride.ends_at > _NOW),
    )


def _counters() -> sa.Select[t.Any]:
    return _counter_rows().where(
        UsageCounter.customer_id == _CUSTOMER,
        sa.or_(
            UsageCounter.period_end.is_(None),
            UsageCounter.period_end > _NOW,
            sa.and_(
                UsageCounter.period_end > _RECENTLY,
                UsageCounter.bucket.not_like("h:%"),
            ),
        ),
    )


@functools.lru_cache(maxsize=16)
def _counters_query(dialect: sa.Dialect) -> Prepared:
    # The union says of which type the numbers are; here there is none.
    rows = _counter_rows().where(
        UsageCounter.customer_id == _CUSTOMER,
        UsageCounter.meter == sa.bindparam("meter", type_=sa.String()),
        sa.or_(UsageCounter.period_end.is_(None), UsageCounter.period_end > _NOW),
    )
    return Prepared(rows, dialect)


def _counter_rows() -> sa.Select[t.Any]:
    return _row(
        "counter",
        [UsageCounter.meter, UsageCounter.bucket, UsageCounter.plan, UsageCounter.windows],
        [
            UsageCounter.used,
            UsageCounter.reserved,
            UsageCounter.credited,
            UsageCounter.limit,
            UsageCounter.generation,
        ],
        [UsageCounter.period_start, UsageCounter.period_end],
    )


def _grants() -> sa.Select[t.Any]:
    left = sa.func.sum(CreditGrant.amount - CreditGrant.used - CreditGrant.reserved)
    return (
        _row("grant", [CreditGrant.meter], [sa.cast(left, sa.BigInteger())])
        .where(
            CreditGrant.customer_id == _CUSTOMER,
            CreditGrant.starts_at <= _NOW,
            sa.or_(CreditGrant.expires_at.is_(None), CreditGrant.expires_at > _NOW),
        )
        .group_by(CreditGrant.meter)
    )


def _last_event(meter: str) -> sa.Select[t.Any]:
    key = sa.literal(meter)
    latest = (
        sa.select(sa.func.max(UsageEvent.occurred_at))
        .where(UsageEvent.customer_id == _CUSTOMER, UsageEvent.meter == key)
        .scalar_subquery()
    )
    return _row("event", [key], times=[latest])


def _row(
    kind: str,
    texts: c.Sequence[t.Any],
    numbers: c.Sequence[t.Any] = (),
    times: c.Sequence[t.Any] = (),
) -> sa.Select[t.Any]:
    """A select of the common shape, padded with NULLs."""
    return sa.select(
        # Not a parameter: psycopg takes a statement apart anew where it is longer than 4 kB.
        sa.literal_column(f"'{kind}'", sa.String()).label("kind"),
        *_padded("text", texts, _TEXTS, sa.String()),
        *_padded("number", numbers, _NUMBERS, sa.BigInteger()),
        *_padded("time", times, _TIMES, UTCDateTime()),
    )


def _padded(
    name: str, columns: c.Sequence[t.Any], width: int, kind: sa.types.TypeEngine[t.Any]
) -> c.Iterator[sa.Label[t.Any]]:
    for index in range(width):
        column = columns[index] if index < len(columns) else sa.null()
        yield sa.label(f"{name}{index}", sa.type_coerce(column, kind))


def _newest(rows: list[Row]) -> list[Row]:
    def age(row: Row) -> tuple[float, int]:
        return (row["time6"].timestamp() if row["time6"] else 0.0, row["number0"])

    return sorted(rows, key=age, reverse=True)


def _subscription(row: Row) -> Subscription:
    return Subscription(
        id=row["number0"],
        status=row["text0"],
        plan=row["text1"],
        last_plan=row["text2"],
        pause=row["text3"],
        trial_start=row["time0"],
        trial_end=row["time1"],
        cancel_at=row["time2"],
        past_due_since=row["time3"],
        anchor=row["time4"],
        current_period_start=row["time5"],
        started_at=row["time6"],
    )


def _anchor(subscription: Subscription | None) -> datetime | None:
    if subscription is None:
        return None

    return subscription.anchor or subscription.current_period_start or subscription.started_at


def _trial(subscription: Subscription | None) -> tuple[datetime, datetime] | None:
    if subscription is None or not subscription.trial_start or not subscription.trial_end:
        return None

    return subscription.trial_start, subscription.trial_end
