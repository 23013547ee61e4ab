"""Where the units of a call come from: what is included, then credits, then overage."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime

from .slots import Slot, Slots

_FAR = datetime.max.replace(tzinfo=UTC)


@dataclasses.dataclass(frozen=True, slots=True)
class Allotment:
    """How a call would be paid for.

    :param credits: units to be taken from credits.
    :param in_the_way: the limits that refuse the rest, the one that resets last first.
    """

    credits: int
    in_the_way: tuple[Slot, ...]

    @property
    def needs_more(self) -> bool:
        """Whether more than what is included is asked for."""
        return bool(self.credits or self.in_the_way)


def shortage(slots: Slots, quantity: int) -> int:
    """Units of a call that the limits which credits extend do not include any more.

    What was used beyond them before is not made up for.
    """
    return max(
        (
            min(quantity, slot.taken + quantity - slot.limit.included)
            for slot in slots.every
            if slot.creditable
        ),
        default=0,
    )


def allot(slots: Slots, quantity: int, available: int) -> Allotment:
    """Divide a call among what the counters, as last seen, leave of each limit.

    :param available: units of credit that may be spent.
    """
    drawn = max(0, min(shortage(slots, quantity), available))
    in_the_way = []

    for slot in slots.every:
        rest = quantity - slot.lifted(drawn)

        if rest and slot.taken + rest > slot.ceiling:
            in_the_way.append(slot)

    in_the_way.sort(key=lambda slot: slot.bucket.end or _FAR, reverse=True)
    return Allotment(drawn, tuple(in_the_way))
