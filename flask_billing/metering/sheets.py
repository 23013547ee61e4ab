"""The limits in force, with the buckets open now: what one call is measured against.

A customer's sheet is kept for ``BILLING_LIMIT_CACHE`` and then read again; a refusal reads it
afresh at once, so an upgrade a second ago counts.
"""

from __future__ import annotations

import collections.abc as c
import dataclasses
import time
import typing as t
from datetime import datetime, timedelta

from .. import clock
from ..catalog import UNLIMITED, Limit, Meter, Plan
from ..state import BillingState, state
from .buckets import Bucket
from .limits import extended_by_credits
from .reading import Snapshot, read_snapshot

#: Beyond every counter, and far from what 64 bits hold.
NO_CEILING: t.Final = 2**62
#: Customers whose sheets one process keeps.
_MOST_SHEETS: t.Final = 20_000


@dataclasses.dataclass(slots=True)
class Slot:
    """One limit and its open bucket.

    :param ceiling: most units, used and held, that the guard admits.
    :param steps: usage at which a threshold is crossed, ascending.
    :param creditable: whether credits extend the limit.
    :param counted_from: since when events count that came before the counter was opened;
        None counts none of them.
    """

    limit: Limit
    bucket: Bucket
    ceiling: int
    steps: tuple[int, ...]
    counted_from: datetime | None
    creditable: bool = False
    #: What this process saw last in the counter. Advice: the guard decides.
    used: int = 0
    reserved: int = 0
    credited: int = 0
    #: Most units a call may reach without crossing the next threshold. Such a call needs no
    #: look at notices; the others take the path that writes them.
    step: int = 0

    @property
    def taken(self) -> int:
        """Units that weigh on the limit: used and held, without what credits cover."""
        return self.used + self.reserved - self.credited

    def saw(self, used: int, reserved: int, credited: int) -> None:
        """Remember a counter, and which threshold comes next."""
        self.used, self.reserved, self.credited = used, reserved, credited
        counted = used - credited
        # Holds weigh on the guard but cross no threshold, so the step only ever comes early.
        self.step = next((step - 1 for step in self.steps if step > counted), NO_CEILING)


@dataclasses.dataclass(slots=True)
class Slots:
    """The slots of one meter, and the counters among them that are still to be opened."""

    meter: Meter
    plan: Plan | None
    every: tuple[Slot, ...]
    unopened: list[Slot]
    #: Units of credit that this process saw last. Advice: the grants decide.
    credits: int = 0

    @property
    def rolls_over(self) -> bool:
        """Whether what the period before left is still to be carried into one of these."""
        return any(slot.limit.rollover for slot in self.unopened)

    @property
    def by_member(self) -> bool:
        """Whether a limit is each member's own."""
        return any(slot.limit.scope == "member" for slot in self.every)

    def copy(self) -> Slots:
        """Slots that no other thread sees."""
        every = tuple([dataclasses.replace(slot) for slot in self.every])
        unopened = [
            mine for mine, slot in zip(every, self.every, strict=True) if slot in self.unopened
        ]
        return dataclasses.replace(self, every=every, unopened=unopened)

    def hold(self, at: datetime) -> bool:
        """Whether a moment lies in every bucket."""
        return all(slot.bucket.holds(at) for slot in self.every)


@dataclasses.dataclass(slots=True)
class Sheet:
    """What one process remembers of a customer's limits and counters."""

    snapshot: Snapshot
    #: By the wall clock, and by business time, which can be moved.
    read_at: tuple[float, datetime]
    slots: dict[tuple[str, str | None], Slots] = dataclasses.field(default_factory=dict)

    def for_meter(self, meter: Meter, at: datetime, member: str | None) -> Slots:
        """The slots of a meter at a moment, from memory while its buckets last."""
        # Most limits are the whole customer's, and then all members share the slots.
        known = self.slots.get((meter.key, None)) or self.slots.get((meter.key, member or ""))

        if known is None or not known.hold(at):
            known = slots_at(self.snapshot, meter, at, member)
            self.learn(known, member)

        return known

    def learn(self, slots: Slots, member: str | None) -> None:
        """Remember a meter's slots, with what they saw."""
        owner = member or "" if slots.by_member else None
        self.slots[slots.meter.key, owner] = slots


def sheet_for(current: BillingState, customer_id: int, *, fresh: bool = False) -> Sheet:
    """The customer's sheet, from memory unless too old or ``fresh`` is asked for."""
    sheets: dict[int, Sheet] = current.caches.setdefault("metering.sheets", {})
    known = sheets.get(customer_id)
    age: timedelta = current.app.config["BILLING_LIMIT_CACHE"]

    if known is not None and not fresh and _is_fresh(known, age):
        return known

    started, now = time.monotonic(), clock.now()
    snapshot = read_snapshot(customer_id, [meter.key for meter in current.catalog.meters], now)
    made = Sheet(snapshot, (started, now))

    if len(sheets) >= _MOST_SHEETS:
        sheets.clear()

    sheets[customer_id] = made
    return made


def forget(customer_id: int) -> None:
    """Let the next call read the customer's limits again."""
    state().caches.get("metering.sheets", {}).pop(customer_id, None)


def bucket_in(snapshot: Snapshot, limit: Limit, at: datetime, member: str | None) -> Bucket:
    """The bucket of a limit. A period that is open keeps the bounds it was opened with.

    So a new time zone waits for the next period.
    """
    # Usage that names no member shares one counter, under the same cap as a member's.
    owner = member or "" if limit.scope == "member" else None
    found = snapshot.facts.bucket(limit.window, limit.meter, at, owner)

    for opened in _relatives(snapshot, limit, found):
        if opened.holds(at):
            return opened

    return found


def slots_at(snapshot: Snapshot, meter: Meter, at: datetime, member: str | None) -> Slots:
    """The slots of a meter at a moment."""
    catalog = state().catalog
    every, unopened = [], []
    limits = snapshot.facts.limits(catalog, meter.key)
    extended = extended_by_credits(limits)

    for limit in limits:
        bucket = bucket_in(snapshot, limit, at, member)
        counted_from = _counted_from(snapshot, limit, bucket, at)
        slot = Slot(
            limit, bucket, ceiling_of(limit), steps_of(limit), counted_from, limit in extended
        )
        counter = snapshot.counters.get((meter.key, bucket.key))
        every.append(slot)

        if counter is None:
            slot.saw(0, 0, 0)
            unopened.append(slot)
        else:
            slot.saw(counter.used, counter.reserved, counter.credited)

            if limit.rollover and counter.terms != (snapshot.facts.plan, limit.included):
                slot.step = -1  # the careful way notes what it is under now

    plan = catalog.plan(snapshot.facts.plan)
    return Slots(meter, plan, tuple(every), unopened, snapshot.credits.get(meter.key, 0))


def slots_of_buckets(
    sheet: Sheet, meter: Meter, at: datetime, member: str | None, buckets: c.Iterable[str]
) -> Slots:
    """The slots of counters that were chosen at a moment, whatever limits there are now.

    A counter that no limit goes by any more is counted on without one.
    """
    now = slots_at(sheet.snapshot, meter, at, member)
    found = {slot.bucket.key: slot for slot in now.every}
    unlimited = Limit(meter=meter.key, included=UNLIMITED)
    every = [
        found.get(key) or Slot(unlimited, Bucket(key, None, None), NO_CEILING, (), None)
        for key in buckets
    ]
    return Slots(meter, now.plan, tuple(every), [])


def _counted_from(
    snapshot: Snapshot, limit: Limit, bucket: Bucket, at: datetime
) -> datetime | None:
    """Where the sum of a counter that opens in mid-period begins.

    A one-shot allowance has no beginning: it counts what is used while it is in force. What was
    used before a subscription began is not taken off its first billing period, nor what a
    period of another time zone has counted that ended a moment ago.
    """
    if bucket.start is None:
        return None

    starts = [bucket.start]

    if limit.window == "billing_period" and snapshot.facts.since is not None:
        starts.append(snapshot.facts.since)

    starts += [
        earlier.end
        for earlier in _relatives(snapshot, limit, bucket)
        if earlier.end is not None and earlier.end <= at
    ]
    return max(starts)


def _relatives(snapshot: Snapshot, limit: Limit, bucket: Bucket) -> c.Iterator[Bucket]:
    """Known buckets of the same days, weeks or months, whatever time zone they were opened in."""
    if limit.window in ("day", "week", "month"):
        for counter in snapshot.counters.values():
            if counter.meter == limit.meter and _family(counter.bucket) == _family(bucket.key):
                yield Bucket(counter.bucket, counter.start, counter.end)


def _is_fresh(sheet: Sheet, age: timedelta) -> bool:
    wall, business = sheet.read_at
    return (
        time.monotonic() - wall < age.total_seconds()
        and timedelta(0) <= clock.now() - business < age
    )


def _family(key: str) -> tuple[str, str]:
    """Window, and reset and member marks, of a bucket's key."""
    marks = key.find("#") if "#" in key else key.find("|")
    return key[0], key[marks:] if marks >= 0 else ""


def ceiling_of(limit: Limit) -> int:
    """Most units a limit admits in one bucket."""
    if limit.unlimited or limit.policy == "soft":
        return NO_CEILING

    if limit.policy == "overage":
        cap = limit.overage_cap
        return NO_CEILING if cap is None else limit.included + cap

    return limit.included


def steps_of(limit: Limit) -> tuple[int, ...]:
    """The usage from which each threshold counts as crossed, ascending."""
    if limit.included <= 0:
        return ()

    return tuple(sorted({-(-limit.included * percent // 100) for percent in limit.thresholds}))
