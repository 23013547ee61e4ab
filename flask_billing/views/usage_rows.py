"""The daily sums behind a usage report: read per day, so the number of events does not matter."""

from __future__ import annotations

import typing as t
from datetime import date

import sqlalchemy as sa

from .. import metering
from ..metering.period_sums import EVERY, PeriodSums, period_sums
from ..models import Customer, UsageRollup
from ..state import state
from .periods import Period

_PLACES: t.Final = {name: place for place, name in enumerate(EVERY)}

#: What a report can be grouped by.
Group = t.Literal["model", "provider", "endpoint", "member"]


def read(customer: Customer, period: Period) -> PeriodSums:
    """The sums of each day of a period, by all that they are kept apart by, and those before.

    Of days that it begins or ends in, only what belongs to it: the meter counts no more.
    """
    return period_sums(
        customer,
        period.first,
        period.last,
        period.before,
        starts_at=period.starts_at,
        ends_at=period.ends_at,
    )


def said(row: metering.UsageSum, name: metering.By) -> str:
    """What a row is of, as its model; empty where that is not known."""
    return str(row.keys[_PLACES[name]])


def day_of(row: metering.UsageSum) -> date:
    """The row's day."""
    return t.cast("date", row.keys[1])


def ever(customer: Customer) -> bool:
    """Whether anything was ever used."""
    return bool(
        state().db.session.scalar(
            sa.select(sa.exists().where(UsageRollup.customer_id == customer.id))
        )
    )
