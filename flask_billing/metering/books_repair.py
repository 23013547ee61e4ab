"""Putting a figure right, unless it changed since it was looked at."""

from __future__ import annotations

import typing as t

import sqlalchemy as sa

from ..database import insert, transaction
from ..models import CreditGrant, UsageCounter, UsageRollup
from .books_sums import DIMENSIONS, SUMS, Difference

_COUNTER: t.Final = ("used", "reserved", "credited")
_GRANT: t.Final = {"grant used": "used", "grant held": "reserved"}


def repair(found: Difference) -> bool:
    """Write what a figure should be. False where it is another one by now, as somebody books."""
    with transaction() as connection:
        if found.what in _COUNTER:
            counter = (
                UsageCounter.customer_id == found.customer_id,
                UsageCounter.meter == found.meter,
                UsageCounter.bucket == found.where[0],
            )
            return _change(connection, UsageCounter, counter, found.what, found)

        if found.what in _GRANT:
            grant = (CreditGrant.id == found.where[0],)
            return _change(connection, CreditGrant, grant, _GRANT[found.what], found)

        return _change_day(connection, found)


def _change(
    connection: sa.Connection,
    model: type[t.Any],
    which: tuple[sa.ColumnElement[bool], ...],
    column: str,
    found: Difference,
) -> bool:
    changed = connection.execute(
        sa.update(model)
        .where(*which, getattr(model, column) == found.booked[0])
        .values({column: found.summed[0]})
    )
    return bool(changed.rowcount)


def _change_day(connection: sa.Connection, found: Difference) -> bool:
    names = ("day", *DIMENSIONS)
    key = {
        "customer_id": found.customer_id,
        "meter": found.meter,
        **dict(zip(names, found.where, strict=True)),
    }
    # A day that is missing altogether is opened empty first.
    connection.execute(
        insert(connection, UsageRollup)
        .values({**key, **{column.name: 0 for column in _numbers()}})
        .on_conflict_do_nothing(index_elements=list(key))
    )
    changed = connection.execute(
        sa.update(UsageRollup)
        .where(
            *[getattr(UsageRollup, name) == value for name, value in key.items()],
            *[
                getattr(UsageRollup, name) == value
                for name, value in zip(SUMS, found.booked, strict=True)
            ],
        )
        .values(dict(zip(SUMS, found.summed, strict=True)))
    )
    return bool(changed.rowcount)


def _numbers() -> list[sa.Column[t.Any]]:
    table = t.cast("sa.Table", UsageRollup.__table__)
    return [column for column in table.columns if not column.primary_key]
