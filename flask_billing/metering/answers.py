"""Decisions, made of what a call met: the limits, the counters, and what became of it."""

from __future__ import annotations

from ..catalog import UNLIMITED, Limit, Meter
from ..state import BillingState
from .allotment import Allotment
from .buckets import Bucket
from .decision import Decision, Reason, Source, Usage, usage_of
from .entries import Entry, Result
from .slots import Slot, Slots


def booked(current: BillingState, slots: Slots, entry: Entry, result: Result | None) -> Decision:
    """The answer to what was booked now, or before where there is no ``result``."""
    slot = tightest(slots)
    drawn, counter = 0, (slot.used, slot.reserved, slot.credited)

    if result is not None:  # other threads may have taught the slots more since
        drawn, counter = result.credits, result.counters[slot.bucket.key]

    return Decision(
        True,
        entry.quantity,
        _reason(slot.limit, counter[0] - counter[2]),
        _status(current, slots, slot, counter),
        entry.customer_id,
        slots.plan.key if slots.plan else None,
        entry.key,
        tuple([one.bucket.key for one in slots.every]),
        result is None,
        source_of(slots, drawn),
        credits=drawn,
        at=entry.at,
    )


def refused(
    current: BillingState,
    slots: Slots,
    customer_id: int,
    quantity: int,
    slot: Slot,
) -> Decision:
    """The answer to a call that a limit refused."""
    reason: Reason = "over_limit" if slot.limit.included else "not_included"

    if slot.limit.policy == "overage":
        reason = "overage_cap"

    return Decision(
        False,
        quantity,
        reason,
        usage_in(current, slots, slot),
        customer_id,
        slots.plan.key if slots.plan else None,
    )


def admitted(
    current: BillingState, slots: Slots, customer_id: int, quantity: int, allotment: Allotment
) -> Decision:
    """The answer to a question, or to a hold: nothing was booked."""
    slot = tightest(slots)
    drawn = allotment.credits
    rest = quantity - drawn if slot.creditable else quantity
    return Decision(
        True,
        quantity,
        _reason(slot.limit, slot.taken + rest),
        usage_in(current, slots, slot),
        customer_id,
        slots.plan.key if slots.plan else None,
        source=source_of(slots, drawn, quantity),
        credits=drawn,
    )


def unbooked(current: BillingState, meter: Meter, quantity: int, reason: Reason) -> Decision:
    """The answer where nothing is known: allowed."""
    nothing = Limit(meter=meter.key, included=UNLIMITED)
    status = usage_of(meter, nothing, Bucket("", None, None), 0, 0, _colours(current))
    return Decision(True, quantity, reason, status, degraded=reason == "degraded")


def usage_in(current: BillingState, slots: Slots, slot: Slot) -> Usage:
    """Usage of one slot as it was seen last."""
    return _status(current, slots, slot, (slot.used, slot.reserved, slot.credited))


def tightest(slots: Slots) -> Slot:
    """The slot nearest its limit: what a person wants to know of a meter with several windows."""
    every = slots.every

    if len(every) == 1:
        return every[0]

    return max(every, key=_fullness)


def _status(
    current: BillingState, slots: Slots, slot: Slot, counter: tuple[int, int, int]
) -> Usage:
    used, reserved, credited = counter
    return usage_of(
        slots.meter,
        slot.limit,
        slot.bucket,
        used,
        reserved,
        _colours(current),
        credited,
        slots.credits if slot.creditable else 0,
    )


def _reason(limit: Limit, counted: int) -> Reason:
    if limit.unlimited or counted <= limit.included:
        return "within_limit"

    return "over_limit" if limit.included else "not_included"


def source_of(slots: Slots, drawn: int, quantity: int = 0) -> Source:
    """The last that units are taken from: those counted already, or ``quantity`` more."""
    for slot in slots.every:
        if slot.limit.policy == "overage":
            after = slot.taken + max(0, quantity - drawn)

            if after > slot.limit.included >= 0:
                return "overage"

    return "credits" if drawn else "included"


def _fullness(slot: Slot) -> float:
    if slot.limit.unlimited:
        return -1.0

    return slot.taken / slot.limit.included if slot.limit.included else 2.0**60


def _colours(current: BillingState) -> tuple[int, int]:
    settings = current.app.config
    return settings["BILLING_METER_WARN_PERCENT"], settings["BILLING_METER_CRITICAL_PERCENT"]
