"""The counters that are reported to Stripe, and the moment each unit is reported for.

Stripe bills usage by its timestamp, so that is a moment of the counter's own period, and on the
same side of a subscription's beginning as the use: what was used on a free plan is not billed
by the plan that was bought later.
"""

from __future__ import annotations

import typing as t
from datetime import datetime, timedelta

import sqlalchemy as sa

from ..models import Customer, MeterExport, Subscription, UsageCounter, UsageEvent
from . import billable, export_overlaps
from .buckets import PREFIXES, bucket_for, unmarked
from .export_keys import Key, named, of_family
from .stripe_totals import next_minute

#: How far back Stripe takes usage (docs.stripe.com/api/billing/meter-event/create), less a bit.
OLDEST: t.Final = timedelta(days=35) - timedelta(minutes=10)
_SECOND: t.Final = timedelta(seconds=1)


class Reported(t.NamedTuple):
    """A counter as the export looks at it.

    :param total: units that are to be reported in all.
    :param counted: units it has counted, of which they are those that are billed.
    :param start: when its period began, or the customer did.
    :param end: when its period ended or ends; None where it never does.
    :param customer_since: when the customer was created.
    :param counts_until: before when its events are. Its end may come before, where a subscription
        or another such period begins; what comes after is told by the event.
    """

    key: Key
    total: int
    counted: int
    reported: int
    stripe_meter_id: str | None
    start: datetime
    end: datetime | None
    closed_at: datetime | None
    stripe_id: str | None
    customer_since: datetime
    counts_until: datetime | None

    @property
    def follows_invoices(self) -> bool:
        """Whether its period is the invoice's, which a new subscription cuts short."""
        return self.key.bucket.startswith(PREFIXES["billing_period"])


def find(connection: sa.Connection, key: Key, *, lock: bool = False) -> Reported | None:
    """A counter, held against others until the transaction ends where asked for."""
    statement = (
        sa.select(
            billable.reportable(key.meter),
            billable.counted(key.meter),
            UsageCounter.reported,
            UsageCounter.stripe_meter_id,
            UsageCounter.period_start,
            UsageCounter.period_end,
            UsageCounter.closed_at,
            Customer.stripe_id,
            Customer.created_at,
        )
        .join(Customer, Customer.id == UsageCounter.customer_id)
        .where(*named(key))
    )

    if lock:
        statement = statement.with_for_update(of=UsageCounter)

    row = connection.execute(statement).one_or_none()

    if row is None:
        return None

    start = row.period_start or row.created_at
    found = Reported(key, *row[:4], start, row.period_end, *row[6:], row.period_end)
    return _bounds(connection, found) if found.follows_invoices else found


def next_target(connection: sa.Connection, counter: Reported) -> int:
    """The total to report next: all of it, or what was used before a subscription began.

    No more than is left of what was used, where other counters reported of the same time. Less
    than was reported where that was taken back since, and never because a limit was raised.
    """
    target = _own_target(connection, counter)

    if target < counter.reported and counter.follows_invoices:
        return max(target, counter.reported - _taken_back(connection, counter))

    if target <= counter.reported:
        return target

    left = export_overlaps.left(connection, counter.key)
    return target if left is None else min(target, counter.reported + left)


def _own_target(connection: sa.Connection, counter: Reported) -> int:
    for boundary in _boundaries(connection, counter):
        before = _used_before(connection, counter, boundary)

        if counter.reported < before:
            return min(before, counter.total)

    return counter.total


def moment(
    connection: sa.Connection, counter: Reported, target: int, asked_at: datetime
) -> datetime:
    """The timestamp for an export that raises the total to ``target``.

    The moment it was recorded, or the nearest in its period: of a closed one the last second.
    """
    earliest, end = counter.start, counter.end

    for boundary in _boundaries(connection, counter):
        if _used_before(connection, counter, boundary) >= target:
            end = boundary
            break

        earliest = boundary

    found = max(asked_at, next_minute(earliest))
    return found if end is None else min(found, end - _SECOND)


def _boundaries(connection: sa.Connection, counter: Reported) -> list[datetime]:
    """When subscriptions began within the period, ascending."""
    if counter.follows_invoices:  # its bounds are where they began
        return []

    found = connection.scalars(
        sa.select(Subscription.started_at)
        .where(
            Subscription.customer_id == counter.key.customer_id,
            Subscription.started_at > counter.start,
        )
        .order_by(Subscription.started_at)
    )
    return [at for at in found if at is not None and (counter.end is None or at < counter.end)]


def _bounds(connection: sa.Connection, counter: Reported) -> Reported:
    """A counter of the invoice's period with the bounds within which it counted.

    It ends by its date, or where a subscription or another such period began, as after a trial
    that was ended early. Where the subscription that it belongs to began in its midst, it counts
    from there on.
    """
    start, ends = counter.start, [counter.end] if counter.end is not None else []
    subscriptions = connection.execute(
        sa.select(Subscription.started_at, Subscription.anchor).where(
            Subscription.customer_id == counter.key.customer_id,
            Subscription.started_at > counter.start,
        )
    )

    for began, anchor in subscriptions:
        assert began is not None, "asked for above"
        walked = bucket_for("billing_period", began, anchor=anchor or began)

        if walked.start == counter.start:
            start = began
        else:
            ends.append(began)

    other = connection.scalar(
        sa.select(sa.func.min(UsageCounter.period_start)).where(
            UsageCounter.customer_id == counter.key.customer_id,
            UsageCounter.meter == counter.key.meter,
            *of_family(counter.key.bucket),
            UsageCounter.period_start > start,
        )
    )
    ends += [other] if other is not None else []
    ends += _anchors_within(connection, counter)
    return counter._replace(start=start, end=min(ends, default=None))


def _anchors_within(connection: sa.Connection, counter: Reported) -> list[datetime]:
    """Where the cycle of a subscription that was running began anew within a period."""
    anchors = connection.scalars(
        sa.select(Subscription.anchor).where(
            Subscription.customer_id == counter.key.customer_id,
            Subscription.started_at <= counter.start,
            Subscription.anchor > counter.start,
        )
    )
    return [anchor for anchor in anchors if anchor is not None]


def _used_before(connection: sa.Connection, counter: Reported, boundary: datetime) -> int:
    quantity = billable.quantity(counter.key.meter)
    found: int = connection.execute(
        sa.select(sa.func.coalesce(sa.func.sum(quantity), 0)).where(
            *within(counter), UsageEvent.occurred_at < boundary
        )
    ).scalar_one()
    return int(found)


def _taken_back(connection: sa.Connection, counter: Reported) -> int:
    """Units that corrections took out of a counter, less those that Stripe was told of."""
    quantity = billable.quantity(counter.key.meter)
    corrected = connection.scalar(
        sa.select(sa.func.coalesce(sa.func.sum(quantity), 0)).where(
            *within(counter), UsageEvent.quantity < 0
        )
    )

    if not corrected:
        return 0

    told = connection.scalar(
        sa.select(sa.func.coalesce(sa.func.sum(MeterExport.quantity), 0)).where(
            MeterExport.customer_id == counter.key.customer_id,
            MeterExport.meter == counter.key.meter,
            MeterExport.bucket == counter.key.bucket,
            MeterExport.state != "failed",
            MeterExport.quantity < 0,
        )
    )
    return max(0, int(told or 0) - int(corrected))


def within(counter: Reported) -> tuple[sa.ColumnElement[bool], ...]:
    """The condition that an event lies in a counter's period."""
    found = [
        UsageEvent.customer_id == counter.key.customer_id,
        UsageEvent.meter == counter.key.meter,
        UsageEvent.occurred_at >= counter.start,
    ]

    if counter.counts_until is not None:
        found.append(UsageEvent.occurred_at < counter.counts_until)

    if counter.follows_invoices:
        found.append(UsageEvent.billing_period == unmarked(counter.key.bucket))

    return tuple(found)
