"""The books: one event, its counters and its daily sum change together or not at all.

A booking first tries the quick way: one statement on PostgreSQL, one hand-written transaction
on SQLite, guarded so that it neither passes a limit nor crosses a threshold. What the guard
refuses takes the careful way, which reads the limits again and writes the notices.
"""

from __future__ import annotations

import collections.abc as c
import dataclasses
import enum
import typing as t
from datetime import UTC, datetime

import sqlalchemy as sa

from .. import database, outbox
from ..errors import IdempotencyMismatchError
from ..models import UsageEvent
from ..state import BillingState
from . import notices, statements, store
from .sheets import NO_CEILING, Slot, Slots

_NEVER: t.Final = datetime(1970, 1, 1, tzinfo=UTC)
_FOREVER: t.Final = datetime(9999, 1, 1, tzinfo=UTC)


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """One event to be booked.

    :param quantity: smallest units, signed.
    :param keyed: whether the key is the caller's, so that it may have been booked before.
    :param columns: further columns of the event, ready for the driver.
    :param uses: what it adds to the number of uses: 1, or -1 for a use taken back.
    """

    customer_id: int
    meter: str
    key: str
    keyed: bool
    quantity: int
    at: datetime
    recorded_at: datetime
    columns: dict[str, object]
    uses: int = 1


#: Bucket -> units used and held after a booking.
Counters = dict[str, tuple[int, int]]


class Outcome(enum.Enum):
    """What became of an entry."""

    BOOKED = 1
    REPLAYED = 2
    #: A guard refused, or a counter was missing. Nothing was written.
    REFUSED = 3


@dataclasses.dataclass(frozen=True, slots=True)
class Result:
    """What became of an entry, and the counters it left."""

    outcome: Outcome
    counters: Counters


_REPLAYED: t.Final = Result(Outcome.REPLAYED, {})
_REFUSED: t.Final = Result(Outcome.REFUSED, {})


class _Refused(Exception):  # noqa: N818  (rolls back the transaction it is raised in)
    """A guard refused inside a transaction."""


def book_quickly(current: BillingState, slots: Slots, entry: Entry, *, enforce: bool) -> Result:
    """Book without crossing a limit or threshold, in the least time the database allows."""
    rooms = []

    for slot in slots.every:
        reach = min(slot.ceiling, slot.step) if enforce else slot.step

        if slot.used + slot.reserved + entry.quantity > reach:
            return _REFUSED

        rooms.append(reach - entry.quantity)

    form = store.formats(current)
    booking = statements.booking(form.dialect, len(rooms), tuple(entry.columns), keyed=entry.keyed)
    parameters = _parameters(form, slots, entry, rooms)
    attempt = _sqlite_booking if form.sqlite else _postgresql_booking
    result = store.persistently(lambda: attempt(current, booking, parameters, len(rooms)))
    _remember(slots, result.counters)
    return result


def book_carefully(current: BillingState, slots: Slots, entry: Entry, *, enforce: bool) -> Result:
    """Book up to the limits, opening counters first and noting the thresholds crossed."""
    form = store.formats(current)
    rooms = [(slot.ceiling if enforce else NO_CEILING) - entry.quantity for slot in slots.every]
    booking = statements.booking(form.dialect, len(rooms), tuple(entry.columns), keyed=entry.keyed)
    parameters = _parameters(form, slots, entry, rooms)
    noted: list[outbox.Written] = []

    def attempt() -> Result:

        try:
            with database.transaction() as connection:
                _open(connection, form, slots, entry)
                counters = _run(connection, booking, parameters, len(rooms))

                if counters is None:
                    return _REPLAYED

                noted[:] = _note(connection, slots, entry, counters)
                return Result(Outcome.BOOKED, counters)
        except _Refused:
            return _REFUSED

    result = store.persistently(attempt)
    _remember(slots, result.counters)

    if noted and not store.joins_session():
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

    store.persistently(attempt)

    if not store.joins_session():  # there, a rollback of the host takes the rows away again
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
        if store.joins_session():
            with database.savepoint() as connection:
                connection.exec_driver_sql(statement.sql, bound)
        else:
            with store.Driver(current) as driver:
                driver.cursor().execute(statement.sql, bound)

    store.persistently(attempt)


def take_back(current: BillingState, entry: Entry, buckets: c.Sequence[str]) -> Outcome:
    """Book an entry of opposite sign into the counters the first one went to."""
    form = store.formats(current)
    booking = statements.booking(form.dialect, len(buckets), tuple(entry.columns), keyed=True)
    parameters = _event_parameters(form, entry)

    for index, bucket in enumerate(buckets):
        parameters[f"bucket{index}"] = bucket
        parameters[f"room{index}"] = NO_CEILING

    def attempt() -> Outcome:
        with database.transaction() as connection:
            counters = _run(connection, booking, parameters, len(buckets))
            return Outcome.REPLAYED if counters is None else Outcome.BOOKED

    return store.persistently(attempt)


def read_seed(
    connection: sa.Connection, form: store.Formats, customer_id: int, slot: Slot, member: str | None
) -> int:
    """What the events of a period come to, for a counter that is not open yet."""
    statement = statements.seed(form.dialect)
    parameters = _opening_parameters(form, customer_id, slot, member)
    return int(
        connection.exec_driver_sql(statement.sql, statement.bind(parameters)).scalar_one() or 0
    )


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
            return _REPLAYED

        cursor.execute(counter.sql, counter.bind(parameters))
        rows = cursor.fetchall()

        if len(rows) < buckets:
            return _REFUSED

        cursor.execute(rollup.sql, rollup.bind(parameters))
        cursor.execute("COMMIT")
        return Result(Outcome.BOOKED, _counters(rows))


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
            return Result(Outcome.BOOKED, _counters(cursor.fetchall()))
    except store.driver_error("IntegrityError") as error:
        # NOT NULL: a guard refused, or the key was there. The careful way tells them apart.
        if store.sqlstate(error) == "23502":
            return _REFUSED

        if store.sqlstate(error) == "23505":
            return _REPLAYED

        raise


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
    return _counters(rows)


def _note(
    connection: sa.Connection, slots: Slots, entry: Entry, counters: Counters
) -> list[outbox.Written]:
    after = {bucket: used for bucket, (used, _) in counters.items()}
    before = {bucket: used - entry.quantity for bucket, used in after.items()}
    return notices.note_crossings(connection, entry.customer_id, slots, before, after)


def _counters(rows: c.Iterable[t.Any]) -> Counters:
    return {bucket: (used, reserved) for bucket, used, reserved in rows}


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


def _parameters(
    form: store.Formats, slots: Slots, entry: Entry, rooms: c.Sequence[int]
) -> dict[str, object]:
    parameters = _event_parameters(form, entry)

    for index, slot in enumerate(slots.every):
        parameters[f"bucket{index}"] = slot.bucket.key
        parameters[f"room{index}"] = rooms[index]

    return parameters


def _event_parameters(form: store.Formats, entry: Entry) -> dict[str, object]:
    occurred_at = form.time(entry.at)
    same = entry.at is entry.recorded_at
    return {
        "customer_id": entry.customer_id,
        "meter": entry.meter,
        "key": entry.key,
        "quantity": entry.quantity,
        "occurred_at": occurred_at,
        "recorded_at": occurred_at if same else form.time(entry.recorded_at),
        "day": form.day(entry.at.date()),
        "events": entry.uses,
        **entry.columns,
    }


def _remember(slots: Slots, counters: Counters) -> None:
    for slot in slots.every:
        found = counters.get(slot.bucket.key)

        if found is not None:
            slot.saw(*found)
