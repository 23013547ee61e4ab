"""The books: one event, its counters and its daily sum change together or not at all.

This is the careful way, which opens counters and writes the notices of thresholds it crosses.
Most bookings take the quick one of :mod:`~flask_billing.metering.fast_path`.
"""

from __future__ import annotations

import collections.abc as c
import typing as t
from datetime import UTC, datetime

import sqlalchemy as sa

from .. import database, outbox
from ..errors import IdempotencyMismatchError
from ..models import UsageEvent
from ..state import BillingState
from . import notices, statements, store
from .entries import (
    REFUSED,
    REPLAYED,
    Counters,
    Entry,
    Outcome,
    Result,
    counters_of,
    event_parameters,
    parameters_of,
    remember,
)
from .sheets import NO_CEILING, Slot, Slots

_NEVER: t.Final = datetime(1970, 1, 1, tzinfo=UTC)
_FOREVER: t.Final = datetime(9999, 1, 1, tzinfo=UTC)


class _Refused(Exception):  # noqa: N818  (rolls back the transaction it is raised in)
    """A guard refused inside a transaction."""


def book_carefully(current: BillingState, slots: Slots, entry: Entry, *, enforce: bool) -> Result:
    """Book up to the limits, opening counters first and noting the thresholds crossed."""
    form = store.formats(current)
    rooms = [(slot.ceiling if enforce else NO_CEILING) - entry.quantity for slot in slots.every]
    booking = statements.booking(form.dialect, len(rooms), tuple(entry.columns), keyed=entry.keyed)
    parameters = parameters_of(form, slots, entry, rooms)
    noted: list[outbox.Written] = []

    def attempt() -> Result:
        try:
            with database.transaction() as connection:
                _open(connection, form, slots, entry)
                counters = _run(connection, booking, parameters, len(rooms))

                if counters is None:
                    return REPLAYED

                noted[:] = _note(connection, slots, entry, counters)
                return Result(Outcome.BOOKED, counters)
        except _Refused:
            return REFUSED

    result = store.persistently(current, attempt)
    remember(slots, result.counters)

    if noted and not store.joins_session(current):
        outbox.dispatch(noted)

    return result


def open_counters(current: BillingState, slots: Slots, entry: Entry) -> None:
    """Open a period's counters, in a transaction of their own.

    A guard that changes too few rows means a refusal only where the rows existed before.
    """
    form = store.formats(current)

    def attempt() -> None:
        with database.transaction() as connection:
            _open(connection, form, slots, entry)

    store.persistently(current, attempt)

    if not store.joins_session(current):  # there, a rollback of the host takes the rows away again
        slots.unopened.clear()


def check_replay(connection: sa.Connection, entry: Entry) -> bool:
    """Whether the entry's key was booked before.

    :raises IdempotencyMismatchError: where it was, with another quantity.
    """
    booked = connection.execute(
        sa.select(UsageEvent.quantity).where(
            UsageEvent.customer_id == entry.customer_id,
            UsageEvent.meter == entry.meter,
            UsageEvent.idempotency_key == entry.key,
        )
    ).scalar_one_or_none()

    if booked is not None and booked != entry.quantity:
        raise IdempotencyMismatchError(
            f"The key {entry.key!r} was used for {booked} of {entry.meter!r} before, and now "
            f"for {entry.quantity}. Nothing was booked. Use a new key for a new fact."
        )

    return booked is not None


def write_status(
    current: BillingState, customer_id: int, meter: str, key: str, status: int
) -> None:
    """Keep the response's status on a booked event."""
    form = store.formats(current)
    statement = statements.answer(form.dialect)
    bound = statement.bind(
        {"customer_id": customer_id, "meter": meter, "key": key, "status": status}
    )

    def attempt() -> None:
        if store.joins_session(current):
            with database.savepoint() as connection:
                connection.exec_driver_sql(statement.sql, bound)
        else:
            with store.Driver(current) as driver:
                driver.cursor().execute(statement.sql, bound)

    store.persistently(current, attempt)


def take_back(current: BillingState, entry: Entry, buckets: c.Sequence[str]) -> Outcome:
    """Book an entry of opposite sign into the counters the first one went to."""
    form = store.formats(current)
    booking = statements.booking(form.dialect, len(buckets), tuple(entry.columns), keyed=True)
    parameters = event_parameters(form, entry)

    for index, bucket in enumerate(buckets):
        parameters[f"bucket{index}"] = bucket
        parameters[f"room{index}"] = NO_CEILING

    def attempt() -> Outcome:
        with database.transaction() as connection:
            counters = _run(connection, booking, parameters, len(buckets))
            return Outcome.REPLAYED if counters is None else Outcome.BOOKED

    return store.persistently(current, attempt)


def read_seed(
    connection: sa.Connection, form: store.Formats, customer_id: int, slot: Slot, member: str | None
) -> int:
    """What the events of a period come to, for a counter that is not open yet."""
    statement = statements.seed(form.dialect)
    parameters = _opening_parameters(form, customer_id, slot, member)
    return int(
        connection.exec_driver_sql(statement.sql, statement.bind(parameters)).scalar_one() or 0
    )


def _run(
    connection: sa.Connection,
    booking: statements.Booking,
    parameters: dict[str, object],
    buckets: int,
) -> Counters | None:
    """The three statements in the connection's transaction. None is a replay."""
    event, counter, rollup = booking.event, booking.counter, booking.rollup

    if connection.exec_driver_sql(event.sql, event.bind(parameters)).rowcount == 0:
        return None

    rows = connection.exec_driver_sql(counter.sql, counter.bind(parameters)).fetchall()

    if len(rows) < buckets:
        raise _Refused

    connection.exec_driver_sql(rollup.sql, rollup.bind(parameters))
    return counters_of(rows)


def _note(
    connection: sa.Connection, slots: Slots, entry: Entry, counters: Counters
) -> list[outbox.Written]:
    after = {bucket: used for bucket, (used, _) in counters.items()}
    before = {bucket: used - entry.quantity for bucket, used in after.items()}
    return notices.note_crossings(connection, entry.customer_id, slots, before, after)


def _open(connection: sa.Connection, form: store.Formats, slots: Slots, entry: Entry) -> None:
    statement = statements.opening(form.dialect)

    for slot in sorted(slots.unopened, key=lambda slot: slot.bucket.key):
        member = t.cast("str | None", entry.columns.get("member"))
        parameters = _opening_parameters(form, entry.customer_id, slot, member)
        connection.exec_driver_sql(statement.sql, statement.bind(parameters))


def _opening_parameters(
    form: store.Formats, customer_id: int, slot: Slot, member: str | None
) -> dict[str, object]:
    start, end = slot.bucket.start, slot.bucket.end
    since = slot.counted_from
    summed = (_NEVER, _NEVER) if since is None else (since, end or _FOREVER)
    return {
        "customer_id": customer_id,
        "meter": slot.limit.meter,
        "bucket": slot.bucket.key,
        "period_start": form.time(start),
        "period_end": form.time(end),
        "sum_from": form.time(summed[0]),
        "sum_to": form.time(summed[1]),
        "member": member if slot.limit.scope == "member" else None,
    }
