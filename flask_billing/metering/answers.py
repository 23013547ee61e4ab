"""Decisions, made of what a call met: the limits, the counters, and what became of it."""

from __future__ import annotations

import collections.abc as c
import math

from ..catalog import UNLIMITED, Limit, Meter
from ..state import BillingState
from .allotment import Allotment
from .buckets import Bucket
from .decision import Decision, Reason, Source, Usage, usage_of
from .entries import Entry, Result
from .slots import NO_CEILING, Slot, Slots


def booked(current: BillingState, slots: Slots, entry: Entry, result: Result | None) -> Decision:
    """The answer to what was booked now, or before where there is no ``result``."""
    slot = first_to_stop(slots)
    drawn, counters = 0, {}

    if result is not None:  # other threads may have taught the slots more since
        drawn, counters = result.credits, result.counters

    seen = [
        (one, counters.get(one.bucket.key, (one.used, one.reserved, one.credited)))
        for one in slots.every
    ]
    counter = next(counter for one, counter in seen if one is slot)

    return Decision(
        True,
        entry.quantity,
        _reason((one.limit, used - one.lifted(credited)) for one, (used, _, credited) in seen),
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
    slot = first_to_stop(slots)
    drawn = allotment.credits
    return Decision(
        True,
        quantity,
        _reason((one.limit, one.taken + quantity - one.lifted(drawn)) for one in slots.every),
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


def first_to_stop(slots: Slots) -> Slot:
    """The slot that will stop use first, which is told of a meter with several windows.

    One that stops goes before one that goes on, as where more is sold or a limit is soft. Then
    the fullest: by where it stops, what credits leave included, or else by what it includes.
    """
    every = slots.every

    if len(every) == 1:
        return every[0]

    return max(every, key=lambda slot: _nearness(slot, slots.credits))


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
        slot.lifted(credited),
        slot.lifted(slots.credits),
    )


def _reason(counted: c.Iterable[tuple[Limit, int]]) -> Reason:
    """Whether any limit is passed by what it counts."""
    passed = [limit for limit, units in counted if units > limit.included and not limit.unlimited]

    if not passed:
        return "within_limit"

    return "over_limit" if all(limit.included for limit in passed) else "not_included"


def source_of(slots: Slots, drawn: int, quantity: int = 0) -> Source:
    """The last that units are taken from: those counted already, or ``quantity`` more."""
    for slot in slots.every:
        if slot.limit.policy == "overage":
            after = slot.taken + max(0, quantity - drawn)

            if after > slot.limit.included >= 0:
                return "overage"

    return "credits" if drawn else "included"


def _nearness(slot: Slot, credits_left: int) -> tuple[bool, float]:
    if slot.limit.unlimited:
        return False, -1.0

    stops = slot.ceiling < NO_CEILING
    end = slot.ceiling if stops else slot.limit.included
    end += slot.lifted(credits_left)
    return stops, slot.taken / end if end else math.inf


def _colours(current: BillingState) -> tuple[int, int]:
    settings = current.app.config
    return settings["BILLING_METER_WARN_PERCENT"], settings["BILLING_METER_CRITICAL_PERCENT"]
