"""The daily sums behind a usage report: read per day, so the number of events does not matter."""

from __future__ import annotations

import dataclasses
import typing as t
from datetime import date

import sqlalchemy as sa

from ..models import Customer, UsageRollup
from ..state import state

#: What a report can be grouped by.
Group = t.Literal["model", "provider", "endpoint", "member"]


@dataclasses.dataclass(frozen=True)
class DayRow:
    """One day's sums of one meter and one combination of dimensions.

    :param cost: millionths of the currency's minor unit.
    """

    meter: str
    day: date
    provider: str
    model: str
    endpoint: str
    member: str
    events: int
    quantity: int
    input_tokens: int
    output_tokens: int
    cost: int


_SUMS: t.Final = [
    sa.cast(sa.func.sum(column), sa.BigInteger()).label(column.key)
    for column in (
        UsageRollup.events,
        UsageRollup.quantity,
        UsageRollup.input_tokens,
        UsageRollup.output_tokens,
        UsageRollup.cost_total,
    )
]
_DIMENSIONS: t.Final = (
    UsageRollup.provider,
    UsageRollup.model,
    UsageRollup.endpoint,
    UsageRollup.member,
)


def days(customer: Customer, first: date, last: date) -> list[DayRow]:
    """The sums of each day from ``first`` to ``last``."""
    statement = (
        sa.select(UsageRollup.meter, UsageRollup.day, *_DIMENSIONS, *_SUMS)
        .where(UsageRollup.customer_id == customer.id, UsageRollup.day.between(first, last))
        .group_by(UsageRollup.meter, UsageRollup.day, *_DIMENSIONS)
        .order_by(UsageRollup.day, UsageRollup.meter, *_DIMENSIONS)
    )
    return [DayRow(*row) for row in state().db.session.execute(statement)]


def totals(customer: Customer, first: date, last: date) -> dict[str, tuple[int, int]]:
    """Meter -> its quantity and cost in those days."""
    statement = (
        sa.select(UsageRollup.meter, _SUMS[1], _SUMS[4])
        .where(UsageRollup.customer_id == customer.id, UsageRollup.day.between(first, last))
        .group_by(UsageRollup.meter)
    )
    return {row[0]: (row[1], row[2]) for row in state().db.session.execute(statement)}


def ever(customer: Customer) -> bool:
    """Whether anything was ever used."""
    return bool(
        state().db.session.scalar(
            sa.select(sa.exists().where(UsageRollup.customer_id == customer.id))
        )
    )
