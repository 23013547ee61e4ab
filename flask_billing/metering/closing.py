"""Periods that have ended: each is closed once, and the next one opened where it ended.

No limit waits for this. A new period is a new counter, which the first use opens where nobody
did before; closing makes a reset seen, recorded and announced, whenever it comes to it.
"""

from __future__ import annotations

import collections.abc as c
import dataclasses
import functools
import logging
import typing as t
from datetime import datetime

import sqlalchemy as sa

from .. import clock, database, outbox
from ..catalog import Meter, Window
from ..errors import BillingError
from ..models import Customer, UsageCounter
from ..prepared import Prepared
from ..state import BillingState, state
from . import holds, opening, other_catalogs, refreshed, rollover, store, stripe_meters
from .sheets import Sheet, forget, sheet_for
from .slots import Slot
from .slotting import slots_at

log = logging.getLogger("flask_billing.metering")


class _Due(t.NamedTuple):
    """A period that has ended and is still open."""

    customer_id: int
    meter: str
    bucket: str
    period_end: datetime
    plan: str | None


#: Customers looked up at once.
_BATCH: t.Final = 100
#: Rounds against others that open counters between reading limits and closing.
_ROUNDS: t.Final = 20
#: What a bucket's key begins with, and its window.
_WINDOWS: t.Final[dict[str, Window]] = {
    "h": "hour",
    "d": "day",
    "w": "week",
    "m": "month",
    "b": "billing_period",
    "l": "lifetime",
}
#: Windows whose periods follow one another without a gap, used or not. The short ones would
#: grow by a row an hour for everybody who ever came by.
_UNBROKEN: t.Final = ("week", "month", "billing_period", "lifetime")


def close_all_ended(goes_on: c.Callable[[], bool] = lambda: True) -> int:
    """Close the ended periods of every customer; how many it were. A job calls it.

    One customer that cannot be closed keeps nobody else's periods open.

    :param goes_on: asked between customers whether there is time for more.
    :raises BillingError: in the end, where customers were left out for an error.
    :raises StoreDownError: where the database cannot be reached.
    """
    closed, failed, last = 0, 0, 0

    while due := _customers_due(last):
        for customer_id in due:
            if not goes_on():
                return closed

            try:
                closed += close_ended(customer_id)
            except store.StoreDownError:
                raise
            except Exception:  # whatever it is, it is this customer's; the others go on
                log.exception("The ended periods of customer %s could not be closed", customer_id)
                failed += 1

        last = due[-1]

    if failed:
        raise BillingError(
            f"Closed {closed} periods; those of {failed} customers could not be closed. Their "
            "limits hold all the same. The log 'flask_billing.metering' says why, and the next "
            "run tries again."
        )

    return closed


def close_ended(customer: Customer | int) -> int:
    """Close a customer's periods that have ended; how many it were.

    The counter keeps the plan and limit it was under, what is left rolls over where the limit
    says so, the next period is opened, and ``quota.reset`` is sent, each once however many
    processes do this. A period in which something is still reserved waits until that is settled
    or has expired.
    """
    current = state()
    customer_id = customer if isinstance(customer, int) else customer.id
    closed = 0

    # Asked at every paid renewal, and mostly the job was there before.
    if due := _due(customer_id):
        holds.expire(current, customer_id)

    # A period that was missed is opened by closing the one before it, and is closed next.
    while due and (found := _close_all(current, customer_id, due)):
        closed += found
        due = _due(customer_id)

    return closed


def _close_all(current: BillingState, customer_id: int, due: c.Iterable[_Due]) -> int:
    closed = 0

    for row in due:
        closed += _close_on_fresh_limits(current, row)

    if closed:
        forget(customer_id)

    return closed


def _close_on_fresh_limits(current: BillingState, row: _Due) -> bool:
    for _ in range(_ROUNDS):
        read = functools.partial(sheet_for, current, row.customer_id, fresh=True)

        try:
            return _close(current, store.persistently(current, read), row)
        except opening.OutdatedError:
            continue

    return False  # the next run tries again


def _close(current: BillingState, sheet: Sheet, row: _Due) -> bool:
    """Close one period, in one transaction with all that follows from it."""
    facts = sheet.snapshot.facts

    if other_catalogs.leave(current.catalog, facts, row.meter, row.period_end, row.plan):
        return False

    meter = next((one for one in current.catalog.meters if one.key == row.meter), None)

    if meter is not None:
        store.persistently(current, functools.partial(sheet.look_back, meter, row.period_end))

    following = None if meter is None else _following(sheet, meter, row)
    stripe_meter = None if meter is None else stripe_meters.meter_id(meter)
    prolonged = following is not None and following.bucket.key == row.bucket
    left_early = following is not None and not prolonged and _was_left_early(following, row)
    written: list[outbox.Written] = []

    def attempt() -> bool:
        with database.transaction() as connection:
            store.lock_resets(connection, row.customer_id)  # before a counter is locked

            if following is not None and (prolonged or left_early):
                _move_end(connection, row, following, left_early=left_early)

            if prolonged:
                return False

            counter = _freeze(connection, sheet, row, following, stripe_meter)

            if counter is None:
                return False

            if meter is not None and following is not None and not left_early:
                _open_next(connection, current, sheet, meter, following, counter)
                rows = refreshed.announcements(connection, sheet, meter, counter, following)
                written[:] = outbox.write(connection, rows)

            return True

    closed = store.persistently(current, attempt)

    if not store.joins_session(current):
        outbox.dispatch(written)

    return closed


def _freeze(
    connection: sa.Connection,
    sheet: Sheet,
    row: _Due,
    following: Slot | None,
    stripe_meter: str | None,
) -> sa.Row[t.Any] | None:
    """Close a counter, unless somebody did, or something is still reserved in it.

    The plan and limit it was used under stay; what never knew any is given today's.
    """
    limit = None if following is None else following.limit.included
    return connection.execute(
        sa.update(UsageCounter)
        .where(
            UsageCounter.customer_id == row.customer_id,
            UsageCounter.meter == row.meter,
            UsageCounter.bucket == row.bucket,
            UsageCounter.closed_at.is_(None),
            UsageCounter.reserved == 0,
        )
        .values(
            closed_at=clock.now(),
            plan=sa.func.coalesce(UsageCounter.plan, sheet.snapshot.facts.plan),
            limit=sa.func.coalesce(UsageCounter.limit, limit),
            stripe_meter_id=sa.func.coalesce(UsageCounter.stripe_meter_id, stripe_meter),
        )
        .returning(
            *[
                getattr(UsageCounter, name)
                for name in (
                    "customer_id", "meter", "bucket", "used", "credited", "plan", "limit",
                    "period_start", "period_end",
                )
            ]
        )
    ).one_or_none()  # fmt: skip


def _move_end(connection: sa.Connection, row: _Due, following: Slot, *, left_early: bool) -> None:
    """Let a period end when it did, where that was moved after it was opened.

    An extended trial goes on; a period that another anchor cut short ended where that began.
    """
    moved = following.bucket.start if left_early else following.bucket.end
    connection.execute(
        sa.update(UsageCounter)
        .where(
            UsageCounter.customer_id == row.customer_id,
            UsageCounter.meter == row.meter,
            UsageCounter.bucket == row.bucket,
            UsageCounter.closed_at.is_(None),
            sa.true() if moved is None else UsageCounter.period_start < moved,
        )
        .values(period_end=moved)
    )


def _was_left_early(following: Slot, row: _Due) -> bool:
    """Whether another period had begun before this one's end, so that its end was no reset."""
    start = following.bucket.start
    of_cycle = following.limit.window == "billing_period"
    return of_cycle and start is not None and start < row.period_end


def _following(sheet: Sheet, meter: Meter, row: _Due) -> Slot | None:
    """The limit's period from a period's end on; None where it has none.

    That is where the plan limits this window no more, and for a member's own cap, which the
    member's next use opens.
    """
    window = None if "|" in row.bucket else _WINDOWS.get(row.bucket[0])
    slots = slots_at(sheet.snapshot, meter, row.period_end, None).in_force
    return next(
        (slot for slot in slots if (slot.limit.window, slot.limit.scope) == (window, "customer")),
        None,
    )


def _open_next(
    connection: sa.Connection,
    current: BillingState,
    sheet: Sheet,
    meter: Meter,
    following: Slot,
    counter: sa.Row[t.Any],
) -> None:
    """Open the period after a closed one, with what rolls over into it."""
    now, facts = clock.now(), sheet.snapshot.facts
    unbroken = following.limit.window in _UNBROKEN or following.limit.rollover

    if unbroken or (counter.used and following.bucket.holds(now)):
        start = following.bucket.start
        assert start is not None, "it follows another"
        slots = slots_at(sheet.snapshot, meter, start, None)
        mine = [slot for slot in slots.unopened if slot.bucket.key == following.bucket.key]
        slots = dataclasses.replace(slots, every=(following,), unopened=mine, is_dated=False)
        form = store.formats(current)
        opening.open_slots(connection, form, slots, facts.customer_id, None, start)

    if following.bucket.holds(now):
        rollover.carry(connection, current, facts, [following])


def _customers_due(after: int) -> list[int]:
    """Customers with periods to be closed, in the order of their ids."""
    with database.reading() as connection:
        return list(
            connection.scalars(
                sa.select(UsageCounter.customer_id)
                .where(*_ENDED, UsageCounter.customer_id > after)
                .params(now=clock.now())
                .distinct()
                .order_by(UsageCounter.customer_id)
                .limit(_BATCH)
            )
        )


def _due(customer_id: int) -> list[_Due]:
    with database.reading() as connection:
        statement = _due_statement(connection.dialect)
        values = {"customer": customer_id, "now": clock.now()}
        return [_Due(**row) for row in statement.rows(connection, values)]


@functools.lru_cache(maxsize=16)
def _due_statement(dialect: sa.Dialect) -> Prepared:
    statement = (
        sa.select(
            UsageCounter.customer_id,
            UsageCounter.meter,
            UsageCounter.bucket,
            UsageCounter.period_end,
            UsageCounter.plan,
        )
        .where(*_ENDED, UsageCounter.customer_id == sa.bindparam("customer"))
        .order_by(UsageCounter.period_end, UsageCounter.meter, UsageCounter.bucket)
    )
    return Prepared(statement, dialect)


_ENDED: t.Final = (
    UsageCounter.closed_at.is_(None),
    UsageCounter.period_end
    <= sa.bindparam("now", type_=t.cast("sa.Table", UsageCounter.__table__).c.period_end.type),
)
