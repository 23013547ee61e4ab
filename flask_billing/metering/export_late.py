"""Usage that came too late for Stripe: told, until somebody has billed it by hand."""

from __future__ import annotations

import collections.abc as c
import typing as t

import sqlalchemy as sa

from .. import database
from ..models import MeterExport


class LateUsage(t.NamedTuple):
    """Units of a period that a subscription would have billed, reported within 35 days.

    Below zero where they were taken back when the invoice that charges them was final.
    """

    id: int
    customer_id: int
    meter: str
    bucket: str
    quantity: int


def late_usage() -> list[LateUsage]:
    """What nobody has billed or settled, the oldest first."""
    columns = [getattr(MeterExport, name) for name in LateUsage._fields]

    with database.reading() as connection:
        found = connection.execute(
            sa.select(*columns).where(MeterExport.state == "late").order_by(MeterExport.id)
        )
        return [LateUsage(*row) for row in found]


def settle_late(late: c.Iterable[LateUsage]) -> None:
    """Note that it was billed by hand, or is not to be. Committed at once, as usage is."""
    with database.transaction() as connection:
        connection.execute(
            sa.update(MeterExport)
            .where(MeterExport.id.in_([one.id for one in late]), MeterExport.state == "late")
            .values(state="settled")
        )
