"""A host app for the tests of the engine, its clock at hand, and its books to balance."""

from __future__ import annotations

import collections.abc as c
import typing as t
from datetime import UTC, datetime, timedelta

from flask_billing import clock
from flask_billing.models import (
    CreditGrant,
    CreditUse,
    Subscription,
    UsageCounter,
    UsageEvent,
    UsageReservation,
)

from ..host import Host

NOON: t.Final = datetime(2026, 11, 20, 12, tzinfo=UTC)


class Shop:
    """A host whose business time stands still until it is moved."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.now = NOON
        clock.set_source(host.app, lambda: self.now)

    def wait(self, **span: float) -> None:
        """Let time pass."""
        self.now += timedelta(**span)

    def subscribe(self, plan: str) -> None:
        """Put the customer on a plan, from now on."""
        session = self.host.db.session
        found = session.query(Subscription).one_or_none()

        if found is None:
            found = Subscription(
                stripe_id="sub_1",
                customer_id=self.host.customer().id,
                quantity=1,
                currency="usd",
                started_at=self.now,
                anchor=self.now,
            )
            session.add(found)

        found.status, found.plan, found.synced_at = "active", plan, self.now
        session.commit()

    def counters(self) -> dict[str, tuple[int, int]]:
        """Used and held units by bucket."""
        return {
            counter.bucket: (counter.used, counter.reserved)
            for counter in self.host.rows(UsageCounter)
        }

    def grants(self) -> dict[str, tuple[int, int]]:
        """Used and held units by what they were granted for."""
        return {
            grant.source_key: (grant.used, grant.reserved) for grant in self.host.rows(CreditGrant)
        }

    def events(self) -> list[int]:
        """Quantities in the order they were booked."""
        return [event.quantity for event in self.host.rows(UsageEvent)]


Opener = c.Callable[..., Shop]


def balance(host: Host, customer_id: int | None = None) -> None:
    """Check that counters and grants are what events and open holds come to.

    For meters whose events all belong to the buckets whose period holds them.

    :param customer_id: whose books; None is everybody's.
    """
    mine = {} if customer_id is None else {"customer_id": customer_id}
    events = host.rows(UsageEvent, **mine)
    open_holds = host.rows(UsageReservation, state="open", **mine)
    grants = {grant.id: grant for grant in host.rows(CreditGrant, **mine)}
    uses = host.rows(CreditUse, **mine)
    counters = host.rows(UsageCounter, **mine)

    for counter in counters:
        ends_at = _end(counter, counters)
        counted = [
            event
            for event in events
            if (event.customer_id, event.meter) == (counter.customer_id, counter.meter)
            and _holds(counter, ends_at, event.occurred_at)
            and _is_of_member(counter.bucket, event.member)
        ]
        held = [
            (hold, dict(hold.buckets)[counter.bucket])
            for hold in open_holds
            if (hold.customer_id, hold.meter) == (counter.customer_id, counter.meter)
            and counter.bucket in dict(hold.buckets)
        ]
        assert counter.used == sum(event.quantity for event in counted), counter.bucket
        assert counter.reserved == sum(hold.amount for hold, _ in held), counter.bucket
        covered = sum(event.credits or 0 for event in counted) + sum(units for _, units in held)
        assert counter.credited == covered, counter.bucket

    for grant in grants.values():
        assert grant.used == sum(use.quantity for use in uses if use.grant_id == grant.id)
        assert grant.reserved == sum(
            dict(hold.grants or ()).get(grant.id, 0) for hold in open_holds
        )
        assert 0 <= grant.used + grant.reserved <= grant.amount

    of_events: dict[tuple[str, str], int] = {}

    for use in uses:
        key = use.meter, use.idempotency_key
        of_events[key] = of_events.get(key, 0) + use.quantity

    assert of_events == {
        (event.meter, event.idempotency_key): event.credits for event in events if event.credits
    }


def _holds(counter: t.Any, ends_at: datetime | None, at: datetime) -> bool:
    return (counter.period_start is None or counter.period_start <= at) and (
        ends_at is None or at < ends_at
    )


def _end(counter: t.Any, counters: c.Sequence[t.Any]) -> datetime | None:
    """Where a counter's period ended: an admin's reset cuts it short."""
    resets = [
        other.period_start
        for other in counters
        if (other.customer_id, other.meter) == (counter.customer_id, counter.meter)
        and other.bucket[0] == counter.bucket[0]
        and _number(other.bucket) > _number(counter.bucket)
    ]
    ends = [end for end in (counter.period_end, *resets) if end is not None]
    return min(ends, default=None)


def _number(bucket: str) -> int:
    mark = bucket.partition("|")[0].partition("#")[2]
    return int(mark or 0)


def _is_of_member(bucket: str, member: str | None) -> bool:
    _, marked, mark = bucket.partition("|member=")
    return not marked or mark == (member or "")


def limits(*listed: c.Mapping[str, object]) -> dict[str, t.Any]:
    """A catalog whose free plan has these limits."""
    meters = {t.cast("str", limit["meter"]): {"name": str(limit["meter"])} for limit in listed}
    return {"meters": meters, "plans": {"free": {"name": "Free", "limits": [*listed]}}}
