"""Whether the books balance: counters, daily sums and credits beside the events they sum up.

Everything is written in one step with its event, so nothing here should ever be found. It is for
rows that somebody edited, a database that was restored in part, and our own mistakes.
"""

from __future__ import annotations

import collections.abc as c
import dataclasses
import logging
import typing as t
from datetime import datetime, timedelta

import sqlalchemy as sa

from .. import clock, database
from ..models import Customer
from ..state import state
from . import books_repair, books_sums, stripe_books
from .books_sums import Difference
from .sheets import forget

log = logging.getLogger("flask_billing.metering")

#: Periods and days that ended longer ago are not looked at again.
LOOKS_BACK: t.Final = timedelta(days=40)
_BATCH: t.Final = 100


@dataclasses.dataclass
class Books:
    """What a look at the books came to."""

    compared: int = 0
    differences: list[Difference] = dataclasses.field(default_factory=list)

    @property
    def unrepaired(self) -> list[Difference]:
        """What is still wrong."""
        return [found for found in self.differences if not found.repaired]

    def __str__(self) -> str:
        differ = len(self.differences)
        repaired = differ - len(self.unrepaired)
        return f"compared {self.compared}, {differ} differ, {repaired} repaired"


def reconcile_usage(
    customer: Customer | None = None,
    *,
    repair: bool = False,
    since: timedelta = LOOKS_BACK,
    goes_on: c.Callable[[], bool] = lambda: True,
) -> Books:
    """Compare what is counted with the events, and with Stripe's meters where it was exported.

    Events are the truth. What is counted is changed only with ``repair``, and only where nobody
    books at the moment; what was reported to Stripe never is.

    :param customer: None is every customer that used something.
    :param since: how long ago the periods and days may have ended.
    :param goes_on: asked between customers whether there is time for more.
    :raises StripeError: where Stripe's meters cannot be read.
    """
    books, start = Books(), clock.now() - since
    customers = _customers() if customer is None else iter([customer.id])

    for customer_id in customers:
        if not goes_on():
            break

        _look_at(books, customer_id, start, repair=repair)

    return books


def _look_at(books: Books, customer_id: int, start: datetime, *, repair: bool) -> None:
    compared, suspected = books_sums.differences(customer_id, start)
    books.compared += compared

    # What was booked between two of our reads differs for that moment alone.
    if suspected:
        again = books_sums.differences(customer_id, start)[1]
        suspected = [found for found in again if found in suspected]

    for found in suspected:
        if repair and books_repair.repair(found):
            found = dataclasses.replace(found, repaired=True)

        log.warning("The books of usage do not balance: %s", found)
        books.differences.append(found)

    if suspected and repair:
        forget(customer_id)

    books.differences += stripe_books.differences(state(), customer_id, start)


def _customers() -> c.Iterator[int]:
    last = 0

    while True:
        with database.reading() as connection:
            found = connection.scalars(
                sa.select(Customer.id).where(Customer.id > last).order_by(Customer.id).limit(_BATCH)
            ).all()

        if not found:
            return

        yield from found
        last = found[-1]
