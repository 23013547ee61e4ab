"""The books: one event, its counters and its daily sum change together or not at all.

This is the careful way, which opens counters and writes the notices of thresholds it crosses.
Most bookings take the quick one of :mod:`~flask_billing.metering.fast_path`.
"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from .. import database, outbox
from ..errors import IdempotencyMismatchError
from ..models import UsageEvent
from ..state import BillingState
from . import grants, notices, opening, statements, store
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
from .slots import SAME_TERMS, Slot, Slots


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
                opening.open_slots(
                    connection, form, slots, entry.customer_id, entry.member, entry.at
                )
                lock_counters(connection, form, slots, entry.customer_id, entry.at)

                if entry.keyed and check_replay(connection, entry):
                    return REPLAYED

                parts = _draw(connection, slots, entry, enforce=enforce)
                result = write_entry(connection, form, slots, entry, parts)

                if result.outcome is Outcome.BOOKED:
                    noted[:] = note_crossings(connection, slots, entry, result)

                return result
        except (_Refused, opening.OutdatedError):
            return REFUSED

    result = store.persistently(current, attempt)
    remember(slots, result.counters)
    slots.credits = max(0, slots.credits - result.credits)

    if noted and not store.joins_session(current):
        outbox.dispatch(noted)

    return result


def lock_counters(
    connection: sa.Connection, form: store.Formats, slots: Slots, customer_id: int, at: datetime
) -> None:
    """Lock the counters and let the slots see them.

    :raises OutdatedError: where one is missing, ended before ``at``, or counts beside others.
    """
    parameters: dict[str, object] = {
        "customer_id": customer_id,
        "meter": slots.meter.key,
        "occurred_at": form.time(at),
        "generation": slots.generation.number,
    }

    for index, slot in enumerate(slots.every):
        parameters[f"bucket{index}"] = slot.bucket.key

    statement = statements.lock(form.dialect, len(slots.every))
    rows = connection.exec_driver_sql(statement.sql, statement.bind(parameters)).fetchall()
    remember(slots, counters_of(rows))

    if len(rows) < len(slots.every):
        raise opening.OutdatedError


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
    columns = slots.marks | entry.columns | ({"credits": drawn} if drawn else {})
    booking = statements.booking(form.dialect, (True,), tuple(columns))
    event, rollup = booking.event, booking.rollup
    parameters = event_parameters(form, entry, columns)

    if connection.exec_driver_sql(event.sql, event.bind(parameters)).rowcount == 0:
        return REPLAYED

    counters: Counters = {}

    for slot in sorted(slots.every, key=lambda slot: slot.bucket.key):
        counters |= change_counter(
            connection, form, entry.customer_id, slots, slot, entry.quantity, 0, drawn
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
        "unbilled_by": used_by - credited_by if slot.unbilled else 0,
        **slots.terms(slot)._asdict(),
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
    change_plainly(
        connection, form, customer_id, meter, bucket, reserved_by=-held, credited_by=-covered
    )


def change_plainly(
    connection: sa.Connection,
    form: store.Formats,
    customer_id: int,
    meter: str,
    bucket: str,
    **changes: int,
) -> None:
    """Change a counter under whatever limit it is."""
    statement = statements.change(form.dialect)
    parameters: dict[str, object] = {
        "customer_id": customer_id,
        "meter": meter,
        "bucket": bucket,
        "used_by": 0,
        "reserved_by": 0,
        "credited_by": 0,
        "unbilled_by": 0,
        **SAME_TERMS._asdict(),
        **changes,
    }
    connection.exec_driver_sql(statement.sql, statement.bind(parameters)).fetchall()


def note_crossings(
    connection: sa.Connection, slots: Slots, entry: Entry, result: Result
) -> list[outbox.Written]:
    """Write the notices of thresholds that an entry crossed."""
    after, before = {}, {}

    for slot in slots.every:
        used, _, credited = result.counters[slot.bucket.key]
        after[slot.bucket.key] = used - slot.lifted(credited)
        counted = entry.quantity - slot.lifted(result.credits)
        before[slot.bucket.key] = after[slot.bucket.key] - counted

    return notices.note_crossings(connection, entry.customer_id, slots, before, after)


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
        raise mismatch(entry.meter, entry.key, booked, entry.quantity)

    return booked is not None


def mismatch(meter: str, key: str, booked: int, asked: int) -> IdempotencyMismatchError:
    """The error of a key that comes again with another quantity."""
    return IdempotencyMismatchError(
        f"The key {key!r} was used for {booked} of {meter!r} before, and now "
        f"for {asked}. Nothing was booked. Use a new key for a new fact."
    )


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
