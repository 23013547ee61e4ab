"""Counters that reported of the same time: together no more than was used in it.

Periods of one window follow one another. Those of two overlap, where the catalog changed the one
that is reported, and those of two billing cycles, where one was moved at Stripe.
"""

from __future__ import annotations

import typing as t
from datetime import datetime

import sqlalchemy as sa

from ..models import UsageCounter, UsageEvent
from . import billable
from .export_keys import Key, named, of_meter

_START, _END = UsageCounter.period_start, UsageCounter.period_end


class Stretch(t.NamedTuple):
    """A time over which whatever was reported of it was used in it.

    :param start: None where it has no beginning.
    :param end: None where it has no end.
    :param buckets: of the counters that reported of it.
    :param reported: their units.
    """

    start: datetime | None
    end: datetime | None
    buckets: tuple[str, ...]
    reported: int


def stretch(connection: sa.Connection, key: Key) -> Stretch:
    """A counter's period, with all that overlaps it, and what overlaps that."""
    start, end = connection.execute(sa.select(_START, _END).where(*named(key))).one()

    while True:
        found = connection.execute(
            sa.select(UsageCounter.bucket, UsageCounter.reported, _START, _END)
            .where(
                *of_meter(key),
                UsageCounter.bucket.not_like("%|%"),
                UsageCounter.reported != 0,
                sa.true() if start is None else sa.or_(_END.is_(None), start < _END),
                sa.true() if end is None else sa.or_(_START.is_(None), end > _START),
            )
            .order_by(UsageCounter.bucket)
        ).all()
        whole = (
            min((start, *(one.period_start for one in found)), key=_from_the_first),
            max((end, *(one.period_end for one in found)), key=_to_the_last),
        )

        if whole == (start, end):
            buckets = tuple(one.bucket for one in found)
            return Stretch(start, end, buckets, sum(one.reported for one in found))

        start, end = whole


def left(connection: sa.Connection, key: Key) -> int | None:
    """Units that nobody reported of a counter's time, and of what that overlaps with.

    :returns: None where no other counter reported of that time.
    """
    found = stretch(connection, key)

    if set(found.buckets) <= {key.bucket}:
        return None

    used = connection.scalar(
        sa.select(sa.func.coalesce(sa.func.sum(billable.quantity(key.meter)), 0)).where(
            UsageEvent.customer_id == key.customer_id,
            UsageEvent.meter == key.meter,
            sa.true() if found.start is None else UsageEvent.occurred_at >= found.start,
            sa.true() if found.end is None else UsageEvent.occurred_at < found.end,
        )
    )
    return max(0, int(used or 0) - found.reported)


def _from_the_first(start: datetime | None) -> tuple[bool, float]:
    return (start is not None, 0 if start is None else start.timestamp())


def _to_the_last(end: datetime | None) -> tuple[bool, float]:
    return (end is None, 0 if end is None else end.timestamp())
