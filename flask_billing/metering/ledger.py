"""The books: one event, its counters and its daily sum change together or not at all.

This is the careful way, which opens counters and writes the notices of thresholds it crosses.
Most bookings take the quick one of :mod:`~flask_billing.metering.fast_path`.
"""

from __future__ import annotations

import collections.abc as c
import dataclasses
import typing as t
from datetime import UTC, datetime

import sqlalchemy as sa

from .. import database, outbox
from ..errors import IdempotencyMismatchError
from ..models import UsageCounter, UsageEvent
from ..state import BillingState
from . import grants, notices, statements, store
from .allotment import allot, shortage
from .entries import (
    REFUSED,
    REPLAYED,
    Counters,
    Entry,
    Outcome,
    Result,
    counters_of,
    event_parameters,
    remember,
)
from .sheets import NO_CEILING, Slot, Slots

_NEVER: t.Final = datetime(1970, 1, 1, tzinfo=UTC)
#: Dimensions that usage is summed by.
_SUMMED_BY: t.Final = ("member", "provider", "model", "endpoint")
_FOREVER: t.Final = datetime(9999, 1, 1, tzinfo=UTC)


class _Refused(Exception):  # noqa: N818  (rolls back the transaction it is raised in)
    """A limit refused inside a transaction, or a counter was missing."""


def book_carefully(current: BillingState, slots: Slots, entry: Entry, *, enforce: bool) -> Result:
    """Book with the counters locked: what is included, then credits, then overage.

    Opens counters first and notes the thresholds crossed. Where it refuses, the slots know what
    the counters held.
    """
    form = store.formats(current)
    noted: list[outbox.Written] = []

    def attempt() -> Result:
        try:
            with database.transaction() as connection:
                open_slots(connection, form, slots, entry.customer_id, entry.member)

                if not lock_counters(connection, form, slots, entry.customer_id):
                    raise _Refused

                if entry.keyed and check_replay(connection, entry):
                    return REPLAYED

                parts = _draw(connection, slots, entry, enforce=enforce)
                result = write_entry(connection, form, slots, entry, parts)

                if result.outcome is Outcome.BOOKED:
                    noted[:] = note_crossings(connection, slots, entry, result)

                return result
        except _Refused:
            return REFUSED

    result = store.persistently(current, attempt)
    remember(slots, result.counters)
    slots.credits = max(0, slots.credits - result.credits)

    if noted and not store.joins_session(current):
        outbox.dispatch(noted)

    return result


def lock_counters(
    connection: sa.Connection, form: store.Formats, slots: Slots, customer_id: int
) -> bool:
    """Lock the counters and let the slots see them. False where one is missing."""
    parameters: dict[str, object] = {"customer_id": customer_id, "meter": slots.meter.key}

    for index, slot in enumerate(slots.every):
        parameters[f"bucket{index}"] = slot.bucket.key

    statement = statements.lock(form.dialect, len(slots.every))
    rows = connection.exec_driver_sql(statement.sql, statement.bind(parameters)).fetchall()
    remember(slots, counters_of(rows))
    return len(rows) == len(slots.every)


def write_entry(
    connection: sa.Connection,
    form: store.Formats,
    slots: Slots,
    entry: Entry,
    parts: grants.Parts,
) -> Result:
    """Write an event, its counters, which are locked, and its daily sum.

    :param parts: what it takes from grants.
    """
    drawn = sum(parts.values())
    columns = {**entry.columns, "credits": drawn} if drawn else entry.columns
    booking = statements.booking(form.dialect, 1, tuple(columns), keyed=entry.keyed)
    event, rollup = booking.event, booking.rollup
    parameters = {**event_parameters(form, entry), **columns}

    if connection.exec_driver_sql(event.sql, event.bind(parameters)).rowcount == 0:
        return REPLAYED

    counters: Counters = {}

    for slot in sorted(slots.every, key=lambda slot: slot.bucket.key):
        of_slot = drawn if slot.creditable else 0
        counters |= change_counter(
            connection, form, entry.customer_id, slots, slot, entry.quantity, 0, of_slot
        )

    grants.spend(connection, entry.customer_id, entry.meter, entry.key, parts)
    connection.exec_driver_sql(rollup.sql, rollup.bind(parameters))
    return Result(Outcome.BOOKED, counters, drawn)


def change_counter(
    connection: sa.Connection,
    form: store.Formats,
    customer_id: int,
    slots: Slots,
    slot: Slot,
    used_by: int,
    reserved_by: int,
    credited_by: int,
) -> Counters:
    """Change a counter that is locked."""
    statement = statements.change(form.dialect)
    parameters: dict[str, object] = {
        "customer_id": customer_id,
        "meter": slots.meter.key,
        "bucket": slot.bucket.key,
        "used_by": used_by,
        "reserved_by": reserved_by,
        "credited_by": credited_by,
        **_terms(slots, slot),
    }
    found = connection.exec_driver_sql(statement.sql, statement.bind(parameters))
    return counters_of(found.fetchall())


def take_hold_off(
    connection: sa.Connection,
    form: store.Formats,
    customer_id: int,
    meter: str,
    bucket: str,
    held: int,
    covered: int,
) -> None:
    """Take what was held off a counter, and what of it credits cover."""
    statement = statements.change(form.dialect)
    parameters: dict[str, object] = {
        "customer_id": customer_id,
        "meter": meter,
        "bucket": bucket,
        "used_by": 0,
        "reserved_by": -held,
        "credited_by": -covered,
        "plan": None,
        "limit": None,
    }
    connection.exec_driver_sql(statement.sql, statement.bind(parameters)).fetchall()


def note_crossings(
    connection: sa.Connection, slots: Slots, entry: Entry, result: Result
) -> list[outbox.Written]:
    """Write the notices of thresholds that an entry crossed."""
    after, before = {}, {}

    for slot in slots.every:
        used, _, credited = result.counters[slot.bucket.key]
        after[slot.bucket.key] = used - credited
        drawn = result.credits if slot.creditable else 0
        before[slot.bucket.key] = used - credited - (entry.quantity - drawn)

    return notices.note_crossings(connection, entry.customer_id, slots, before, after)


def open_counters(current: BillingState, slots: Slots, entry: Entry) -> None:
    """Open a period's counters, in a transaction of their own.

    A guard that changes too few rows means a refusal only where the rows existed before.
    """
    form = store.formats(current)

    def attempt() -> None:
        with database.transaction() as connection:
            open_slots(connection, form, slots, entry.customer_id, entry.member)

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


def take_back(
    current: BillingState, undoing: Entry, buckets: c.Sequence[str], original: str
) -> Outcome:
    """Book an entry of opposite sign into the counters the first one went to.

    It is of the first one's time and dimensions, so that every sum agrees. What that took from
    credits is given back to them. Where it was rolled back, there is nothing to take back.

    :param original: the key of the first one; empty for an entry that says all of it itself and
        gives no credits back.
    """
    form = store.formats(current)

    def attempt() -> Outcome:
        with database.transaction() as connection:
            entry = _like(connection, undoing, original) if original else undoing

            if entry is None:
                return Outcome.REPLAYED

            parts = grants.spent_by(connection, entry.customer_id, entry.meter, original)
            back = {grant_id: -units for grant_id, units in parts.items()}
            drawn = sum(back.values())
            columns = {**entry.columns, "credits": drawn} if drawn else entry.columns
            booking = statements.booking(form.dialect, len(buckets), tuple(columns), keyed=True)
            parameters = {**event_parameters(form, entry), **columns, "drawn": drawn}

            for index, bucket in enumerate(buckets):
                parameters[f"bucket{index}"] = bucket
                parameters[f"room{index}"] = NO_CEILING

            counters = _run(connection, booking, parameters)

            if counters is None:
                return Outcome.REPLAYED

            if drawn:
                _uncover(connection, entry, buckets, -drawn)
                grants.spend(connection, entry.customer_id, entry.meter, entry.key, back)

            return Outcome.BOOKED

    return store.persistently(current, attempt)


def read_seed(
    connection: sa.Connection, form: store.Formats, customer_id: int, slot: Slot, member: str | None
) -> tuple[int, int]:
    """What the events of a period come to, and what of it credits covered.

    For a counter that is not open yet.
    """
    statement = statements.seed(form.dialect)
    parameters = _opening_parameters(form, customer_id, slot, member)
    used, credited = connection.exec_driver_sql(statement.sql, statement.bind(parameters)).one()
    return int(used), int(credited)


def open_slots(
    connection: sa.Connection,
    form: store.Formats,
    slots: Slots,
    customer_id: int,
    member: str | None,
) -> None:
    """Open the counters that are not open yet."""
    statement = statements.opening(form.dialect)

    for slot in sorted(slots.unopened, key=lambda slot: slot.bucket.key):
        parameters = _opening_parameters(form, customer_id, slot, member) | _terms(slots, slot)
        connection.exec_driver_sql(statement.sql, statement.bind(parameters))


def _draw(connection: sa.Connection, slots: Slots, entry: Entry, *, enforce: bool) -> grants.Parts:
    """The grants an entry is to be taken from. Where limits are enforced, what refuses it."""
    parts: grants.Parts = {}
    needed = shortage(slots, entry.quantity)

    # A fact of a period that has ended stays in it.
    if needed > 0 and slots.hold(entry.recorded_at):
        parts, slots.credits = grants.draw(
            connection, entry.customer_id, entry.meter, needed, entry.recorded_at
        )

    if enforce and allot(slots, entry.quantity, slots.credits).in_the_way:
        raise _Refused

    return parts


def _like(connection: sa.Connection, undoing: Entry, original: str) -> Entry | None:
    """An entry at the time and with the dimensions of the one it takes back."""
    first = connection.execute(
        sa.select(
            UsageEvent.occurred_at, *[getattr(UsageEvent, name) for name in _SUMMED_BY]
        ).where(
            UsageEvent.customer_id == undoing.customer_id,
            UsageEvent.meter == undoing.meter,
            UsageEvent.idempotency_key == original,
        )
    ).one_or_none()

    if first is None:
        return None

    said = {name: value for name in _SUMMED_BY if (value := getattr(first, name)) is not None}
    return dataclasses.replace(undoing, at=first.occurred_at, columns=said | undoing.columns)


def _run(
    connection: sa.Connection, booking: statements.Booking, parameters: dict[str, object]
) -> Counters | None:
    """The three statements in the connection's transaction. None is a replay."""
    event, counter, rollup = booking.event, booking.counter, booking.rollup

    if connection.exec_driver_sql(event.sql, event.bind(parameters)).rowcount == 0:
        return None

    rows = connection.exec_driver_sql(counter.sql, counter.bind(parameters)).fetchall()
    connection.exec_driver_sql(rollup.sql, rollup.bind(parameters))
    return counters_of(rows)


def _uncover(connection: sa.Connection, entry: Entry, buckets: c.Sequence[str], units: int) -> None:
    """Let credits cover fewer units of counters. Those that never knew of credits stay as is."""
    connection.execute(
        sa.update(UsageCounter)
        .where(
            UsageCounter.customer_id == entry.customer_id,
            UsageCounter.meter == entry.meter,
            UsageCounter.bucket.in_(buckets),
            UsageCounter.credited >= units,
        )
        .values(credited=UsageCounter.credited - units)
    )


def _terms(slots: Slots, slot: Slot) -> dict[str, object]:
    """The plan and limit a counter is under."""
    return {"plan": slots.plan.key if slots.plan else None, "limit": slot.limit.included}


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
        "member": member or "" if slot.limit.scope == "member" else None,
        "creditable": int(slot.creditable),
    }
