"""What a period left unused, carried into the next one as a grant that ends with it."""

from __future__ import annotations

import collections.abc as c
import dataclasses
import typing as t
from datetime import datetime

import sqlalchemy as sa

from .. import clock, database
from ..catalog import Limit
from ..models import Customer, UsageCounter
from ..state import BillingState, state
from . import grants, store
from .buckets import TICK, Bucket
from .limits import Facts
from .limits_then import limits_at
from .sheets import Sheet, forget, sheet_for
from .slots import Slot

#: Before what was bought, as it is the first to be lost.
PRIORITY: t.Final = 50


@dataclasses.dataclass(frozen=True, slots=True)
class _Ended:
    """A period that has ended, and the one that follows it."""

    limit: Limit
    bucket: Bucket
    following: Bucket


def mint_rollovers(customer: Customer | int) -> int:
    """Carry over what the periods that ended last left unused; how many grants it made.

    Each period is carried over once, however often this is called. The first use of a period
    calls it, and a job for those who use nothing.
    """
    current = state()
    customer_id = customer if isinstance(customer, int) else customer.id
    sheet = store.persistently(current, lambda: sheet_for(current, customer_id, fresh=True))
    slots = [
        slot
        for meter in current.catalog.meters
        for slot in sheet.for_meter(meter, sheet.now(meter.key), None).every
    ]
    return mint_for(current, sheet, slots)


def mint_for(current: BillingState, sheet: Sheet, slots: c.Iterable[Slot]) -> int:
    """The same, for the periods before those of some slots."""
    facts = sheet.snapshot.facts
    slots = [slot for slot in slots if _ended(facts, slot) is not None]

    if not slots:
        return 0

    def attempt() -> int:
        with database.transaction() as connection:
            return carry(connection, current, facts, slots)

    made = store.persistently(current, attempt)

    if made:
        forget(facts.customer_id)

    return made


def carry(
    connection: sa.Connection, current: BillingState, facts: Facts, slots: c.Iterable[Slot]
) -> int:
    """The same, in a transaction of the caller's."""
    ended = [found for slot in slots if (found := _ended(facts, slot)) is not None]
    return sum([_mint(connection, current, facts, one) for one in ended])


def _ended(facts: Facts, slot: Slot) -> _Ended | None:
    limit, bucket = slot.limit, slot.bucket

    if not limit.rollover or bucket.start is None or bucket.end is None:
        return None

    if bucket.start in facts.resets.get((limit.meter, limit.window), ()):
        return None  # an admin's reset gave a fresh quota already

    before = facts.bucket(limit.window, limit.meter, bucket.start - TICK, None)
    return _Ended(limit, before, bucket)


def _mint(connection: sa.Connection, current: BillingState, facts: Facts, ended: _Ended) -> int:
    unused = _unused(connection, current, facts, ended)

    if unused <= 0:
        return 0

    return grants.mint(
        connection,
        {
            "customer_id": facts.customer_id,
            "meter": ended.limit.meter,
            "kind": "rollover",
            "source_key": f"rollover:{ended.bucket.key}",
            "amount": unused,
            "priority": PRIORITY,
            "starts_at": ended.following.start,
            "expires_at": ended.following.end,
            "actor": None,
            "reason": None,
            "created_at": clock.now(),
        },
    )


def _unused(connection: sa.Connection, current: BillingState, facts: Facts, ended: _Ended) -> int:
    """What a period left of its limit, as that was when it was used last."""
    counter = connection.execute(
        sa.select(
            UsageCounter.used,
            UsageCounter.reserved,
            UsageCounter.credited,
            UsageCounter.plan,
            UsageCounter.limit,
        ).where(
            UsageCounter.customer_id == facts.customer_id,
            UsageCounter.meter == ended.limit.meter,
            UsageCounter.bucket == ended.bucket.key,
        )
    ).one_or_none()

    if counter is None:
        # Nothing was used. Who came in mid-period had no whole one.
        was_there = _was_there(facts, ended.bucket.start)
        return _included(connection, current, facts, ended) if was_there else 0

    assert ended.bucket.end is not None, "it has ended"
    trialing = facts.was_trialing(ended.bucket.end - TICK)

    if counter.limit is None or not _rolls_over(current, ended.limit, counter.plan, trialing):
        return 0

    return int(counter.limit - (counter.used + counter.reserved - counter.credited))


def _included(connection: sa.Connection, current: BillingState, facts: Facts, ended: _Ended) -> int:
    """What a period that nobody used included at its end; 0 where that did not roll over."""
    assert ended.bucket.end is not None, "it has ended"
    limit, at = ended.limit, ended.bucket.end - TICK
    return next(
        (
            one.included
            for one in limits_at(connection, current.catalog, facts, limit.meter, at)
            if one.rollover and (one.window, one.scope) == (limit.window, limit.scope)
        ),
        0,
    )


def _was_there(facts: Facts, start: datetime | None) -> bool:
    return start is not None and (facts.since or facts.anchor) <= start


def _rolls_over(current: BillingState, limit: Limit, plan: str | None, trialing: bool) -> bool:
    """Whether the plan a period was under, or its trial, carries over what it left."""
    found = current.catalog.plan(plan)
    listed = found.limits_for(trialing=trialing) if found else ()
    return any(
        one.rollover and (one.meter, one.window) == (limit.meter, limit.window)
        for one in (*listed, *current.catalog.default_limits)
    )
