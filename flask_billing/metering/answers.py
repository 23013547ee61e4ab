"""Decisions, made of what a call met: the limits, the counters, and what became of it."""

from __future__ import annotations

import typing as t
from datetime import UTC, datetime

from ..catalog import UNLIMITED, Limit, Meter
from ..state import BillingState
from .buckets import Bucket
from .decision import Decision, Reason, Source, Usage, usage_of
from .entries import Counters, Entry
from .sheets import Slot, Slots

_FAR: t.Final = datetime.max.replace(tzinfo=UTC)


def booked(
    current: BillingState,
    slots: Slots,
    entry: Entry,
    counters: Counters | None,
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


def admitted(current: BillingState, slots: Slots, customer_id: int, quantity: int) -> Decision:
    """The answer to a question: nothing was booked."""
    slot = tightest(slots)
    beyond = slot.used + slot.reserved + quantity > slot.limit.included >= 0
    return Decision(
        True,
        quantity,
        "over_limit" if beyond else "within_limit",
        usage_in(current, slots, slot),
        customer_id,
        slots.plan.key if slots.plan else None,
        source="overage" if beyond and slot.limit.policy == "overage" else "included",
    )


def unbooked(current: BillingState, meter: Meter, quantity: int, reason: Reason) -> Decision:
    """The answer where nothing is known: allowed."""
    nothing = Limit(meter=meter.key, included=UNLIMITED)
    status = usage_of(meter, nothing, Bucket("", None, None), 0, 0, _colours(current))
    return Decision(True, quantity, reason, status, degraded=reason == "degraded")


def usage_in(current: BillingState, slots: Slots, slot: Slot) -> Usage:
    """Usage of one slot as it was seen last."""
    return usage_of(
        slots.meter, slot.limit, slot.bucket, slot.used, slot.reserved, _colours(current)
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


def refusing(slots: Slots, quantity: int) -> list[Slot]:
    """The limits that such a call would pass, the one that resets last first."""
    found = [slot for slot in slots.every if slot.used + slot.reserved + quantity > slot.ceiling]
    return sorted(found, key=lambda slot: slot.bucket.end or _FAR, reverse=True)


def _colours(current: BillingState) -> tuple[int, int]:
    settings = current.app.config
    return settings["BILLING_METER_WARN_PERCENT"], settings["BILLING_METER_CRITICAL_PERCENT"]
