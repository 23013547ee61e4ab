"""What counters, daily sums and grants say, and what the events, holds and uses come to."""

from __future__ import annotations

import dataclasses
import typing as t
from datetime import date, datetime

import sqlalchemy as sa

from .. import database
from ..models import (
    CreditGrant,
    CreditUse,
    UsageCounter,
    UsageEvent,
    UsageReservation,
    UsageRollup,
)
from . import counting

#: What a daily sum is kept apart by, beside customer, meter and day.
DIMENSIONS: t.Final = ("provider", "model", "endpoint", "member")
#: What of a daily sum is compared. How many uses there were is not in the events alone.
SUMS: t.Final = ("quantity", "input_tokens", "output_tokens", "cached_tokens", "cost_total")

What = t.Literal["used", "reserved", "credited", "daily sum", "grant used", "grant held", "Stripe"]


@dataclasses.dataclass(frozen=True)
class Difference:
    """One figure that is not what it sums up.

    :param where: key of the counter; of a daily sum its day and dimensions; id of a grant.
    :param booked: the figure.
    :param summed: what it should be; with several sums of a day, all of them.
    """

    customer_id: int
    meter: str
    what: What
    where: tuple[t.Any, ...]
    booked: tuple[int, ...]
    summed: tuple[int, ...]
    repaired: bool = False

    def __str__(self) -> str:
        place = " ".join(str(part) for part in self.where if part != "")
        figures = f"{_shown(self.booked)}, and {_shown(self.summed)} by what it sums up"
        done = "; repaired" if self.repaired else ""
        return f"customer {self.customer_id}, {self.meter} {place}: {self.what} {figures}{done}"


def differences(customer_id: int, start: datetime) -> tuple[int, list[Difference]]:
    """Every figure of a customer compared, and those that differ.

    :param start: what ended before is left out.
    """
    with database.reading() as connection:
        compared, found = 0, []

        for look in (_counters, _rollups, _grants):
            count, wrong = look(connection, customer_id, start)
            compared += count
            found += wrong

    return compared, found


def _counters(
    connection: sa.Connection, customer_id: int, start: datetime
) -> tuple[int, list[Difference]]:
    counters = connection.execute(
        sa.select(UsageCounter.__table__).where(
            UsageCounter.customer_id == customer_id,
            sa.or_(UsageCounter.period_end.is_(None), UsageCounter.period_end >= start),
        )
    ).all()
    resets = counting.read_resets(connection, customer_id)
    held = _holds(connection, customer_id)
    found = []

    for counter in counters:
        on_hold, covered = held.get((counter.meter, counter.bucket), (0, 0))
        used, credited = _summed(connection, counter, resets)
        place = (customer_id, counter.meter)
        where = (counter.bucket,)

        if counter.reserved != on_hold:
            found.append(Difference(*place, "reserved", where, (counter.reserved,), (on_hold,)))

        if counter.used != used:
            found.append(Difference(*place, "used", where, (counter.used,), (used,)))
        elif counter.credited != credited + covered:
            summed = (credited + covered,)
            found.append(Difference(*place, "credited", where, (counter.credited,), summed))

    return len(counters), found


def _summed(connection: sa.Connection, counter: t.Any, resets: counting.Resets) -> tuple[int, int]:
    """What the events of a counter come to, and what of it credits covered."""
    rows = connection.execute(
        sa.select(
            UsageEvent.member,
            sa.func.sum(UsageEvent.quantity).label("quantity"),
            sa.func.sum(UsageEvent.credits).label("credits"),
        )
        .where(*counting.events_of(counter, resets))
        .group_by(UsageEvent.member)
    ).all()
    mine = [row for row in rows if counting.is_of_member(counter.bucket, row.member)]
    return sum(int(row.quantity) for row in mine), sum(int(row.credits or 0) for row in mine)


def _holds(connection: sa.Connection, customer_id: int) -> dict[tuple[str, str], tuple[int, int]]:
    """Units held by meter and bucket, and those of them that credits cover."""
    found: dict[tuple[str, str], tuple[int, int]] = {}
    rows = connection.execute(
        sa.select(UsageReservation.meter, UsageReservation.amount, UsageReservation.buckets).where(
            UsageReservation.customer_id == customer_id, UsageReservation.state == "open"
        )
    )

    for row in rows:
        for bucket, covered in row.buckets:
            held, covers = found.get((row.meter, bucket), (0, 0))
            found[row.meter, bucket] = (held + row.amount, covers + covered)

    return found


def _rollups(
    connection: sa.Connection, customer_id: int, start: datetime
) -> tuple[int, list[Difference]]:
    first = start.date()
    booked = {
        (row.meter, row.day, *[getattr(row, name) for name in DIMENSIONS]): tuple(
            getattr(row, name) for name in SUMS
        )
        for row in connection.execute(
            sa.select(UsageRollup.__table__).where(
                UsageRollup.customer_id == customer_id, UsageRollup.day >= first
            )
        )
    }
    summed = _events_by_day(connection, customer_id, first)
    nothing = (0,) * len(SUMS)
    found = [
        Difference(customer_id, key[0], "daily sum", key[1:], was, is_)
        for key in sorted({*booked, *summed})
        if (was := booked.get(key, nothing)) != (is_ := summed.get(key, nothing))
    ]
    return len(booked), found


def _events_by_day(
    connection: sa.Connection, customer_id: int, first: date
) -> dict[tuple[t.Any, ...], tuple[int, ...]]:
    moment: sa.ColumnElement[t.Any] = sa.type_coerce(UsageEvent.occurred_at, sa.DateTime())

    if connection.dialect.name == "postgresql":
        moment = sa.func.timezone("UTC", UsageEvent.occurred_at)

    day = sa.func.date(moment, type_=sa.Date())
    keys = [sa.func.coalesce(getattr(UsageEvent, name), "").label(name) for name in DIMENSIONS]
    sums = [sa.func.coalesce(sa.func.sum(getattr(UsageEvent, name)), 0) for name in SUMS]
    rows = connection.execute(
        sa.select(UsageEvent.meter, day, *keys, *sums)
        .where(UsageEvent.customer_id == customer_id, day >= first)
        .group_by(UsageEvent.meter, day, *keys)
    )
    width = 2 + len(keys)
    return {tuple(row[:width]): tuple(int(value) for value in row[width:]) for row in rows}


def _grants(
    connection: sa.Connection, customer_id: int, start: datetime
) -> tuple[int, list[Difference]]:
    uses = (
        sa.select(sa.func.coalesce(sa.func.sum(CreditUse.quantity), 0))
        .where(CreditUse.grant_id == CreditGrant.id)
        .scalar_subquery()
    )
    grants = connection.execute(
        sa.select(
            CreditGrant.id, CreditGrant.meter, CreditGrant.used, CreditGrant.reserved, uses
        ).where(CreditGrant.customer_id == customer_id)
    ).all()
    held: dict[int, int] = {}
    open_holds = connection.scalars(
        sa.select(UsageReservation.grants).where(
            UsageReservation.customer_id == customer_id, UsageReservation.state == "open"
        )
    )

    for parts in open_holds:
        for grant_id, units in parts or ():
            held[grant_id] = held.get(grant_id, 0) + units

    found = []

    for grant_id, meter, used, reserved, summed in grants:
        place = (customer_id, meter)

        if used != summed:
            figures = ((used,), (int(summed),))
            found.append(Difference(*place, "grant used", (grant_id,), *figures))

        if reserved != held.get(grant_id, 0):
            figures = ((reserved,), (held.get(grant_id, 0),))
            found.append(Difference(*place, "grant held", (grant_id,), *figures))

    return len(grants), found


def _shown(figures: tuple[int, ...]) -> str:
    return "/".join(f"{figure:,}" for figure in figures)
