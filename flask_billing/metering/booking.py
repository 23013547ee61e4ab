"""Check, consume and record: one call against one meter."""

from __future__ import annotations

import hashlib
import logging
import os
import time
import typing as t
from datetime import UTC, datetime

from .. import clock, database, outbox
from ..catalog import UNLIMITED, Limit, Meter
from ..errors import InvalidUsageError
from ..models import Customer
from ..state import BillingState, state
from . import ledger, notices, store
from .accounts import current_customer_id, current_member
from .buckets import Bucket
from .decision import Decision, Reason, Source, usage_of
from .dimensions import Dimensions, columns
from .refusal import MeteringClosed, QuotaExceeded
from .sheets import Sheet, Slot, Slots, sheet_for

log = logging.getLogger("flask_billing.metering")

_FAR: t.Final = datetime.max.replace(tzinfo=UTC)
#: Most units one call may book.
LARGEST: t.Final = 2**53
_LONGEST_KEY: t.Final = 255
#: Rounds against other processes that keep changing the counter between reading and booking.
_ROUNDS: t.Final = 20


def check(
    meter: str,
    quantity: int = 1,
    *,
    customer: Customer | None = None,
    member: str | None = None,
) -> Decision:
    """Say whether ``quantity`` would be allowed now. Advice only: nothing is booked.

    :raises InvalidUsageError: for an unknown meter or a quantity that is no amount.
    """
    current = state()
    found = find_meter(current, meter)
    check_quantity(quantity)

    if not current.app.config["BILLING_METERING_ENABLED"]:
        return _unbooked(current, found, quantity, "disabled")

    try:
        customer_id = customer.id if customer is not None else current_customer_id(current)
        sheet = store.persistently(lambda: sheet_for(current, customer_id, fresh=True))
    except store.StoreDownError as error:
        return _degraded(current, found, quantity, error)

    member = member or current_member(current)
    slots = sheet.for_meter(found, clock.now(), member)
    seed_unopened(current, sheet, slots, member)
    refusing = _refusing(slots, quantity)

    if refusing:
        return _refused(current, slots, customer_id, quantity, refusing)

    return _admitted(current, slots, customer_id, quantity)


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
    decision = _book(meter, quantity, key, customer, dimensions, None, enforce=True)

    if not decision.allowed:
        raise QuotaExceeded(decision)

    return decision


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
    at = clock.now()
    entry = ledger.Entry(
        decision.customer_id,
        decision.meter,
        _refund_key(decision.key),
        True,
        -decision.requested,
        at,
        at,
        _columns(current, dimensions),
        uses=-1,
    )
    return ledger.take_back(current, entry, decision.buckets) is ledger.Outcome.BOOKED


def find_meter(current: BillingState, key: str) -> Meter:
    """The meter of that key.

    :raises InvalidUsageError: with the meters there are.
    """
    meters: dict[str, Meter] | None = current.caches.get("metering.meters")

    if meters is None:
        meters = {meter.key: meter for meter in current.catalog.meters}
        current.caches["metering.meters"] = meters

    found = meters.get(key)

    if found is None:
        known = ", ".join(meters) or "none"
        raise InvalidUsageError(
            f"The catalog has no meter {key!r}. It has: {known}. Nothing was booked. "
            "Add the meter to the catalog, or correct the name."
        )

    return found


def check_quantity(quantity: int) -> None:
    """Refuse what is no amount.

    :raises InvalidUsageError: for anything but a whole number from 1.
    """
    if type(quantity) is not int or not 0 < quantity <= LARGEST:
        raise InvalidUsageError(
            f"The quantity {quantity!r} is not a whole number from 1 to {LARGEST}. "
            "Nothing was booked. Count in the meter's smallest unit."
        )


def _book(
    meter: str,
    quantity: int,
    key: str | None,
    customer: Customer | None,
    dimensions: Dimensions,
    at: datetime | None,
    *,
    enforce: bool,
) -> Decision:
    current = state()
    found = find_meter(current, meter)
    check_quantity(quantity)

    if key is not None:
        _check_key(key)

    if not current.app.config["BILLING_METERING_ENABLED"]:
        return _unbooked(current, found, quantity, "disabled")

    now = clock.now()
    happened = now if at is None else _checked_time(at, now)
    booked = _columns(current, dimensions)
    key, keyed = (_new_key(), False) if key is None else (key, True)

    try:
        customer_id = customer.id if customer is not None else current_customer_id(current)
        entry = ledger.Entry(customer_id, meter, key, keyed, quantity, happened, now, booked)
        return _decide(current, found, entry, enforce=enforce)
    except store.StoreDownError as error:
        return _degraded(current, found, quantity, error, key=key, at=happened, columns=booked)


def _decide(current: BillingState, meter: Meter, entry: ledger.Entry, *, enforce: bool) -> Decision:
    if entry.at is not entry.recorded_at or store.joins_session():
        return _decide_carefully(current, meter, entry, enforce=enforce, known=entry.keyed)

    sheet = store.persistently(lambda: sheet_for(current, entry.customer_id))
    slots = sheet.for_meter(meter, entry.at, _member(entry))

    if slots.unopened:
        ledger.open_counters(current, slots, entry)

    result = ledger.book_quickly(current, slots, entry, enforce=enforce)

    if result.outcome is ledger.Outcome.BOOKED:
        return _booked(current, slots, entry, result.counters)

    known = entry.keyed or result.outcome is ledger.Outcome.REPLAYED
    return _decide_carefully(current, meter, entry, enforce=enforce, known=known)


def _decide_carefully(
    current: BillingState, meter: Meter, entry: ledger.Entry, *, enforce: bool, known: bool
) -> Decision:
    """Decide on limits and counters read afresh.

    :param known: whether the key may have been booked before.
    """
    for _ in range(_ROUNDS):
        sheet = store.persistently(lambda: sheet_for(current, entry.customer_id, fresh=True))
        slots = sheet.for_meter(meter, entry.at, _member(entry))
        seed_unopened(current, sheet, slots, _member(entry))

        if known and _was_booked(entry):
            return _booked(current, slots, entry, None)

        if enforce and (refusing := _refusing(slots, entry.quantity)):
            _announce(current, entry.customer_id, refusing[0])
            return _refused(current, slots, entry.customer_id, entry.quantity, refusing)

        result = ledger.book_carefully(current, slots, entry, enforce=enforce)

        if result.outcome is ledger.Outcome.BOOKED:
            return _booked(current, slots, entry, result.counters)

        known = known or result.outcome is ledger.Outcome.REPLAYED

    raise store.StoreDownError("the counter kept changing")


def seed_unopened(current: BillingState, sheet: Sheet, slots: Slots, member: str | None) -> None:
    """Let counters that are not open yet show the events of their period, if there are any."""
    last = sheet.snapshot.last_events.get(slots.meter.key)
    waiting = [
        slot
        for slot in slots.unopened
        if last is not None and slot.counted_from is not None and last >= slot.counted_from
    ]

    if not waiting:
        return

    form = store.formats(current)

    with database.reading() as connection:
        for slot in waiting:
            customer_id = sheet.snapshot.facts.customer_id
            slot.saw(ledger.read_seed(connection, form, customer_id, slot, member), 0)


def _refusing(slots: Slots, quantity: int) -> list[Slot]:
    """The limits that such a call would pass, the one that resets last first."""
    found = [slot for slot in slots.every if slot.used + slot.reserved + quantity > slot.ceiling]
    return sorted(found, key=lambda slot: slot.bucket.end or _FAR, reverse=True)


def _admitted(current: BillingState, slots: Slots, customer_id: int, quantity: int) -> Decision:
    """The answer to a question: nothing was booked."""
    slot = tightest(slots)
    beyond = slot.used + slot.reserved + quantity > slot.limit.included >= 0
    status = usage_of(
        slots.meter, slot.limit, slot.bucket, slot.used, slot.reserved, _colours(current)
    )
    return Decision(
        True,
        quantity,
        "over_limit" if beyond else "within_limit",
        status,
        customer_id,
        slots.plan.key if slots.plan else None,
        source="overage" if beyond and slot.limit.policy == "overage" else "included",
    )


def _booked(
    current: BillingState,
    slots: Slots,
    entry: ledger.Entry,
    counters: ledger.Counters | None,
) -> Decision:
    """The answer to what was booked now, or before where there are no ``counters``."""
    slot = tightest(slots)
    used, reserved = (slot.used, slot.reserved) if counters is None else counters[slot.bucket.key]
    limit = slot.limit
    reason: Reason = "within_limit"
    source: Source = "included"

    if not limit.unlimited and used > limit.included:
        reason = "over_limit" if limit.included else "not_included"
        source = "overage" if limit.policy == "overage" else "included"

    return Decision(
        True,
        entry.quantity,
        reason,
        usage_of(slots.meter, limit, slot.bucket, used, reserved, _colours(current)),
        entry.customer_id,
        slots.plan.key if slots.plan else None,
        entry.key,
        tuple([one.bucket.key for one in slots.every]),
        counters is None,
        source,
    )


def _refused(
    current: BillingState,
    slots: Slots,
    customer_id: int,
    quantity: int,
    refusing: list[Slot],
) -> Decision:
    slot = refusing[0]
    reason: Reason = "over_limit" if slot.limit.included else "not_included"

    if slot.limit.policy == "overage":
        reason = "overage_cap"

    return Decision(
        False,
        quantity,
        reason,
        usage_of(slots.meter, slot.limit, slot.bucket, slot.used, slot.reserved, _colours(current)),
        customer_id,
        slots.plan.key if slots.plan else None,
    )


def tightest(slots: Slots) -> Slot:
    """The slot nearest its limit: what a person wants to know of a meter with several windows."""
    every = slots.every

    if len(every) == 1:
        return every[0]

    return max(every, key=_fullness)


def _fullness(slot: Slot) -> float:
    if slot.limit.unlimited:
        return -1.0

    return (slot.used + slot.reserved) / slot.limit.included if slot.limit.included else 2.0**60


def _unbooked(current: BillingState, meter: Meter, quantity: int, reason: Reason) -> Decision:
    """The answer where nothing is known: allowed."""
    nothing = Limit(meter=meter.key, included=UNLIMITED)
    status = usage_of(meter, nothing, Bucket("", None, None), 0, 0, _colours(current))
    return Decision(True, quantity, reason, status, degraded=reason == "degraded")


def _degraded(
    current: BillingState,
    meter: Meter,
    quantity: int,
    error: store.StoreDownError,
    **fact: object,
) -> Decision:
    """What a meter wants to happen while its store is down.

    :param fact: what could not be booked; the log keeps it, for it to be recorded later.
    """
    log.error("%s of %s cannot be counted: %s. %s", quantity, meter.key, error, fact)

    if meter.on_error == "closed":
        raise MeteringClosed(meter.name) from error

    return _unbooked(current, meter, quantity, "degraded")


def _announce(current: BillingState, customer_id: int, slot: Slot) -> None:
    if notices.was_announced(current, customer_id, slot):
        return

    with database.transaction() as connection:
        written = notices.announce_refusal(current, connection, customer_id, slot)

    if written and not store.joins_session():
        outbox.dispatch(written)


def _was_booked(entry: ledger.Entry) -> bool:
    with database.reading() as connection:
        return ledger.check_replay(connection, entry)


def _columns(current: BillingState, dimensions: Dimensions) -> dict[str, object]:
    found = columns(dimensions)
    extra = found.get("extra")

    if extra is not None:
        found["extra"] = store.formats(current).json(t.cast("dict[str, object]", extra))

    if "member" not in found and (member := current_member(current)) is not None:
        found["member"] = member

    return found


def _member(entry: ledger.Entry) -> str | None:
    return t.cast("str | None", entry.columns.get("member"))


def _colours(current: BillingState) -> tuple[int, int]:
    settings = current.app.config
    return settings["BILLING_METER_WARN_PERCENT"], settings["BILLING_METER_CRITICAL_PERCENT"]


def _check_key(key: str) -> None:
    if not isinstance(key, str) or not 0 < len(key) <= _LONGEST_KEY or "\x00" in key:
        raise InvalidUsageError(
            f"An idempotency key is a text of 1 to {_LONGEST_KEY} characters, none of them NUL. "
            "Nothing was booked."
        )


def _checked_time(at: datetime, now: datetime) -> datetime:
    if at.tzinfo is None or at > now:
        raise InvalidUsageError(
            f"{at!r} is no time a fact can have: pass an aware time that is not in the future. "
            "Nothing was booked."
        )

    return at.astimezone(UTC)


def _new_key() -> str:
    """A key nobody else has. It begins with the time, so that an index grows at one end."""
    return f"{time.time_ns():016x}{os.urandom(8).hex()}"


def _refund_key(key: str) -> str:
    whole = f"refund:{key}"

    if len(whole) <= _LONGEST_KEY:
        return whole

    return f"refund:{hashlib.sha256(key.encode()).hexdigest()}"
