"""One owner's usage at a glance: every meter, every member, and the invoice cycle's totals."""

from __future__ import annotations

import dataclasses
from datetime import date, datetime

import sqlalchemy as sa

from .. import clock, database
from ..models import Customer, UsageCounter
from ..owners import Owner, id_of
from ..state import BillingState, state
from . import store
from .buckets import Bucket
from .decision import Usage
from .history import UsageSum, days, read
from .queries import usages
from .sheets import sheet_for


@dataclasses.dataclass(frozen=True, slots=True)
class CycleTotal:
    """What one meter comes to in an invoice cycle.

    :param quantity: exact to the second where a limit counts the billing period; else by
        whole days (UTC), as the sums are.
    :param sums: uses, tokens and costs, by whole days: the cycle's first day belongs to it, the
        day it ends in to the next one.
    """

    meter: str
    start: datetime
    end: datetime
    quantity: int
    sums: UsageSum


@dataclasses.dataclass(frozen=True, slots=True)
class OwnerSummary:
    """An owner's usage with that of its members.

    :param usages: every meter in every window of its limits, now.
    :param totals: meter -> what it comes to in the span.
    :param members: member -> meter -> the same; an empty text is usage that names nobody.
    """

    customer: Customer
    first: date
    last: date
    usages: list[Usage]
    totals: dict[str, UsageSum]
    members: dict[str, dict[str, UsageSum]]


def summary(
    owner: Owner | Customer, start: date | None = None, end: date | None = None
) -> OwnerSummary:
    """An owner's usage, for the whole of it and by member.

    :param start: as for :func:`~flask_billing.metering.history.history`; None is the invoice
        cycle that is open now.
    """
    from ..customers import customer_for

    customer = owner if isinstance(owner, Customer) else customer_for(owner)
    cycle = _cycle(state(), customer, clock.now())
    opens, closes = _whole_days(_known(cycle.start), _known(cycle.end))
    first, last = days(start or opens, end or closes)
    found = read(("member", "meter"), first, last, customer.id)
    members: dict[str, dict[str, UsageSum]] = {}
    totals: dict[str, UsageSum] = {}

    for one in found:
        member, meter = str(one.keys[0]), str(one.keys[1])
        members.setdefault(member, {})[meter] = one
        totals[meter] = added(totals.get(meter, UsageSum((meter,))), one)

    return OwnerSummary(customer, first, last, usages(customer), totals, members)


def cycle_totals(customer: Customer, at: datetime | None = None) -> list[CycleTotal]:
    """What every meter comes to in an invoice cycle, in the catalog's order.

    :param at: a moment in the cycle; None is the one that is open now.
    """
    current = state()
    cycle = _cycle(current, customer, at or clock.now())
    start, end = _known(cycle.start), _known(cycle.end)
    found = read(("meter",), *_whole_days(start, end), customer.id)
    sums = {one.key: one for one in found}
    exact = _counted(current, customer, cycle)
    totals = []

    for meter in current.catalog.meters:
        one = sums.get(meter.key) or UsageSum((meter.key,))
        totals.append(CycleTotal(meter.key, start, end, exact.get(meter.key, one.quantity), one))

    return totals


def added(one: UsageSum, other: UsageSum) -> UsageSum:
    """Both together, under the keys of the first."""
    return UsageSum(
        one.keys,
        *(
            getattr(one, field.name) + getattr(other, field.name)
            for field in dataclasses.fields(UsageSum)[1:]
        ),
    )


def _cycle(current: BillingState, customer: Customer, at: datetime) -> Bucket:
    """The billing period a moment lies in, whatever was reset in it."""
    sheet = store.persistently(current, lambda: sheet_for(current, id_of(customer)))
    # A reset is one meter's; the invoice does not know of it.
    return sheet.snapshot.facts.bucket("billing_period", "", at, None)


def _whole_days(start: datetime, end: datetime) -> tuple[date, date]:
    """The days of a cycle, so that each day belongs to one cycle alone."""
    first, last = days(start, end)
    ends_inside = end.date() == last and end.date() > first
    return first, date.fromordinal(last.toordinal() - 1) if ends_inside else last


def _counted(current: BillingState, customer: Customer, cycle: Bucket) -> dict[str, int]:
    """Meter -> units of the counters that count this cycle, those before a reset included."""
    statement = (
        sa.select(
            UsageCounter.meter,
            sa.cast(sa.func.sum(UsageCounter.used), sa.BigInteger()).label("used"),
        )
        .where(
            UsageCounter.customer_id == customer.id,
            sa.or_(UsageCounter.bucket == cycle.key, UsageCounter.bucket.like(f"{cycle.key}#%")),
            UsageCounter.bucket.not_like("%|member=%"),
        )
        .group_by(UsageCounter.meter)
    )

    def attempt() -> dict[str, int]:
        with database.reading() as connection:
            return {row.meter: row.used for row in connection.execute(statement)}

    return store.persistently(current, attempt)


def _known(moment: datetime | None) -> datetime:
    assert moment is not None, "billing periods begin and end"
    return moment
