"""Opening counters: with what the events of their period come to, and told of one another."""

from __future__ import annotations

import typing as t
from datetime import UTC, datetime

import sqlalchemy as sa

from ..models import UsageCounter
from . import statements, store
from .buckets import unmarked
from .slots import Slot, Slots

NEVER: t.Final = datetime(1970, 1, 1, tzinfo=UTC)
_FOREVER: t.Final = datetime(9999, 1, 1, tzinfo=UTC)


class OutdatedError(Exception):
    """Limits changed or a quota was reset since they were read. Nothing was done: read again."""


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
    at: datetime,
) -> None:
    """Open the counters that are not open yet, and tell those beside them by which limits.

    :param at: a moment in all of them.
    :raises OutdatedError: where somebody told them otherwise since the limits were read.
    """
    if not slots.unopened and not slots.is_dated:
        return

    since = min([at, *(slot.bucket.start or NEVER for slot in slots.unopened)])
    agree(connection, form, slots, customer_id, at, since)

    for slot in sorted(slots.unopened, key=lambda slot: slot.bucket.key):
        open_slot(connection, form, slots, slot, customer_id, member, at)


def agree(
    connection: sa.Connection,
    form: store.Formats,
    slots: Slots,
    customer_id: int,
    at: datetime,
    since: datetime,
) -> None:
    """Tell counters beside which limits they count.

    Where there is something to tell, one process at a time, and before a counter sums up events:
    whoever booked by other limits is either done by then, or finds that it has to read them again.

    :param at: counters that had not ended then are known.
    :param since: counters that had not ended then are told.
    :raises OutdatedError: where somebody told them otherwise since the limits were read.
    """
    generation = slots.generation
    tells = slots.is_dated or generation.number != generation.seen
    store.lock_resets(connection, customer_id, shared=not tells)
    parameters: dict[str, object] = {
        "customer_id": customer_id,
        "meter": slots.meter.key,
        "windows": generation.windows,
        "generation": generation.number,
        "seen": generation.seen,
        "occurred_at": form.time(at),
        "since": form.time(since),
    }
    newer, tell = statements.newer(form.dialect), statements.tell(form.dialect)

    if connection.exec_driver_sql(newer.sql, newer.bind(parameters)).fetchall():
        raise OutdatedError

    if tells:
        connection.exec_driver_sql(tell.sql, tell.bind(parameters))


def keep_left_out(connection: sa.Connection, slots: Slots, customer_id: int, at: datetime) -> None:
    """Let nobody open the counters that are left out before what is booked now is committed.

    Whoever opens one sums up the events of its period, and sees none of an open transaction.

    :param at: when that is used; a counter that had ended by then is not open.
    :raises OutdatedError: where one was opened since the limits were read.
    """
    if not slots.left_out:
        return

    store.lock_resets(connection, customer_id)
    opened = sa.select(UsageCounter.bucket).where(
        UsageCounter.customer_id == customer_id,
        UsageCounter.meter == slots.meter.key,
        UsageCounter.bucket.in_(slots.left_out),
        sa.or_(UsageCounter.period_end.is_(None), UsageCounter.period_end > at),
    )

    if connection.execute(opened.limit(1)).first() is not None:
        raise OutdatedError


def open_slot(
    connection: sa.Connection,
    form: store.Formats,
    slots: Slots,
    slot: Slot,
    customer_id: int,
    member: str | None,
    at: datetime,
) -> None:
    """Open one counter, unless somebody else has, or its period was cut short by a reset."""
    statement = statements.opening(form.dialect)
    parameters = _opening_parameters(form, customer_id, slot, member) | slots.terms(slot)._asdict()
    parameters |= {
        "windows": slots.generation.windows,
        "generation": slots.generation.number,
        "occurred_at": form.time(at),
    }
    connection.exec_driver_sql(statement.sql, statement.bind(parameters))


def _opening_parameters(
    form: store.Formats, customer_id: int, slot: Slot, member: str | None
) -> dict[str, object]:
    key, start, end = slot.bucket.key, slot.bucket.start, slot.bucket.end
    window, scope = slot.limit.window, slot.limit.scope
    # What one-shot allowances count is in them already, but for a reset that came before it.
    from_start = start is not None or window != "lifetime"
    return {
        "customer_id": customer_id,
        "meter": slot.limit.meter,
        "bucket": key,
        "window": window,
        "period_start": form.time(start),
        "period_end": form.time(end),
        "sum_from": form.time(start or NEVER if from_start else _FOREVER),
        "sum_to": form.time(end or _FOREVER),
        "billing_period": unmarked(key) if window == "billing_period" else None,
        "one_shot": f"%{scope}%" if window == "lifetime" else None,
        "member": member or "" if scope == "member" else None,
    }
