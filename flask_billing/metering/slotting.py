"""Which counters usage of a moment is counted in, by the limits in force and those that were."""

from __future__ import annotations

import collections.abc as c
import dataclasses
import typing as t
from datetime import datetime

from ..catalog import UNLIMITED, Limit, Meter, Scope
from ..state import state
from .buckets import PREFIXES, Bucket, member_mark, unmarked
from .limits import extended_by_credits
from .reading import Counter, Snapshot
from .slots import ALWAYS, NO_CEILING, Generation, Slot, Slots

_MEMBER: t.Final = "|member="
#: How the keys of counters begin that are counted on while no limit goes by them, beside the
#: billing period.
_COUNTED_ON: t.Final = tuple(PREFIXES[window] for window in ("hour", "day", "week", "month"))


def bucket_in(snapshot: Snapshot, limit: Limit, at: datetime, member: str | None) -> Bucket:
    """The bucket of a limit. A period that is open keeps the bounds it was opened with.

    So a new time zone waits for the next period.
    """
    # Usage that names no member shares one counter, under the same cap as a member's.
    owner = member or "" if limit.scope == "member" else None
    anchor = _anchor_at(snapshot, limit.meter, at) if limit.window == "billing_period" else None
    found = snapshot.facts.bucket(limit.window, limit.meter, at, owner, anchor)
    ends = []

    for opened in _relatives(snapshot, limit, found):
        if opened.holds(at):
            return opened

        if opened.end is not None and opened.end <= at:
            ends.append(opened.end)

    # What a period of another time zone has counted, which ended a moment ago, is counted there.
    if found.start is not None and ends and max(ends) > found.start:
        return dataclasses.replace(found, start=max(ends))

    return found


def slots_at(snapshot: Snapshot, meter: Meter, at: datetime, member: str | None) -> Slots:
    """The slots of a meter at a moment."""
    catalog = state().catalog
    every, unopened = [], []
    limits = snapshot.facts.limits(catalog, meter.key)
    extended = extended_by_credits(limits)
    generation = generation_of(snapshot, meter, _windows(limits))

    for limit in limits:
        bucket = bucket_in(snapshot, limit, at, member)
        slot = Slot(limit, bucket, ceiling_of(limit), steps_of(limit), limit in extended)
        counter = snapshot.counters.get((meter.key, bucket.key))
        every.append(slot)

        if counter is None or (counter.end is not None and counter.end <= at):
            slot.saw(0, 0, 0)  # or its period goes on, as that of a trial which was extended
            unopened.append(slot)
        else:
            slot.saw(counter.used, counter.reserved, counter.credited)

            if _is_under_others(counter, snapshot.facts.plan, limit):
                slot.step = -1  # the careful way notes what it is under now
                slot.lowered = _is_lower(limit.included, counter.terms[1])

    anchor = _anchor_at(snapshot, meter.key, at)
    period = snapshot.facts.bucket("billing_period", meter.key, at, None, anchor)
    others = _lapsed(snapshot, meter, {slot.bucket.key for slot in every}, unmarked(period.key))
    every += [slot for slot in others if slot.bucket.holds(at) and _is_of(slot, member)]

    is_dated = told_otherwise(snapshot, generation, meter, every)

    if is_dated:
        every[0].step = -1  # the careful way tells them

    return Slots(
        meter,
        catalog.plan(snapshot.facts.plan),
        tuple(every),
        unopened,
        generation,
        _marks(period.key, [slot.bucket.key for slot in every]),
        is_dated,
        snapshot.credits.get(meter.key, 0),
        any(slot.limit.scope == "member" for slot in (*every, *others)),
        _span([period, *(slot.bucket for slot in others)], at),
    )


def slots_of_buckets(
    snapshot: Snapshot, meter: Meter, at: datetime, member: str | None, buckets: c.Collection[str]
) -> Slots:
    """The slots of counters that were chosen at a moment, whatever limits there are now.

    A counter that no limit goes by any more is counted on without one.
    """
    now = slots_at(snapshot, meter, at, member)
    found = {slot.bucket.key: slot for slot in now.every}
    unlimited = Limit(meter=meter.key, included=UNLIMITED)
    every = [
        found.get(key) or Slot(unlimited, Bucket(key, None, None), NO_CEILING, (), lapsed=True)
        for key in buckets
    ]
    period = next(
        (unmarked(key) for key in buckets if key.startswith(PREFIXES["billing_period"])),
        t.cast("str", now.marks["billing_period"]),
    )
    # What was opened since sums up events, and this is one of its period.
    since = [
        slot
        for key, slot in found.items()
        if key not in buckets and (key.startswith(_COUNTED_ON) or unmarked(key) == period)
    ]
    every += [slot for slot in since if slot not in now.unopened]
    return dataclasses.replace(
        now,
        every=tuple(every),
        unopened=[],
        left_out=tuple([slot.bucket.key for slot in since if slot in now.unopened]),
        marks=_marks(period, buckets),
        is_dated=told_otherwise(snapshot, now.generation, meter, every),
    )


def _windows(limits: c.Iterable[Limit]) -> str:
    kinds = {PREFIXES[limit.window] + "|" * (limit.scope == "member") for limit in limits}
    return " ".join(sorted(kinds))


def generation_of(snapshot: Snapshot, meter: Meter, windows: str) -> Generation:
    counters = [one for one in snapshot.counters.values() if one.meter == meter.key]
    latest = max(counters, key=lambda one: one.generation, default=None)

    if latest is None:
        return Generation(windows, 1, 0)

    agrees = latest.windows == windows
    return Generation(windows, latest.generation + (not agrees), latest.generation)


def told_otherwise(
    snapshot: Snapshot, generation: Generation, meter: Meter, slots: c.Iterable[Slot]
) -> bool:
    found = [snapshot.counters.get((meter.key, slot.bucket.key)) for slot in slots]
    return any(one is not None and one.generation != generation.number for one in found)


def _marks(period: str, buckets: c.Iterable[str]) -> dict[str, object]:
    """What an event says of where it is counted, where its time does not tell."""
    scopes = {
        "member" if _MEMBER in key else "customer"
        for key in buckets
        if unmarked(key) == PREFIXES["lifetime"]
    }
    marks: dict[str, object] = {"billing_period": unmarked(period)}
    return marks | ({"one_shot": " ".join(sorted(scopes))} if scopes else {})


def _anchor_at(snapshot: Snapshot, meter: str, at: datetime) -> datetime | None:
    """Where the billing period of a moment is counted from, if not as those of now are.

    What was used before the subscription began belongs to a period of before.
    """
    facts = snapshot.facts

    if facts.since is None or at >= facts.since:
        return None

    mine = unmarked(facts.bucket("billing_period", meter, at, None).key)
    starts = [
        counter.start
        for counter in snapshot.counters.values()
        if counter.meter == meter
        and counter.start is not None
        and counter.bucket.startswith(PREFIXES["billing_period"])
        and unmarked(counter.bucket) == counter.bucket != mine
        and Bucket(counter.bucket, counter.start, counter.end).holds(at)
    ]
    return max(starts, default=facts.came)


def _lapsed(snapshot: Snapshot, meter: Meter, limited: c.Container[str], period: str) -> list[Slot]:
    """Counters that were opened under limits which are not in force any more.

    Without one-shot allowances, which count what is used while they are in force; and without
    other billing periods than the one of the moment: each unit is in one of them.
    """
    return [
        _lapsed_slot(meter, counter)
        for counter in snapshot.counters.values()
        if counter.meter == meter.key
        and counter.bucket not in limited
        and (counter.bucket.startswith(_COUNTED_ON) or unmarked(counter.bucket) == period)
    ]


def _lapsed_slot(meter: Meter, counter: Counter) -> Slot:
    scope: Scope = "member" if _MEMBER in counter.bucket else "customer"
    window = next(one for one, prefix in PREFIXES.items() if counter.bucket.startswith(prefix))
    slot = Slot(
        Limit(meter=meter.key, included=UNLIMITED, window=window, scope=scope),
        Bucket(counter.bucket, counter.start, counter.end),
        NO_CEILING,
        (),
        lapsed=True,
        unbilled=window == "billing_period" and state().catalog.is_billed(meter.key),
    )
    slot.saw(counter.used, counter.reserved, counter.credited)
    return slot


def _is_of(slot: Slot, member: str | None) -> bool:
    """Whether a bucket counts what a member uses."""
    _, marked, mark = slot.bucket.key.partition(_MEMBER)
    return not marked or mark == member_mark(member or "")


def _span(buckets: c.Iterable[Bucket], at: datetime) -> tuple[datetime, datetime]:
    """The time around a moment in which none of the buckets begins or ends."""
    bounds = [
        bound for bucket in buckets for bound in (bucket.start, bucket.end) if bound is not None
    ]
    return (
        max([bound for bound in bounds if bound <= at], default=ALWAYS[0]),
        min([bound for bound in bounds if bound > at], default=ALWAYS[1]),
    )


def _relatives(snapshot: Snapshot, limit: Limit, bucket: Bucket) -> c.Iterator[Bucket]:
    """Known buckets of the same days, weeks or months, whatever time zone they were opened in."""
    if limit.window in ("day", "week", "month"):
        for counter in snapshot.counters.values():
            if counter.meter == limit.meter and _family(counter.bucket) == _family(bucket.key):
                yield Bucket(counter.bucket, counter.start, counter.end)


def _is_under_others(counter: Counter, plan: str | None, limit: Limit) -> bool:
    """Whether a counter was noted under another plan or limit than the one in force."""
    return counter.terms[1] != limit.included or plan not in (None, counter.terms[0])


def _is_lower(included: int, before: int | None) -> bool:
    return before is not None and included != UNLIMITED and not 0 <= before <= included


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
