"""Whether Stripe has counted what it took: its own total says so.

A customer's total of one meter is looked at over all recent periods at once. A period's bounds
may move after something was reported in it; the sum over the periods stays the same.
"""

from __future__ import annotations

import typing as t
from datetime import datetime, timedelta

import sqlalchemy as sa

from .. import clock, database
from ..models import Customer, MeterExport, UsageCounter, UsageEvent
from ..state import BillingState
from . import export_rows, store
from .export_keys import Key
from .export_periods import OLDEST, find, next_target, within
from .stripe_totals import total

#: Stripe adds up within minutes; before, its total says nothing.
SETTLES_AFTER: t.Final = timedelta(minutes=4)
#: An identifier is known for 24 hours. From here on Stripe's total says what it has.
DEDUPED_FOR: t.Final = timedelta(hours=23)
#: Events that are marked in one transaction, during which the counter is held.
_CHUNK: t.Final = 1000
_EVENT: t.Final = t.cast(sa.Table, UsageEvent.__table__)


class _Account(t.NamedTuple):
    """What a customer has reported to one Stripe meter in its recent periods."""

    stripe_meter: str
    stripe_id: str
    start: datetime
    reported: int
    keys: tuple[Key, ...]


def unconfirmed(after: tuple[int, str] | None, limit: int) -> list[Key]:
    """For each customer and meter with exports that Stripe may have counted by now, a counter."""
    columns = MeterExport.customer_id, MeterExport.meter
    statement = (
        sa.select(*columns, sa.func.max(MeterExport.bucket))
        .where(
            MeterExport.state == "sent",
            MeterExport.created_at <= clock.now() - SETTLES_AFTER,
            MeterExport.created_at > clock.now() - OLDEST,
        )
        .group_by(*columns)
        .order_by(*columns)
        .limit(limit)
    )

    if after is not None:
        statement = statement.where(sa.tuple_(*columns) > after)

    with database.reading() as connection:
        return [Key(*row) for row in connection.execute(statement)]


def confirm(current: BillingState, key: Key) -> int:
    """Confirm the exports of a customer's meter where Stripe's total is what was reported.

    The total is read first. What is reported meanwhile makes the two differ, and waits for the
    next look. What Stripe has not counted after a day, it never will: that is reported again.

    :returns: how many exports were confirmed.
    :raises StripeError: where Stripe does not say.
    """
    with database.reading() as connection:
        before = _account(connection, key)

    if before is None:
        return 0

    counted = _total(before)

    def attempt() -> int:
        with database.transaction() as connection:
            account = _account_since(connection, key, before.start, lock=True)

            if account is None or account.start != before.start:
                return 0

            if _exports(connection, account, "open"):
                return 0

            exports = _exports(connection, account, "sent")

            if account.reported != counted:
                _give_up(connection, account.reported - counted, exports)
                return 0

            connection.execute(
                sa.update(MeterExport)
                .where(MeterExport.id.in_([export.id for export in exports]))
                .values(state="confirmed", confirmed_at=clock.now())
            )
            return len(exports)

    confirmed = store.persistently(current, attempt)

    if confirmed:
        for counter in before.keys:
            while _mark(current, counter) == _CHUNK:
                pass

    return confirmed


def missing(key: Key) -> int | None:
    """Reported units that Stripe's total lacks; None where it cannot be told.

    :raises StripeError: where Stripe does not say.
    """
    with database.reading() as connection:
        account = _account(connection, key)

    return None if account is None else account.reported - _total(account)


def _account(connection: sa.Connection, key: Key) -> _Account | None:
    """All that was reported of a customer's meter since some moment, so as Stripe's total is of.

    No period lies on both sides of that moment: those of two windows overlap, where the catalog
    changed the one that is reported.
    """
    # Beyond what is still reported, so that all of it is in both sums.
    since = clock.now() - OLDEST - timedelta(days=1)

    while True:
        found = _account_since(connection, key, since)

        if found is None or found.start >= since:
            return found

        since = found.start


def _account_since(
    connection: sa.Connection, key: Key, since: datetime, *, lock: bool = False
) -> _Account | None:
    statement = (
        sa.select(
            UsageCounter.bucket,
            UsageCounter.reported,
            UsageCounter.stripe_meter_id,
            UsageCounter.period_start,
            Customer.created_at,
            Customer.stripe_id,
        )
        .join(Customer, Customer.id == UsageCounter.customer_id)
        .where(
            UsageCounter.customer_id == key.customer_id,
            UsageCounter.meter == key.meter,
            UsageCounter.reported != 0,
            UsageCounter.bucket.not_like("%|%"),
            sa.or_(UsageCounter.period_end.is_(None), UsageCounter.period_end > since),
        )
        .order_by(UsageCounter.bucket)
    )

    if lock:
        statement = statement.with_for_update(of=UsageCounter)

    rows = connection.execute(statement).all()
    stripe_meter = next((row.stripe_meter_id for row in rows if row.bucket == key.bucket), None)
    mine = [row for row in rows if row.stripe_meter_id == stripe_meter]

    if stripe_meter is None or mine[0].stripe_id is None:
        return None

    keys = tuple(key._replace(bucket=row.bucket) for row in mine)
    return _Account(
        stripe_meter,
        mine[0].stripe_id,
        min(row.period_start or row.created_at for row in mine),
        sum(row.reported for row in mine) - export_rows.never_sent(connection, keys),
        keys,
    )


def _total(account: _Account) -> int:
    return total(account.stripe_meter, account.stripe_id, account.start, None) or 0


def _exports(
    connection: sa.Connection, account: _Account, *states: str
) -> list[export_rows.Export]:
    return [
        export
        for key in account.keys
        for export in export_rows.of_counter(connection, key, *states)
    ]


def _give_up(connection: sa.Connection, lacking: int, sent: list[export_rows.Export]) -> None:
    """Fail exports that Stripe took a day ago and that are all missing in its total."""
    are_old = all(one.created_at <= clock.now() - DEDUPED_FOR for one in sent)

    # Any other difference has another cause, which a second report would only make worse.
    if are_old and lacking == sum(one.quantity for one in sent):
        for export in sent:
            export_rows.fail_within(connection, export, "Stripe took it and never counted it.")


def _mark(current: BillingState, key: Key) -> int:
    """Mark events as reported, where all that a counter holds is confirmed; how many it were."""

    def attempt() -> int:
        with database.transaction() as connection:
            counter = find(connection, key, lock=True)

            if counter is None or next_target(connection, counter) != counter.reported:
                return 0

            if export_rows.of_counter(connection, key, "open", "sent", *export_rows.NEVER_SENT):
                return 0

            chosen = (
                sa.select(_EVENT.c.id)
                .where(*within(counter), UsageEvent.stripe_reported_at.is_(None))
                .limit(_CHUNK)
            )
            marked = connection.execute(
                sa.update(_EVENT)
                .where(_EVENT.c.id.in_(chosen.scalar_subquery()))
                .values(stripe_reported_at=clock.now())
            )
            return marked.rowcount

    return store.persistently(current, attempt)
