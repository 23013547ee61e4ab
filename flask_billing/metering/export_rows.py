"""What was reported to Stripe, row by row: recorded before it is sent, closed when it is known.

An export takes its units onto the counter's ``reported`` in the transaction that records it, so
none is reported twice; one that Stripe did not take gives them back, so none is lost.
"""

from __future__ import annotations

import collections.abc as c
import hashlib
import typing as t
from datetime import datetime, timedelta

import sqlalchemy as sa

from .. import clock, database, row_marks
from ..models import MeterExport, Subscription, UsageCounter
from ..state import BillingState
from . import billable, store
from .export_keys import Key, named
from .export_periods import OLDEST, Reported, find, moment, next_target

#: An identifier has at most so many characters (docs.stripe.com/api/billing/meter-event).
_LONGEST_IDENTIFIER: t.Final = 100
#: Stripe takes no value of more than 15 digits (code ``meter_event_value_too_many_digits``).
_MOST: t.Final = 10**15 - 1
#: How long a counter waits after Stripe refused a report of it.
AFTER_FAILURE: t.Final = timedelta(hours=1)
#: How long a renewal's invoice is a draft, to which usage can still be reported.
DRAFT: t.Final = timedelta(hours=1)
_EXPORT: t.Final = t.cast(sa.Table, MeterExport.__table__)
#: What is on a counter's ``reported`` and not at Stripe.
NEVER_SENT: t.Final = ("late", "settled")
_ERRORS: t.Final = {
    "late": "It was booked, or could be sent, more than 35 days after it was used. It is billed "
    "nowhere.",
    "settled": "It was used more than 35 days ago, without a subscription to bill it.",
}
_TAKEN_BACK_LATE: t.Final = "It was taken back when the invoice that charges it was final."


class Export(t.NamedTuple):
    """An export that this process may send, and nobody else for a while."""

    id: int
    identifier: str
    key: Key
    quantity: int
    target: int
    created_at: datetime
    #: "open" is to be sent, "late" never can be, and "settled" need not.
    state: str


class _Customer(t.NamedTuple):
    id: int
    created_at: datetime


def record(
    current: BillingState, key: Key, stripe_meter: str, *, ago: timedelta = timedelta(0)
) -> Export | None:
    """Record the export of what a counter has not reported yet; None where there is nothing to do.

    Nothing either while another export of the customer and meter is open, for a counter of
    another Stripe meter, for an hour after Stripe refused one, and where the customer's metered
    price would bill what is included. What was used too long ago for Stripe is recorded as "late"
    where a subscription would have billed it, and is not to be sent; nor is what was taken back
    when the invoice that charges it was final.

    :param ago: how long ago it was recorded, as far as its timestamp is concerned.
    """

    def attempt() -> Export | None:
        with database.transaction() as connection:
            store.lock_exports(connection, key.customer_id)
            counter = find(connection, key, lock=True)

            if counter is None or counter.stripe_id is None or counter.total == counter.reported:
                return None

            if counter.stripe_meter_id not in (None, stripe_meter) or _has_to_wait(connection, key):
                return None

            if billable.is_left_over(connection, key.customer_id, key.meter):
                return None

            target = next_target(connection, counter)

            if target == counter.reported:
                return None

            target = min(max(target, counter.reported - _MOST), counter.reported + _MOST)

            connection.execute(
                sa.update(UsageCounter)
                .where(*named(key))
                .values(reported=target, stripe_meter_id=stripe_meter)
            )
            state = _state(connection, counter, target)
            return _insert(connection, counter, target, state, clock.now() - ago)

    return store.persistently(current, attempt)


def claim(current: BillingState, export_id: int) -> Export | None:
    """Take an open export to send it again; None where somebody else is at it, or it is closed."""
    now = clock.wall()

    def attempt() -> Export | None:
        with database.transaction() as connection:
            row = connection.execute(
                sa.update(_EXPORT)
                .where(
                    _EXPORT.c.id == export_id,
                    _EXPORT.c.state == "open",
                    sa.or_(
                        _EXPORT.c.sent_at.is_(None),
                        _EXPORT.c.sent_at <= now - _claimed_for(current),
                    ),
                )
                .values(sent_at=now, attempts=_EXPORT.c.attempts + 1)
                .returning(*_EXPORT.c)
            ).one_or_none()
            return None if row is None else _export(row)

    return store.persistently(current, attempt)


def release(current: BillingState, export: Export, error: str) -> None:
    """Let an export be sent again: its call is over, and what came of it is not known."""
    _close(current, export, ("open",), state="open", sent_at=None, error=error)


def delivered(current: BillingState, export: Export) -> None:
    """Note that Stripe has an export."""
    _close(current, export, ("open",), state="sent", error=None)


def fail(current: BillingState, export: Export, error: str) -> bool:
    """Note that Stripe did not count an export, and give its units back to be reported again."""

    def attempt() -> bool:
        with database.transaction() as connection:
            find(connection, export.key, lock=True)
            return fail_within(connection, export, error)

    return store.persistently(current, attempt)


def fail_within(connection: sa.Connection, export: Export, error: str) -> bool:
    """Like :func:`fail`, in a transaction that holds the counter."""
    closed = connection.execute(
        sa.update(_EXPORT)
        .where(_EXPORT.c.id == export.id, _EXPORT.c.state.in_(("open", "sent")))
        .values(state="failed", error=error)
    )

    if closed.rowcount:
        connection.execute(
            sa.update(UsageCounter)
            .where(*named(export.key))
            .values(reported=UsageCounter.reported - export.quantity)
        )

    return bool(closed.rowcount)


def fail_reported(current: BillingState, identifier: str, error: str) -> bool:
    """Fail the export of an identifier that Stripe named; whether it is one of ours, and open."""

    def attempt() -> bool:
        with database.transaction() as connection:
            row = connection.execute(
                sa.select(*_EXPORT.c).where(_EXPORT.c.identifier == identifier)
            ).one_or_none()

            if row is None:
                return False

            export = _export(row)
            find(connection, export.key, lock=True)
            return fail_within(connection, export, error)

    return store.persistently(current, attempt)


def never_sent(connection: sa.Connection, keys: c.Collection[Key]) -> int:
    """Units of counters of one customer and meter that came too late for Stripe."""
    first = next(iter(keys))
    found: int = connection.execute(
        sa.select(sa.func.coalesce(sa.func.sum(_EXPORT.c.quantity), 0)).where(
            _EXPORT.c.state.in_(NEVER_SENT),
            _EXPORT.c.customer_id == first.customer_id,
            _EXPORT.c.meter == first.meter,
            _EXPORT.c.bucket.in_([key.bucket for key in keys]),
        )
    ).scalar_one()
    return int(found)


def open_ids(after: int, limit: int) -> list[int]:
    """Exports of which Stripe's answer is not known, in the order they were recorded."""
    with database.reading() as connection:
        return list(
            connection.scalars(
                sa.select(_EXPORT.c.id)
                .where(_EXPORT.c.state == "open", _EXPORT.c.id > after)
                .order_by(_EXPORT.c.id)
                .limit(limit)
            )
        )


def of_counter(connection: sa.Connection, key: Key, *states: str) -> list[Export]:
    """The exports of a counter in some states."""
    rows = connection.execute(
        sa.select(*_EXPORT.c)
        .where(
            _EXPORT.c.state.in_(states),
            _EXPORT.c.customer_id == key.customer_id,
            _EXPORT.c.meter == key.meter,
            _EXPORT.c.bucket == key.bucket,
        )
        .order_by(_EXPORT.c.id)
    )
    return [_export(row) for row in rows]


def _has_to_wait(connection: sa.Connection, key: Key) -> bool:
    """Whether a call for this customer and meter may be in flight, or one was refused lately."""
    found = connection.scalar(
        sa.select(_EXPORT.c.id)
        .where(
            _EXPORT.c.customer_id == key.customer_id,
            _EXPORT.c.meter == key.meter,
            sa.or_(
                _EXPORT.c.state == "open",
                sa.and_(
                    _EXPORT.c.state == "failed",
                    _EXPORT.c.created_at > clock.now() - AFTER_FAILURE,
                ),
            ),
        )
        .limit(1)
    )
    return found is not None


def _state(connection: sa.Connection, counter: Reported, target: int) -> str:
    """How an export begins: to be sent, unless Stripe would not charge by it any more."""
    at = moment(connection, counter, target, clock.now())
    taken_back = target < counter.reported

    if at > clock.now() - OLDEST and not (taken_back and _is_charged(connection, counter, at)):
        return "open"

    subscribed = sa.exists().where(
        Subscription.customer_id == counter.key.customer_id,
        Subscription.started_at <= at,
        sa.or_(Subscription.ended_at.is_(None), Subscription.ended_at > at),
    )
    return "late" if connection.scalar(sa.select(subscribed)) else "settled"


def _is_charged(connection: sa.Connection, counter: Reported, at: datetime) -> bool:
    """Whether an invoice that is final charges what was used at a moment."""
    final = clock.now() - DRAFT
    ends = Subscription.current_period_start, Subscription.current_period_end, Subscription.ended_at
    charged = sa.exists().where(
        Subscription.customer_id == counter.key.customer_id,
        Subscription.started_at <= at,
        sa.or_(*(sa.and_(end > at, end <= final) for end in ends)),
    )
    return bool(connection.scalar(sa.select(charged)))


def _insert(
    connection: sa.Connection, counter: Reported, target: int, state: str, at: datetime
) -> Export:
    customer_id, meter, bucket = counter.key
    taken_back = target < counter.reported
    row = connection.execute(
        sa.insert(_EXPORT)
        .values(
            identifier=_identifier(connection, counter, target),
            customer_id=customer_id,
            meter=meter,
            bucket=bucket,
            quantity=target - counter.reported,
            target=target,
            state=state,
            error=_TAKEN_BACK_LATE if taken_back and state == "late" else _ERRORS.get(state),
            attempts=1 if state == "open" else 0,
            created_at=at,
            sent_at=clock.wall(),
        )
        .returning(*_EXPORT.c)
    ).one()
    return _export(row)


def _identifier(connection: sa.Connection, counter: Reported, target: int) -> str:
    """``fb:<customer>:<meter>:<bucket>:<target>``, and a number where that was tried in vain."""
    customer_id, meter, bucket = counter.key
    customer = row_marks.unmistakable(_Customer(customer_id, counter.customer_since))
    whole = f"fb:{customer}:{meter}:{bucket}:{target}"
    tries = 1

    while True:
        found = whole if tries == 1 else f"{whole}:{tries}"

        if len(found) > _LONGEST_IDENTIFIER:
            found = f"fb:{hashlib.sha256(found.encode()).hexdigest()}"

        taken = connection.scalar(sa.select(_EXPORT.c.id).where(_EXPORT.c.identifier == found))

        if taken is None:
            return found

        tries += 1


def _claimed_for(current: BillingState) -> timedelta:
    """How long a call may take at most, with a minute to spare."""
    config = current.app.config
    timeout: timedelta = config["BILLING_STRIPE_TIMEOUT"]
    retries: int = config["BILLING_STRIPE_RETRIES"]
    return timeout * (retries + 1) + timedelta(minutes=1)


def _close(
    current: BillingState, export: Export, states: tuple[str, ...], **values: object
) -> None:
    def attempt() -> None:
        with database.transaction() as connection:
            connection.execute(
                sa.update(_EXPORT)
                .where(_EXPORT.c.id == export.id, _EXPORT.c.state.in_(states))
                .values(values)
            )

    store.persistently(current, attempt)


def _export(row: sa.Row[t.Any]) -> Export:
    key = Key(row.customer_id, row.meter, row.bucket)
    return Export(row.id, row.identifier, key, row.quantity, row.target, row.created_at, row.state)
