"""Check, consume and record: one call against one meter."""

from __future__ import annotations

import collections.abc as c
import dataclasses
import functools
import logging
import typing as t
from datetime import datetime

from .. import clock, database, outbox
from ..catalog import Meter
from ..models import Customer
from ..owners import id_of
from ..state import BillingState, state
from . import holds, ledger, notices, opening, rollover, spool, store, taking_back
from .accounts import check_member, current_customer_id, current_member, current_owner_key
from .allotment import allot
from .answers import admitted, booked, refused, unbooked
from .decision import Decision
from .dimensions import Dimensions
from .entries import Entry, Outcome
from .fast_path import book_quickly
from .inputs import (
    check_key,
    check_quantity,
    checked_time,
    event_columns,
    fact_columns,
    find_meter,
    new_key,
    refund_key,
)
from .refusal import MeteringClosed, QuotaExceeded
from .sheets import Sheet, remembered, sheet_for
from .slots import Slot, Slots

log = logging.getLogger("flask_billing.metering")

#: Rounds against other processes that keep changing the counter between reading and booking.
_ROUNDS: t.Final = 200
#: Takes a fact that could not be booked.
Keep = c.Callable[[BillingState, spool.Fact], object]


def check(
    meter: str,
    quantity: int = 1,
    *,
    customer: Customer | None = None,
    member: str | None = None,
) -> Decision:
    """Say whether ``quantity`` would be allowed now. Advice only: nothing is booked.

    What nobody settled in time is let go of first, as by a refusal or a use of credits.

    :raises InvalidUsageError: for an unknown meter or a quantity that is no amount.
    """
    current = state()
    found = find_meter(current, meter)
    check_quantity(quantity)
    check_member(current, member, customer)

    if not current.app.config["BILLING_METERING_ENABLED"]:
        return unbooked(current, found, quantity, "disabled")

    try:
        customer_id = id_of(customer) if customer is not None else current_customer_id(current)
        member = member or current_member(current, customer)
        slots = _look(current, found, customer_id, member)
        allotment = allot(slots, quantity, slots.credits)

        if allotment.needs_more and holds.expire(current, customer_id, meter):
            slots = _look(current, found, customer_id, member)
            allotment = allot(slots, quantity, slots.credits)
    except store.StoreDownError as error:
        return degraded(current, found, quantity, error)

    if allotment.in_the_way:
        return refused(current, slots, customer_id, quantity, allotment.in_the_way[0])

    return admitted(current, slots, customer_id, quantity, allotment)


def consume(
    meter: str,
    quantity: int = 1,
    *,
    key: str | None = None,
    customer: Customer | None = None,
    **dimensions: t.Unpack[Dimensions],
) -> Decision:
    """Book ``quantity`` if the quota allows it, atomically; a refused call consumes nothing.

    :param key: makes a repeated call book once and answer the same.
    :raises QuotaExceeded: an HTTP 429 that renders itself.
    :raises IdempotencyMismatchError: for a key that was booked with another quantity.
    :raises InvalidUsageError: for usage that cannot be booked as asked.
    :raises MeteringUnavailableError: where the store is down and the meter is closed then.
    """
    return _enforced(_book(meter, quantity, key, customer, dimensions, None, enforce=True))


def _look(current: BillingState, meter: Meter, customer_id: int, member: str | None) -> Slots:
    """The slots of a meter as they are now."""
    sheet = store.persistently(current, lambda: sheet_for(current, customer_id, fresh=True))
    slots = sheet.for_meter(meter, sheet.now(meter.key), member)
    seed_unopened(current, sheet, slots, member)
    return slots


def consume_call(
    meter: str,
    quantity: int,
    keep: Keep,
    **dimensions: t.Unpack[Dimensions],
) -> Decision:
    """Consume for the signed-in owner; what cannot be booked is given to ``keep``.

    So that a call which is not answered yet is spooled with its answer, or not at all.
    """
    return _enforced(_book(meter, quantity, None, None, dimensions, None, enforce=True, keep=keep))


def record(
    meter: str,
    quantity: int = 1,
    *,
    key: str | None = None,
    at: datetime | None = None,
    customer: Customer | None = None,
    **dimensions: t.Unpack[Dimensions],
) -> Decision:
    """Book a fact: always in full, whatever the quota says.

    :param at: when it happened, for a fact that arrives late; it lands in its own period.
    :raises IdempotencyMismatchError: for a key that was booked with another quantity.
    :raises InvalidUsageError: for usage that cannot be booked as asked.
    """
    return _book(meter, quantity, key, customer, dimensions, at, enforce=False)


def refund(decision: Decision, **dimensions: t.Unpack[Dimensions]) -> bool:
    """Take back what a decision booked, by an event of opposite sign. Once, however often called.

    :param dimensions: those the use was booked with, so that the sums by dimension agree.
    :returns: whether it was taken back now.
    """
    if decision.key is None or decision.replayed or decision.customer_id is None:
        return False

    current = state()
    now = clock.now()
    entry = Entry(
        decision.customer_id,
        decision.meter,
        refund_key(decision.key),
        True,
        -decision.requested,
        decision.at or now,
        now,
        fact_columns(current, dimensions),
        uses=-1,
    )
    return taking_back.take_back(current, entry, decision.key) is not None


def _book(
    meter: str,
    quantity: int,
    key: str | None,
    customer: Customer | None,
    dimensions: Dimensions,
    at: datetime | None,
    *,
    enforce: bool,
    keep: Keep = spool.keep,
) -> Decision:
    current = state()
    found = find_meter(current, meter)
    check_quantity(quantity)

    if key is not None:
        check_key(key)

    if not current.app.config["BILLING_METERING_ENABLED"]:
        return unbooked(current, found, quantity, "disabled")

    now = clock.now()
    happened = now if at is None else checked_time(at, now)
    facts = event_columns(current, dimensions, customer)
    key, keyed = (new_key(), False) if key is None else (key, True)

    customer_id: int | None = None

    try:
        customer_id = id_of(customer) if customer is not None else current_customer_id(current)
        entry = Entry(customer_id, meter, key, keyed, quantity, happened, now, facts)
        decision = _decide(current, found, entry, enforce=enforce)
    except store.StoreDownError as error:
        owner = current_owner_key(current) if customer_id is None else None
        decision = degraded(
            current,
            found,
            quantity,
            error,
            key=key,
            at=happened,
            customer_id=customer_id,
            owner=owner,
            columns=facts,
        )
        keep(
            current,
            spool.Fact(meter, quantity, key, happened.isoformat(), facts, customer_id, owner),
        )
        return decision

    if spool.is_waiting(current):
        from .replay import replay_some

        replay_some(current)

    return decision


def book_fact(current: BillingState, meter: Meter, entry: Entry) -> Decision:
    """Book an entry in full, whatever the quota says.

    :raises StoreDownError: where the database cannot be reached.
    """
    return _decide(current, meter, entry, enforce=False)


def _enforced(decision: Decision) -> Decision:
    if not decision.allowed:
        raise QuotaExceeded(decision)

    return decision


def _decide(current: BillingState, meter: Meter, entry: Entry, *, enforce: bool) -> Decision:
    if entry.at is not entry.recorded_at or store.joins_session(current):
        return _decide_carefully(current, meter, entry, enforce=enforce, known=entry.keyed)

    sheet = remembered(current, entry.customer_id, entry.recorded_at) or store.persistently(
        current, lambda: sheet_for(current, entry.customer_id)
    )
    entry = _after_resets(sheet, entry)
    slots = sheet.for_meter(meter, entry.at, entry.member)

    if slots.unopened:
        return _decide_carefully(current, meter, entry, enforce=enforce, known=entry.keyed)

    result = book_quickly(current, slots, entry, enforce=enforce)

    if result.outcome is Outcome.BOOKED:
        return booked(current, slots, entry, result)

    known = entry.keyed or result.outcome is Outcome.REPLAYED
    return _decide_carefully(current, meter, entry, enforce=enforce, known=known)


def _decide_carefully(
    current: BillingState, meter: Meter, entry: Entry, *, enforce: bool, known: bool
) -> Decision:
    """Decide on limits and counters read afresh.

    :param known: whether the key may have been booked before.
    """
    read = functools.partial(sheet_for, current, entry.customer_id, fresh=True)

    for _ in range(_ROUNDS):
        sheet = store.persistently(current, read)
        entry = _after_resets(sheet, entry)
        sheet, slots = slots_for(current, sheet, meter, entry.at, entry.member)
        seed_unopened(current, sheet, slots, entry.member)

        if known and _was_booked(current, entry):
            return booked(current, slots, entry, None)

        allotment = allot(slots, entry.quantity, slots.credits)

        # What is held in vain is included, and nothing to spend credits on.
        if allotment.credits and holds.expire(current, entry.customer_id, entry.meter):
            continue

        in_the_way = allotment.in_the_way if enforce else ()

        if not in_the_way:
            result = ledger.book_carefully(current, slots, entry, enforce=enforce)
            sheet.learn(slots, entry.member)

            if result.outcome is Outcome.BOOKED:
                return booked(current, slots, entry, result)

            known = known or result.outcome is Outcome.REPLAYED

            if enforce and not known:
                in_the_way = allot(slots, entry.quantity, slots.credits).in_the_way

        if in_the_way and not holds.expire(current, entry.customer_id, entry.meter):
            announce_refusal(current, entry.customer_id, in_the_way[0])
            return refused(current, slots, entry.customer_id, entry.quantity, in_the_way[0])

    raise store.StoreDownError("the counter kept changing")


def _after_resets(sheet: Sheet, entry: Entry) -> Entry:
    """The entry, no earlier than a reset that has been made already."""
    if not sheet.snapshot.facts.resets or entry.at is not entry.recorded_at:
        return entry

    at = max(entry.at, sheet.now(entry.meter))
    return dataclasses.replace(entry, at=at, recorded_at=at)


def slots_for(
    current: BillingState, sheet: Sheet, meter: Meter, at: datetime, member: str | None
) -> tuple[Sheet, Slots]:
    """The sheet and slots of one's own, after carrying over what is left of the period before."""
    store.persistently(current, lambda: sheet.look_back(meter, at))
    slots = sheet.for_meter(meter, at, member)

    if slots.rolls_over and slots.hold(clock.now()):
        rollover.mint_for(current, sheet, slots.every)
        return _slots_afresh(current, sheet.snapshot.facts.customer_id, meter, at, member)

    return sheet, slots.copy()


def _slots_afresh(
    current: BillingState, customer_id: int, meter: Meter, at: datetime, member: str | None
) -> tuple[Sheet, Slots]:
    def attempt() -> Sheet:
        sheet = sheet_for(current, customer_id, fresh=True)
        sheet.look_back(meter, at)
        return sheet

    sheet = store.persistently(current, attempt)
    return sheet, sheet.for_meter(meter, at, member).copy()


def seed_unopened(current: BillingState, sheet: Sheet, slots: Slots, member: str | None) -> None:
    """Let counters that are not open yet show the events of their period, if there are any."""
    last = sheet.snapshot.last_events.get(slots.meter.key)
    waiting = [
        slot
        for slot in slots.unopened
        if last is not None and slot.bucket.start is not None and last >= slot.bucket.start
    ]

    if not waiting:
        return

    form, customer_id = store.formats(current), sheet.snapshot.facts.customer_id

    def attempt() -> None:
        with database.reading() as connection:
            for slot in waiting:
                used, credited = opening.read_seed(connection, form, customer_id, slot, member)
                slot.saw(used, 0, credited)

    store.persistently(current, attempt)


def degraded(
    current: BillingState,
    meter: Meter,
    quantity: int,
    error: store.StoreDownError,
    **fact: object,
) -> Decision:
    """What a meter wants to happen while its store is down.

    :param fact: what could not be booked, for the log.
    """
    log.error("%s of %s cannot be counted (%s): %s", quantity, meter.key, error.cause, fact)

    if meter.on_error == "closed":
        raise MeteringClosed(meter.name) from error

    return unbooked(current, meter, quantity, "degraded")


def announce_refusal(current: BillingState, customer_id: int, slot: Slot) -> None:
    if notices.was_announced(current, customer_id, slot):
        return

    def attempt() -> list[outbox.Written]:
        with database.transaction() as connection:
            return notices.announce_refusal(current, connection, customer_id, slot)

    written = store.persistently(current, attempt)

    if written and not store.joins_session(current):
        outbox.dispatch(written)


def _was_booked(current: BillingState, entry: Entry) -> bool:
    def attempt() -> bool:
        with database.reading() as connection:
            return ledger.check_replay(connection, entry)

    return store.persistently(current, attempt)
