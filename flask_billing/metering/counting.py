"""Which events a counter counts: one rule, for a row at hand and for a sum in SQL.

Hours to months tell by their time. Billing periods overlap where a subscription begins anew, and
one-shot allowances count what is used while they are in force: for these the event says it.
"""

from __future__ import annotations

import collections.abc as c
import typing as t
from datetime import datetime

import sqlalchemy as sa

from ..models import UsageCounter, UsageEpoch, UsageEvent
from .buckets import PREFIXES, member_mark, resets_before, unmarked

#: Meter -> when an admin reset its billing periods, ascending.
Resets = dict[str, list[datetime]]

_MARK: t.Final = "|member="
_CYCLE: t.Final = PREFIXES["billing_period"]


def read_resets(connection: sa.Connection, customer_id: int) -> Resets:
    """When a customer's billing periods were reset."""
    found: Resets = {}

    for meter, starts_at in connection.execute(
        sa.select(UsageEpoch.meter, UsageEpoch.starts_at)
        .where(UsageEpoch.customer_id == customer_id, UsageEpoch.window == "billing_period")
        .order_by(UsageEpoch.epoch)
    ):
        found.setdefault(meter, []).append(starts_at)

    return found


def counters_of(connection: sa.Connection, event: t.Any) -> list[str]:
    """The keys of the open counters that count an event, in the order they are locked in."""
    resets = read_resets(connection, event.customer_id)
    end = UsageCounter.period_end
    # Most have ended long before.
    may_count = sa.or_(
        end.is_(None), end > event.occurred_at, UsageCounter.bucket.startswith(_CYCLE)
    )
    counters = connection.execute(
        sa.select(UsageCounter.meter, UsageCounter.bucket, UsageCounter.period_start, end)
        .where(
            UsageCounter.customer_id == event.customer_id,
            UsageCounter.meter == event.meter,
            may_count,
        )
        .order_by(UsageCounter.bucket)
    )
    return [counter.bucket for counter in counters if _counts(counter, event, resets)]


def events_of(counter: t.Any, resets: Resets) -> list[sa.ColumnElement[bool]]:
    """The condition that an event is counted, but for its member."""
    start, end = _bounds(counter, resets)
    found = [
        UsageEvent.customer_id == counter.customer_id,
        UsageEvent.meter == counter.meter,
        *([UsageEvent.occurred_at >= start] if start is not None else []),
        *([UsageEvent.occurred_at < end] if end is not None else []),
    ]
    key = unmarked(counter.bucket)

    if key.startswith(_CYCLE):
        found.append(UsageEvent.billing_period == key)
    elif key == PREFIXES["lifetime"]:
        found.append(UsageEvent.one_shot.contains(_scope(counter.bucket)))

    return found


def is_of_member(bucket: str, member: str | None) -> bool:
    """Whether a counter counts what a member uses."""
    _, marked, mark = bucket.partition(_MARK)
    return not marked or mark == member_mark(member or "")


def _counts(counter: t.Any, event: t.Any, resets: Resets) -> bool:
    start, end = _bounds(counter, resets)

    if (start is not None and event.occurred_at < start) or (
        end is not None and event.occurred_at >= end
    ):
        return False

    key = unmarked(counter.bucket)

    if key.startswith(_CYCLE) and event.billing_period != key:
        return False

    if key == PREFIXES["lifetime"] and _scope(counter.bucket) not in (event.one_shot or ""):
        return False

    return is_of_member(counter.bucket, event.member)


def _bounds(counter: t.Any, resets: Resets) -> tuple[datetime | None, datetime | None]:
    """From when until when it counts. A billing period is bounded by resets alone.

    Its own end moves with the subscription, and the events of the period with it.
    """
    if not counter.bucket.startswith(_CYCLE):
        return counter.period_start, counter.period_end

    times: c.Sequence[datetime] = resets.get(counter.meter, ())
    number = resets_before(counter.bucket)
    return (
        times[number - 1] if 0 < number <= len(times) else None,
        times[number] if number < len(times) else None,
    )


def _scope(bucket: str) -> str:
    return "member" if _MARK in bucket else "customer"
