"""Reserve and settle: quota for a cost that is known only afterwards, as a model's tokens."""

from __future__ import annotations

import collections.abc as c
import contextlib
import dataclasses
import functools
import typing as t
from datetime import datetime, timedelta

from flask import current_app, has_app_context

from .. import clock, database
from ..catalog import Meter
from ..errors import InvalidUsageError, MeteringUnavailableError
from ..models import Customer
from ..owners import id_of
from ..state import BillingState, state
from . import booking, holds, opening, store
from .accounts import current_customer_id
from .allotment import Allotment, allot
from .answers import admitted, booked, refused, source_of, unbooked
from .decision import Decision
from .dimensions import Dimensions
from .entries import Entry, Outcome, Result
from .inputs import (
    LARGEST,
    check_key,
    check_quantity,
    event_columns,
    fact_columns,
    find_meter,
    new_key,
    settle_key,
)
from .refusal import QuotaExceeded
from .sheets import Sheet, sheet_for
from .slots import Slots
from .slotting import slots_of_buckets

OnError = t.Literal["release", "charge"]
State = t.Literal["open", "settled", "released", "expired"]

#: Rounds against other processes that take the key or the units between reading and holding.
_ROUNDS: t.Final = 200
_LONGEST_TTL: t.Final = timedelta(days=7)


class Reservation:
    """Units of a meter that are held until it is known what was used.

    A context manager: left without :meth:`settle` it settles the whole amount, and left by an
    exception it lets go of it, or charges it with ``on_error="charge"``.

    :ivar key: what it is held under.
    :ivar amount: units held.
    :ivar decision: the answer to the reservation; ``replayed`` where its key was held before.
    :ivar state: "open", "settled", "released" or "expired".
    """

    def __init__(
        self,
        current: BillingState,
        meter: Meter,
        amount: int,
        decision: Decision,
        hold: holds.Hold | None,
        key: str,
        on_error: OnError,
        dimensions: Dimensions,
        customer: Customer | None,
    ) -> None:
        self._billing = current
        self._meter = meter
        self._hold = hold
        self._on_error = on_error
        self._dimensions = dimensions
        self._customer = customer
        self.key = key
        self.amount = amount
        self.decision = decision
        self.expires_at: datetime | None = None if hold is None else hold.expires_at
        self.state: State = "open" if hold is None else t.cast("State", hold.state)

    def settle(self, actual: int, **dimensions: t.Unpack[Dimensions]) -> Decision:
        """Book what was really used, more or less than was held, and let go of the rest.

        It is a fact and booked in full, into the periods of the reservation, though the quota
        may be exhausted or the reservation expired. Settling again does nothing.

        :param actual: units from 0.
        :param dimensions: beside those of the reservation.
        :raises InvalidUsageError: for what is no amount, or after :meth:`release`.
        """
        if type(actual) is not int or not 0 <= actual <= LARGEST:
            raise InvalidUsageError(
                f"{actual!r} is not a whole number from 0 to {LARGEST}. Nothing was settled. "
                "Count in the meter's smallest unit."
            )

        said = t.cast("Dimensions", {**self._dimensions, **dimensions})

        with self._context():
            decision = self._settle(actual, said)

        self.state = "settled"
        return decision

    def release(self) -> bool:
        """Let go of what is held; nothing was used. Says whether it was still held."""
        if self._hold is None:
            was_open, self.state = self.state == "open", "released"
            return was_open

        with self._context():
            was_open = holds.release(self._billing, self._hold.id)

            self.state = "released" if was_open else t.cast("State", self._read().state)

        return was_open

    def __enter__(self) -> t.Self:
        return self

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        if self.state != "open":
            return

        if error is None or self._on_error == "charge":
            finish: c.Callable[[], object] = functools.partial(self.settle, self.amount)
        else:
            finish = self.release

        if error is None:
            finish()
            return

        try:
            finish()
        except MeteringUnavailableError:  # it expires; what went wrong is the first error
            booking.log.exception("A reservation of %s could not be ended", self._meter.key)

    def _context(self) -> t.ContextManager[object]:
        """The app's context: a stream may be closed after its request's is gone."""
        if has_app_context() and current_app.extensions.get("billing") is self._billing:
            return contextlib.nullcontext()

        return self._billing.app.app_context()

    def _settle(self, actual: int, dimensions: Dimensions) -> Decision:
        current, meter, hold = self._billing, self._meter, self._hold

        if hold is None:
            return self._settle_unheld(actual, dimensions)

        now = clock.now()
        key = settle_key(hold.key)

        if dimensions.get("member") != hold.member:
            raise InvalidUsageError(
                f"The reservation {hold.key!r} is of another member. Nothing was settled. "
                "Settle without a member."
            )

        columns = fact_columns(current, dimensions)
        entry = Entry(hold.customer_id, meter.key, key, True, actual, hold.created_at, now, columns)

        try:
            slots, result = self._book(hold, entry, actual)
        except store.StoreDownError as error:
            return booking.degraded(
                current,
                meter,
                actual,
                error,
                key=key,
                at=hold.created_at,
                customer_id=hold.customer_id,
                columns=columns,
            )

        if result.outcome is Outcome.BOOKED:
            decision = booked(current, slots, entry, result)
            return decision if actual else dataclasses.replace(decision, key=None)

        first = self._read().settled or 0
        return booked(current, slots, dataclasses.replace(entry, quantity=first), None)

    def _book(self, hold: holds.Hold, entry: Entry, actual: int) -> tuple[Slots, Result]:
        """Book on limits and counters read afresh."""
        current = self._billing

        for _ in range(_ROUNDS):
            sheet = store.persistently(current, lambda: self._sheet(hold))
            slots = slots_of_buckets(
                sheet.snapshot, self._meter, hold.created_at, hold.member, hold.buckets
            )

            with contextlib.suppress(opening.OutdatedError):
                used = entry if actual else None
                return slots, holds.settle(current, hold.id, slots, used, actual)

        raise store.StoreDownError("the counter kept changing")

    def _sheet(self, hold: holds.Hold) -> Sheet:
        """The customer's sheet, with the counters that were open when the hold was made."""
        sheet = sheet_for(self._billing, hold.customer_id, fresh=True)
        sheet.look_back(self._meter, hold.created_at)
        return sheet

    def _read(self) -> holds.Hold:
        hold_id = t.cast("holds.Hold", self._hold).id

        def attempt() -> holds.Hold:
            with database.reading() as connection:
                return holds.read(connection, hold_id)

        return store.persistently(self._billing, attempt)

    def _settle_unheld(self, actual: int, dimensions: Dimensions) -> Decision:
        """Book what was used though nothing could be held, as while the store was down."""
        if self.state == "released":
            raise InvalidUsageError("The reservation was released. Nothing was booked.")

        if self.state == "settled" or not actual or self.decision.reason == "disabled":
            return self.decision

        return booking.record(
            self._meter.key,
            actual,
            customer=self._customer,
            key=settle_key(self.key),
            **dimensions,
        )


def reserve(
    meter: str,
    amount: int,
    *,
    key: str | None = None,
    ttl: timedelta | None = None,
    on_error: OnError = "release",
    customer: Customer | None = None,
    **dimensions: t.Unpack[Dimensions],
) -> Reservation:
    """Hold ``amount`` of a meter until it is known what was used.

    :param key: makes a repeated call find the same reservation; one that was released or has
        expired is held anew.
    :param ttl: after which units that nobody settled are let go; ``BILLING_RESERVATION_TTL``.
    :param on_error: what leaving the block by an exception does: "release" or "charge".
    :raises QuotaExceeded: where not all of it is left; nothing is held.
    :raises IdempotencyMismatchError: for a key that holds another amount.
    :raises InvalidUsageError: for usage that cannot be held as asked.
    """
    current = state()
    found = find_meter(current, meter)
    check_quantity(amount)
    ttl = _checked(current, ttl, on_error)

    if key is None:
        key = new_key()
    else:
        check_key(key)

    columns = event_columns(current, dimensions, customer)
    member = t.cast("str | None", columns.get("member"))

    if member is not None:
        dimensions["member"] = member

    def made(decision: Decision, hold: holds.Hold | None) -> Reservation:
        return Reservation(
            current, found, amount, decision, hold, key, on_error, dimensions, customer
        )

    if not current.app.config["BILLING_METERING_ENABLED"]:
        return made(unbooked(current, found, amount, "disabled"), None)

    now = clock.now()
    try:
        customer_id = id_of(customer) if customer is not None else current_customer_id(current)
        ask = holds.Ask(customer_id, meter, key, amount, member, now, now + ttl)
        decision, hold = _hold(current, found, ask)
    except store.StoreDownError as error:
        return made(booking.degraded(current, found, amount, error), None)

    if not decision.allowed:
        raise QuotaExceeded(decision)

    return made(decision, hold)


def expire_reservations() -> int:
    """Let go of every reservation that nobody settled in time; how many it were.

    A job calls it. Nobody is refused for want of it: a refusal looks for stale holds first.
    """
    current = state()
    count = 0

    while ended := holds.expire(current):
        count += ended

    return count


def _hold(
    current: BillingState, meter: Meter, ask: holds.Ask
) -> tuple[Decision, holds.Hold | None]:
    """Hold on limits known a moment ago; refuse on limits read afresh."""
    fresh = store.joins_session(current)

    for _ in range(_ROUNDS):
        sheet = store.persistently(
            current, functools.partial(sheet_for, current, ask.customer_id, fresh=fresh)
        )
        ask = dataclasses.replace(ask, now=max(ask.now, sheet.now(meter.key)))
        sheet, slots = booking.slots_for(current, sheet, meter, ask.now, ask.member)
        draws = allot(slots, ask.amount, slots.credits).credits > 0

        # What is held in vain is included, and nothing to hold credits for.
        if draws and holds.expire(current, ask.customer_id, ask.meter):
            fresh = True
            continue

        found = holds.open_hold(current, slots, ask)
        sheet.learn(slots, ask.member)

        if found is not None:
            hold, allotment = found
            return _answer(current, slots, hold, allotment), hold

        in_the_way = allot(slots, ask.amount, slots.credits).in_the_way

        if fresh and in_the_way and not holds.expire(current, ask.customer_id, ask.meter):
            booking.announce_refusal(current, ask.customer_id, in_the_way[0])
            return refused(current, slots, ask.customer_id, ask.amount, in_the_way[0]), None

        fresh = True

    raise store.StoreDownError("the counter kept changing")


def _answer(
    current: BillingState, slots: Slots, hold: holds.Hold, allotment: Allotment | None
) -> Decision:
    drawn = 0 if allotment is None else allotment.credits
    return dataclasses.replace(
        admitted(current, slots, hold.customer_id, 0, Allotment(0, ())),
        requested=hold.amount,
        replayed=allotment is None,
        source=source_of(slots, drawn),
        credits=drawn,
    )


def _checked(current: BillingState, ttl: timedelta | None, on_error: str) -> timedelta:
    if on_error not in t.get_args(OnError):
        raise InvalidUsageError(
            f"on_error={on_error!r} is neither 'release' nor 'charge'. Nothing was held."
        )

    if ttl is None:
        default: timedelta = current.app.config["BILLING_RESERVATION_TTL"]
        return default

    if not isinstance(ttl, timedelta) or not timedelta(0) < ttl <= _LONGEST_TTL:
        raise InvalidUsageError(
            f"ttl={ttl!r} is no time to hold units for: pass a timedelta of at most "
            f"{_LONGEST_TTL.days} days. Nothing was held."
        )

    return ttl
