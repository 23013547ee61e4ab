"""The quick way into the books: one statement on PostgreSQL, one short transaction on SQLite.

Its guard admits what neither passes a limit nor crosses a threshold. What it refuses takes the
careful way of :mod:`~flask_billing.metering.ledger`.
"""

from __future__ import annotations

from ..state import BillingState
from . import statements, store
from .entries import (
    REFUSED,
    REPLAYED,
    Entry,
    Outcome,
    Result,
    counters_of,
    parameters_of,
    remember,
)
from .slots import Slots


def book_quickly(current: BillingState, slots: Slots, entry: Entry, *, enforce: bool) -> Result:
    """Book without crossing a limit or threshold, in the least time the database allows."""
    rooms, extended = [], []

    for slot in slots.every:
        reach = min(slot.ceiling, slot.step) if enforce else slot.step

        if slot.creditable and slots.credits > 0:  # they come before overage
            reach = min(reach, slot.limit.included)

        if slot.taken + entry.quantity > reach:
            return REFUSED

        rooms.append(reach - entry.quantity)
        extended.append(slot.creditable)

    form = store.formats(current)
    columns = slots.marks | entry.columns
    booking = statements.booking(form.dialect, tuple(extended), tuple(columns))
    parameters = parameters_of(form, slots, entry, columns, rooms)
    attempt = _sqlite_booking if form.sqlite else _postgresql_booking
    result = store.persistently(current, lambda: attempt(current, booking, parameters, len(rooms)))
    remember(slots, result.counters)
    return result


def _sqlite_booking(
    current: BillingState,
    booking: statements.Booking,
    parameters: dict[str, object],
    buckets: int,
) -> Result:
    event, counter, rollup = booking.event, booking.counter, booking.rollup

    with store.Driver(current) as driver:
        cursor = driver.cursor()
        cursor.execute("BEGIN IMMEDIATE")
        cursor.execute(event.sql, event.bind(parameters))

        if cursor.rowcount == 0:
            return REPLAYED

        cursor.execute(counter.sql, counter.bind(parameters))
        rows = cursor.fetchall()

        if len(rows) < buckets:
            return REFUSED

        cursor.execute(rollup.sql, rollup.bind(parameters))
        cursor.execute("COMMIT")
        return Result(Outcome.BOOKED, counters_of(rows))


def _postgresql_booking(
    current: BillingState,
    booking: statements.Booking,
    parameters: dict[str, object],
    buckets: int,
) -> Result:
    at_once = booking.at_once
    assert at_once is not None

    try:
        with store.Driver(current) as driver:
            cursor = driver.cursor()
            cursor.execute(at_once.sql, at_once.bind(parameters))
            return Result(Outcome.BOOKED, counters_of(cursor.fetchall()))
    except store.driver_error("IntegrityError") as error:
        # NOT NULL: a guard refused. The careful way tells why.
        if store.sqlstate(error) == "23502":
            return REFUSED

        if store.sqlstate(error) == "23505":
            return REPLAYED

        raise
