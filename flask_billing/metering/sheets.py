"""The limits in force, with the buckets open now: what one call is measured against.

A customer's sheet is kept for ``BILLING_LIMIT_CACHE`` and then read again; a refusal reads it
afresh at once, so an upgrade a second ago counts.
"""

from __future__ import annotations

import dataclasses
import time
import typing as t
from datetime import datetime, timedelta

from .. import clock
from ..catalog import Meter
from ..state import BillingState, state
from .reading import Snapshot, read_counters, read_snapshot
from .slots import Slots
from .slotting import generation_of, slots_at, told_otherwise

#: Customers whose sheets one process keeps.
_MOST_SHEETS: t.Final = 20_000
_NO_TIME: t.Final = timedelta(0)


@dataclasses.dataclass(slots=True)
class Sheet:
    """What one process remembers of a customer's limits and counters."""

    snapshot: Snapshot
    #: By the wall clock, and by business time, which can be moved.
    read_at: tuple[float, datetime]
    slots: dict[tuple[str, str | None], Slots] = dataclasses.field(default_factory=dict)
    #: Meter -> since when all counters are known, where that is before those open now.
    known_since: dict[str, datetime] = dataclasses.field(default_factory=dict)

    def look_back(self, meter: Meter, at: datetime) -> None:
        """Read the counters of a moment that is past, which may have ended since."""
        # Hours are the shortest periods, so those of this hour are open.
        now = self.read_at[1].replace(minute=0, second=0, microsecond=0)

        if at < self.known_since.get(meter.key, now):
            found = read_counters(self.snapshot.facts.customer_id, meter.key, at)
            self.snapshot.counters.update(found)
            self.known_since[meter.key] = at

    def recall(self, other: Sheet) -> None:
        """Know as much of the past as another sheet of the same customer."""
        for key, counter in other.snapshot.counters.items():
            self.snapshot.counters.setdefault(key, counter)

        for meter, since in other.known_since.items():
            self.known_since[meter] = min(since, self.known_since.get(meter, since))

    def for_meter(self, meter: Meter, at: datetime, member: str | None) -> Slots:
        """The slots of a meter at a moment, from memory while its buckets last."""
        # Most limits are the whole customer's, and then all members share the slots.
        known = self.slots.get((meter.key, None)) or self.slots.get((meter.key, member or ""))

        if known is None or not known.fit(at):
            known = slots_at(self.snapshot, meter, at, member)
            self.learn(known, member)

        return known

    def renumber(self, slots: Slots) -> None:
        """Let slots go by all counters that are known by now."""
        slots.generation = generation_of(self.snapshot, slots.meter, slots.generation.windows)
        slots.is_dated = told_otherwise(self.snapshot, slots.generation, slots.meter, slots.every)

    def now(self, meter: str, at: datetime | None = None) -> datetime:
        """Business time, or that of ``at``, or the moment of a reset that comes before it.

        What is used after a reset belongs to it, though a clock stands still or is a little behind.
        """
        resets, at = self.snapshot.facts.resets, at or clock.now()

        if not resets:
            return at

        return max([at, *(times[-1] for key, times in resets.items() if key[0] == meter)])

    def learn(self, slots: Slots, member: str | None) -> None:
        """Remember a meter's slots, with what they saw."""
        owner = member or "" if slots.by_member else None
        self.slots[slots.meter.key, owner] = slots


def sheet_for(current: BillingState, customer_id: int, *, fresh: bool = False) -> Sheet:
    """The customer's sheet, from memory unless too old or ``fresh`` is asked for."""
    started, now = time.monotonic(), clock.now()

    if not fresh and (known := remembered(current, customer_id, now)) is not None:
        return known

    snapshot = read_snapshot(customer_id, [meter.key for meter in current.catalog.meters], now)
    made = Sheet(snapshot, (started, now))
    sheets = _sheets(current)

    if len(sheets) >= _MOST_SHEETS:
        sheets.clear()

    sheets[customer_id] = made
    return made


def remembered(current: BillingState, customer_id: int, now: datetime) -> Sheet | None:
    """The customer's sheet, if it is in memory and not too old.

    :param now: business time.
    """
    known = _sheets(current).get(customer_id)

    if known is None:
        return None

    wall, business = known.read_at
    age: timedelta = current.app.config["BILLING_LIMIT_CACHE"]
    is_fresh = time.monotonic() - wall < age.total_seconds() and _NO_TIME <= now - business < age
    return known if is_fresh else None


def forget(customer_id: int) -> None:
    """Let the next call read the customer's limits again."""
    _sheets(state()).pop(customer_id, None)


def _sheets(current: BillingState) -> dict[int, Sheet]:
    found: dict[int, Sheet] = current.caches.setdefault("metering.sheets", {})
    return found
