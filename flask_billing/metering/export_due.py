"""Which counters hold other than was reported of them."""

from __future__ import annotations

import collections.abc as c
import itertools
import typing as t
from datetime import datetime, timedelta

import sqlalchemy as sa

from .. import clock, database
from ..models import Customer, MeterExport, UsageCounter
from . import billable
from .buckets import PREFIXES
from .export_keys import Key
from .export_periods import OLDEST

#: Counters looked up at once.
CHUNK: t.Final = 100
#: How long a period is looked at beyond what Stripe takes, so that what is lost is told soon.
_LINGERING: t.Final = timedelta(days=2)


def due(
    meter: str, prefix: str, *, of_any_age: bool = False, customer_id: int | None = None
) -> c.Iterator[Key]:
    """Counters of customers at Stripe that hold other than was reported, the oldest period first.

    Those of the reported window, and then those of another one that was reported before the
    catalog named this. Closed ones too: a fact may come late. What was taken back is looked at in
    the invoice's periods alone.

    :param prefix: how the keys of the reported window begin.
    :param of_any_age: whether to look at periods of which Stripe takes nothing any more.
    :param customer_id: whose; None is everybody's.
    """
    mine = UsageCounter.bucket.startswith(prefix, autoescape=True)
    ending = _since(meter, of_any_age=of_any_age)

    for window, since in itertools.product(
        (mine, sa.and_(~mine, UsageCounter.reported != 0)), (ending, None)
    ):
        if customer_id is not None:
            window = sa.and_(window, UsageCounter.customer_id == customer_id)

        last: sa.Row[datetime | None, int, str] | None = None

        while rows := _page(statement(meter, window, since, last)):
            for last in rows:
                yield Key(last.customer_id, meter, last.bucket)


def statement(
    meter: str,
    window: sa.ColumnElement[bool],
    since: datetime | None,
    after: sa.Row[datetime | None, int, str] | None = None,
) -> sa.Select[datetime | None, int, str]:
    """The next counters after one, in the order of their index.

    :param window: which counters are looked at.
    :param since: periods that ended before are left out; None asks for those that never end.
    """
    reportable = billable.reportable(meter)
    of_cycle = UsageCounter.bucket.startswith(PREFIXES["billing_period"], autoescape=True)
    end, columns = UsageCounter.period_end, (UsageCounter.customer_id, UsageCounter.bucket)
    place = columns if since is None else (end, *columns)
    found = (
        sa.select(end, *columns)
        .join(Customer, Customer.id == UsageCounter.customer_id)
        .where(
            UsageCounter.meter == meter,
            end.is_(None) if since is None else end > since,
            UsageCounter.bucket.not_like("%|%"),
            window,
            sa.or_(
                reportable > UsageCounter.reported,
                sa.and_(reportable < UsageCounter.reported, of_cycle),
            ),
            Customer.stripe_id.is_not(None),
        )
        .order_by(end, *columns)
        .limit(CHUNK)
    )

    if after is not None:
        found = found.where(
            sa.tuple_(*place) > tuple(getattr(after, column.key) for column in place)
        )

    return found


def _since(meter: str, *, of_any_age: bool) -> datetime:
    """Where to begin: what ended before the meter was first reported never was to be."""
    taken = clock.now() - OLDEST

    with database.reading() as connection:
        first: datetime | None = connection.scalar(
            sa.select(sa.func.min(MeterExport.created_at)).where(MeterExport.meter == meter)
        )

    if first is None:
        return taken

    return min(taken, first if of_any_age else max(first, taken - _LINGERING))


def _page(query: sa.Select[datetime | None, int, str]) -> list[sa.Row[datetime | None, int, str]]:
    with database.reading() as connection:
        return list(connection.execute(query))
