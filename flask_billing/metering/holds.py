"""Holds on quota: a reservation's row, its counters and its grants change together.

The row's state is the lock: whoever changes it from open books, and everybody after finds it
changed. Rows are locked in one order: reservation, counters, grants.
"""

from __future__ import annotations

import collections.abc as c
import dataclasses
import typing as t
from datetime import datetime

import sqlalchemy as sa

from .. import clock, database, outbox
from ..errors import IdempotencyMismatchError, InvalidUsageError
from ..models import UsageReservation
from ..state import BillingState
from . import grants, ledger, opening, store
from .allotment import Allotment, allot, shortage
from .entries import REPLAYED, Entry, Outcome, Result, remember
from .slots import Slots

#: Holds that one transaction of the sweep lets go.
_BATCH: t.Final = 200
_TABLE: t.Final = t.cast(sa.Table, UsageReservation.__table__)


@dataclasses.dataclass(frozen=True, slots=True)
class Hold:
    """A reservation as its row tells it."""

    id: int
    customer_id: int
    meter: str
    key: str
    amount: int
    #: Keys of its counters, and the units of it that credits cover in each.
    buckets: dict[str, int]
    grants: grants.Parts
    member: str | None
    state: str
    settled: int | None
    created_at: datetime
    expires_at: datetime


class _Refused(Exception):  # noqa: N818  (rolls back the transaction it is raised in)
    """A limit refused inside a transaction, or a counter was missing."""


@dataclasses.dataclass(frozen=True, slots=True)
class Ask:
    """What is to be held, for how long."""

    customer_id: int
    meter: str
    key: str
    amount: int
    member: str | None
    now: datetime
    expires_at: datetime


def open_hold(
    current: BillingState, slots: Slots, ask: Ask
) -> tuple[Hold, Allotment | None] | None:
    """Hold units up to the limits, of credits too. None where a limit refuses.

    A key that was released, or expired, may be held again.

    :returns: the hold and where its units come from, which is None where the key is held.
    :raises IdempotencyMismatchError: for a key that holds another amount.
    """
    form = store.formats(current)

    def attempt() -> tuple[Hold, Allotment | None] | None:
        try:
            with database.transaction() as connection:
                known = next(iter(_locked(connection, _of_key(ask))), None)

                if known is not None and known.state in ("open", "settled"):
                    _check_same(known, ask)
                    return known, None

                opening.open_slots(connection, form, slots, ask.customer_id, ask.member, ask.now)
                ledger.lock_counters(connection, form, slots, ask.customer_id, ask.now)
                allotment, parts = _draw(connection, slots, ask)
                hold = _write(connection, slots, ask, known, allotment, parts)
                grants.hold(connection, parts)

                for bucket, covered in sorted(hold.buckets.items()):
                    slot = next(slot for slot in slots.every if slot.bucket.key == bucket)
                    slot.saw(slot.used, slot.reserved + ask.amount, slot.credited + covered)
                    ledger.change_counter(
                        connection, form, ask.customer_id, slots, slot, 0, ask.amount, covered
                    )

                slots.credits = max(0, slots.credits - allotment.credits)
                return hold, allotment
        except (_Refused, opening.OutdatedError):
            return None

    return store.persistently(current, attempt)


def settle(
    current: BillingState, hold_id: int, slots: Slots, entry: Entry | None, settled: int
) -> Result:
    """End a hold and book what was really used into its counters.

    A hold that has expired books what was used all the same: it is a fact.

    :param slots: those of the hold's counters.
    :param entry: what was used; None where it was nothing.
    :raises InvalidUsageError: for a hold that was released.
    :raises OutdatedError: where counters were opened since the slots were read.
    """
    form = store.formats(current)
    noted: list[outbox.Written] = []

    def attempt() -> Result:
        with database.transaction() as connection:
            (hold,) = _locked(connection, _TABLE.c.id == hold_id)

            if hold.state == "settled":
                return REPLAYED

            if hold.state == "released":
                raise InvalidUsageError(
                    f"The reservation {hold.key!r} was released, so there is nothing to settle. "
                    "Nothing was booked. Record what was used with 'record'."
                )

            opening.open_slots(
                connection, form, slots, hold.customer_id, hold.member, hold.created_at
            )
            opening.keep_left_out(connection, slots, hold.customer_id, hold.created_at)
            # Whenever they ended by now, they count what they held.
            ledger.lock_counters(connection, form, slots, hold.customer_id, opening.NEVER)
            held = _let_go(connection, form, slots, hold)
            _mark(connection, [hold.id], "settled", settled)

            if entry is None:
                grants.hold(connection, held, -1)
                return Result(Outcome.BOOKED, _counters(slots))

            parts = _draw_settled(connection, slots, entry, held)
            grants.hold(connection, held, -1)
            result = ledger.write_entry(connection, form, slots, entry, parts)

            if result.outcome is Outcome.BOOKED:
                noted[:] = ledger.note_crossings(connection, slots, entry, result)

            return result

    result = store.persistently(current, attempt)
    remember(slots, result.counters)

    if noted and not store.joins_session(current):
        outbox.dispatch(noted)

    return result


def release(current: BillingState, hold_id: int) -> bool:
    """Let a hold go. False where it was not open any more."""
    return bool(_end(current, _TABLE.c.id == hold_id, "released"))


def expire(current: BillingState, customer_id: int | None = None, meter: str | None = None) -> int:
    """Let go of holds that nobody settled in time, a batch at once.

    :param customer_id: only this customer's.
    :returns: how many it were.
    """
    due = [_TABLE.c.expires_at <= clock.now()]

    if customer_id is not None:
        due.append(_TABLE.c.customer_id == customer_id)

    if meter is not None:
        due.append(_TABLE.c.meter == meter)

    return _end(current, sa.and_(*due), "expired")


def read(connection: sa.Connection, hold_id: int) -> Hold:
    """A hold as it is committed."""
    return _hold(connection.execute(sa.select(_TABLE).where(_TABLE.c.id == hold_id)).one())


def _end(current: BillingState, which: sa.ColumnElement[bool], state: str) -> int:
    form = store.formats(current)
    wanted = sa.and_(_TABLE.c.state == "open", which)

    def look() -> bool:
        with database.reading() as connection:
            return connection.execute(sa.select(_TABLE.c.id).where(wanted).limit(1)).first() is None

    def attempt() -> int:
        with database.transaction() as connection:
            holds = _locked(connection, wanted, skip=state == "expired")

            if not holds:
                return 0

            # Counters of several customers, in the order that everybody locks them in.
            for customer_id, meter, bucket, held, covered in _by_counter(holds):
                ledger.take_hold_off(connection, form, customer_id, meter, bucket, held, covered)

            grants.hold(connection, _grants_of(holds), -1)
            _mark(connection, [hold.id for hold in holds], state, None)
            return len(holds)

    # Most of the time there is nothing to do, which takes no lock to see.
    return 0 if store.persistently(current, look) else store.persistently(current, attempt)


def _draw(connection: sa.Connection, slots: Slots, ask: Ask) -> tuple[Allotment, grants.Parts]:
    parts: grants.Parts = {}
    needed = shortage(slots, ask.amount)

    if needed > 0:
        parts, slots.credits = grants.draw(connection, ask.customer_id, ask.meter, needed, ask.now)

    allotment = allot(slots, ask.amount, slots.credits)

    if allotment.in_the_way:
        raise _Refused

    return allotment, parts


def _draw_settled(
    connection: sa.Connection, slots: Slots, entry: Entry, held: grants.Parts
) -> grants.Parts:
    needed = shortage(slots, entry.quantity)

    if needed <= 0:
        return {}

    if not slots.hold(entry.recorded_at):  # the period is over: what it held, and no more
        needed = min(needed, sum(held.values()))

    parts, free = grants.draw(
        connection, entry.customer_id, entry.meter, needed, entry.recorded_at, held
    )
    slots.credits = max(0, free - max(0, sum(parts.values()) - sum(held.values())))
    return parts


def _let_go(
    connection: sa.Connection, form: store.Formats, slots: Slots, hold: Hold
) -> grants.Parts:
    """Take an open hold off its counters, and say what it held of grants."""
    if hold.state != "open":
        return {}

    for slot in sorted(slots.every, key=lambda slot: slot.bucket.key):
        if slot.bucket.key not in hold.buckets:
            continue  # opened since

        covered = hold.buckets[slot.bucket.key]
        slot.saw(slot.used, slot.reserved - hold.amount, slot.credited - covered)
        ledger.change_counter(
            connection, form, hold.customer_id, slots, slot, 0, -hold.amount, -covered
        )

    return hold.grants


def _write(
    connection: sa.Connection,
    slots: Slots,
    ask: Ask,
    known: Hold | None,
    allotment: Allotment,
    parts: grants.Parts,
) -> Hold:
    covered = {slot.bucket.key: allotment.credits for slot in slots.every}
    values: dict[str, object] = {
        "customer_id": ask.customer_id,
        "meter": ask.meter,
        "idempotency_key": ask.key,
        "amount": ask.amount,
        "buckets": [list(item) for item in covered.items()],
        "grants": [list(item) for item in parts.items()] or None,
        "member": ask.member,
        "state": "open",
        "settled": None,
        "created_at": ask.now,
        "expires_at": ask.expires_at,
        "finished_at": None,
    }

    if known is not None:
        connection.execute(sa.update(_TABLE).where(_TABLE.c.id == known.id).values(values))
        found = known.id
    else:
        inserted = connection.execute(
            database.insert(connection, UsageReservation)
            .values(values)
            .on_conflict_do_nothing(index_elements=["customer_id", "meter", "idempotency_key"])
            .returning(_TABLE.c.id)
        ).scalar_one_or_none()

        if inserted is None:  # another process was first: look again
            raise _Refused

        found = inserted

    return Hold(
        found,
        ask.customer_id,
        ask.meter,
        ask.key,
        ask.amount,
        covered,
        parts,
        ask.member,
        "open",
        None,
        ask.now,
        ask.expires_at,
    )


def _locked(
    connection: sa.Connection, which: sa.ColumnElement[bool], *, skip: bool = False
) -> list[Hold]:
    """Read holds and keep others from changing them until the transaction ends.

    :param skip: leaves out those that somebody else has locked.
    """
    first = sa.select(_TABLE).where(which).order_by(_TABLE.c.id).limit(_BATCH)

    if connection.dialect.name == "postgresql":
        rows = connection.execute(first.with_for_update(skip_locked=skip)).all()
    else:  # inside the host's transaction a read alone would lock nothing
        rows = connection.execute(
            sa.update(_TABLE)
            .where(_TABLE.c.id.in_(first.with_only_columns(_TABLE.c.id)))
            .values(state=_TABLE.c.state)
            .returning(*_TABLE.c)
        ).all()

    return sorted([_hold(row) for row in rows], key=lambda hold: hold.id)


def _mark(connection: sa.Connection, ids: c.Sequence[int], state: str, settled: int | None) -> None:
    connection.execute(
        sa.update(_TABLE)
        .where(_TABLE.c.id.in_(ids))
        .values(state=state, settled=settled, finished_at=clock.now())
    )


def _check_same(known: Hold, ask: Ask) -> None:
    if known.amount != ask.amount:
        raise IdempotencyMismatchError(
            f"The key {ask.key!r} holds {known.amount} of {ask.meter!r}, and now {ask.amount} is "
            "asked for. Nothing was held. Use a new key for a new reservation."
        )


def _of_key(ask: Ask) -> sa.ColumnElement[bool]:
    return sa.and_(
        _TABLE.c.customer_id == ask.customer_id,
        _TABLE.c.meter == ask.meter,
        _TABLE.c.idempotency_key == ask.key,
    )


def _by_counter(holds: c.Sequence[Hold]) -> list[tuple[int, str, str, int, int]]:
    sums: dict[tuple[int, str, str], tuple[int, int]] = {}

    for hold in holds:
        for bucket, covered in hold.buckets.items():
            counter = hold.customer_id, hold.meter, bucket
            units, of_credits = sums.get(counter, (0, 0))
            sums[counter] = units + hold.amount, of_credits + covered

    return [(*counter, *sums[counter]) for counter in sorted(sums)]


def _grants_of(holds: c.Sequence[Hold]) -> grants.Parts:
    found: grants.Parts = {}

    for hold in holds:
        for grant_id, units in hold.grants.items():
            found[grant_id] = found.get(grant_id, 0) + units

    return found


def _counters(slots: Slots) -> dict[str, tuple[int, int, int]]:
    return {slot.bucket.key: (slot.used, slot.reserved, slot.credited) for slot in slots.every}


def _hold(row: sa.Row[t.Any]) -> Hold:
    return Hold(
        row.id,
        row.customer_id,
        row.meter,
        row.idempotency_key,
        row.amount,
        dict(row.buckets),
        dict(row.grants or ()),
        row.member,
        row.state,
        row.settled,
        row.created_at,
        row.expires_at,
    )
