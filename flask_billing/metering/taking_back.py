"""Entries that correct an event, booked into the counters which count it."""

from __future__ import annotations

import collections.abc as c
import dataclasses
import typing as t

import sqlalchemy as sa

from .. import database
from ..models import UsageEvent
from ..state import BillingState
from . import counting, grants, ledger, statements, store
from .entries import Entry, event_parameters
from .inputs import correction_keys, refund_key

#: Dimensions that usage is summed by.
_SUMMED_BY: t.Final = ("member", "provider", "model", "endpoint")


def take_back(current: BillingState, undoing: Entry, original: str) -> int | None:
    """Take an event back out of the counters that count it, with what corrections made of it.

    It is of the first one's time and dimensions, so that every sum agrees. What that took from
    credits is given back to them. Where it was rolled back, there is nothing to take back.

    :param original: the key of the event.
    :returns: units the books changed by; None where there was nothing to take back.
    """

    def attempt() -> int | None:
        with database.transaction() as connection:
            first = _locked(connection, undoing, UsageEvent.idempotency_key == original)
            entry = None if first is None else _like(connection, undoing, first)

            if entry is None:
                return None

            parts = grants.spent_by(connection, entry.customer_id, entry.meter, original)
            back = {grant_id: -units for grant_id, units in parts.items()}

            if not _book_beside(connection, current, entry, first, sum(back.values())):
                return None

            grants.spend(connection, entry.customer_id, entry.meter, entry.key, back)
            return entry.quantity

    return store.persistently(current, attempt)


def book_beside(
    current: BillingState, entry: Entry, event_id: int, expected: c.Mapping[str, int]
) -> bool:
    """Book a correction beside an event, unless others have corrected it meanwhile.

    :param expected: the quantities of its corrections, by key, as they were read.
    """

    def attempt() -> bool:
        with database.transaction() as connection:
            first = _locked(connection, entry, UsageEvent.id == event_id)

            if first is None or corrections_of(connection, first) != expected:
                return False

            return _book_beside(connection, current, entry, first, 0)

    return store.persistently(current, attempt)


def corrections_of(connection: sa.Connection, event: t.Any) -> dict[str, int]:
    """The quantities of an event's corrections, by key."""
    keys = [refund_key(event.idempotency_key), *correction_keys(event.id)]
    rows = connection.execute(
        sa.select(UsageEvent.idempotency_key, UsageEvent.quantity).where(
            UsageEvent.customer_id == event.customer_id,
            UsageEvent.meter == event.meter,
            UsageEvent.idempotency_key.in_(keys),
        )
    )
    return {row.idempotency_key: row.quantity for row in rows}


def _book_beside(
    connection: sa.Connection, current: BillingState, entry: Entry, first: t.Any, drawn: int
) -> bool:
    """Book an entry into the counters of an event that is locked. False for a key booked before.

    Counters that are opened later sum both up.

    :param drawn: units of it that are given back to credits, negative.
    """
    form = store.formats(current)
    marks = {"billing_period": first.billing_period, "one_shot": first.one_shot}
    columns = marks | entry.columns | ({"credits": drawn} if drawn else {})
    booking = statements.booking(form.dialect, (True,), tuple(columns))
    parameters = event_parameters(form, entry, columns)
    event, rollup = booking.event, booking.rollup

    if connection.exec_driver_sql(event.sql, event.bind(parameters)).rowcount == 0:
        return False

    for bucket in counting.counters_of(connection, first):
        changes = {"used_by": entry.quantity, "credited_by": drawn}
        ledger.change_plainly(connection, form, entry.customer_id, entry.meter, bucket, **changes)

    connection.exec_driver_sql(rollup.sql, rollup.bind(parameters))
    return True


def _like(connection: sa.Connection, undoing: Entry, first: t.Any) -> Entry | None:
    """An entry at the time and with the dimensions of the event it takes back.

    Of the quantity that corrections left of it. None where it was taken back.
    """
    related = corrections_of(connection, first)

    if undoing.key in related:
        return None

    said = {name: value for name in _SUMMED_BY if (value := getattr(first, name)) is not None}
    return dataclasses.replace(
        undoing,
        at=first.occurred_at,
        quantity=-(first.quantity + sum(related.values())),
        columns=said | undoing.columns,
    )


def _locked(connection: sa.Connection, entry: Entry, which: sa.ColumnElement[bool]) -> t.Any:
    """An event of the entry's customer and meter, which others cannot correct meanwhile.

    Nor is a counter opened that would sum it up without its correction.
    """
    store.lock_resets(connection, entry.customer_id)
    table = UsageEvent.__table__
    mine = sa.and_(
        UsageEvent.customer_id == entry.customer_id, UsageEvent.meter == entry.meter, which
    )

    if connection.dialect.name == "postgresql":
        query: t.Any = sa.select(*table.c).where(mine).with_for_update()
    else:  # inside the host's transaction a read alone would lock nothing
        query = (
            sa.update(UsageEvent)
            .where(mine)
            .values(quantity=UsageEvent.quantity)
            .returning(*table.c)
        )

    return connection.execute(query).one_or_none()
