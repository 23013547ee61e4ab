"""Many facts at once, from a file or a queue: each is booked exactly once."""

from __future__ import annotations

import collections.abc as c
import dataclasses
import itertools
import typing as t
from datetime import date, datetime

from .. import clock
from ..catalog import Meter
from ..errors import BillingError, IdempotencyMismatchError
from ..models import Customer
from ..owners import id_of
from ..state import BillingState, state
from . import store
from .accounts import check_member, current_customer_id, current_member
from .booking import book_fact, slots_for
from .bulk_facts import Facts, Place
from .bulk_ledger import book_all
from .dimensions import Dimensions
from .entries import Entry
from .inputs import check_key, check_quantity, checked_time, fact_columns, find_meter
from .ledger import mismatch
from .opening import OutdatedError
from .sheets import Sheet, forget, sheet_for
from .slots import Slots
from .statements import ROLLUP_KEYS

#: Facts that one transaction books.
BATCH: t.Final = 1_000
#: Rounds against admins who keep resetting quotas between reading and booking.
_ROUNDS: t.Final = 200


@dataclasses.dataclass(slots=True)
class Fact:
    """One use, as :func:`~flask_billing.metering.record` takes it.

    :param key: what keeps the fact from being booked a second time.
    :param customer: whose; None is the signed-in owner's.
    :param at: when it happened; None is now.
    """

    meter: str
    quantity: int
    key: str
    customer: Customer | None = None
    at: datetime | None = None
    dimensions: Dimensions = dataclasses.field(default_factory=Dimensions)


@dataclasses.dataclass(frozen=True, slots=True)
class Recorded:
    """What became of one fact.

    :param state: ``booked`` now, ``known`` where it was booked before, ``refused`` where it
        cannot be, as ``error`` says, ``disabled`` where metering is switched off.
    """

    state: t.Literal["booked", "known", "refused", "disabled"]
    error: BillingError | None = None


_BOOKED: t.Final = Recorded("booked")
_KNOWN: t.Final = Recorded("known")
_DISABLED: t.Final = Recorded("disabled")


def record_many(facts: c.Iterable[Fact]) -> list[Recorded]:
    """Book facts in full, whatever the quotas say, a thousand in a transaction.

    A fact that cannot be booked keeps no other from it. Repeating the call, in several
    processes at once too, books nothing twice.

    :returns: what became of each, in the order they came.
    :raises StoreDownError: where the database cannot be reached. Some batches may be booked;
        call again with the same facts.
    """
    current, waiting = state(), iter(facts)
    results: list[Recorded] = []

    while batch := list(itertools.islice(waiting, BATCH)):
        results += _record(current, batch)

    return results


def _record(current: BillingState, facts: c.Sequence[Fact]) -> list[Recorded]:
    for _ in range(_ROUNDS):
        try:
            return _book(current, facts)
        except OutdatedError:
            continue

    raise store.StoreDownError("the counters kept changing")


def _book(current: BillingState, facts: c.Sequence[Fact]) -> list[Recorded]:
    desk = _Desk(current)
    taken = [desk.take(fact) for fact in facts]

    if not current.app.config["BILLING_METERING_ENABLED"]:
        return [one if isinstance(one, Recorded) else _DISABLED for one in taken]

    if not desk.facts.keys:
        return t.cast("list[Recorded]", taken)

    desk.settle_generations()
    outcomes = book_all(current, desk.facts, desk.now)
    desk.leave()
    results, firsts = [], 0

    for fact, position in zip(facts, taken, strict=True):
        if isinstance(position, Recorded):
            results.append(position)
            continue

        outcome = outcomes[position]
        is_first = position == firsts  # positions rise, but for keys that came before
        firsts += is_first

        if outcome is None:  # which takes from credits
            results.append(_book_alone(current, fact, desk.facts, position))
        elif outcome is True and is_first:
            results.append(_BOOKED)
        else:
            booked = desk.facts.quantities[position] if outcome is True else outcome
            results.append(_compared(fact, booked))

    return results


def _compared(fact: Fact, quantity: int) -> Recorded:
    if fact.quantity == quantity:
        return _KNOWN

    return Recorded("refused", mismatch(fact.meter, fact.key, quantity, fact.quantity))


def _book_alone(current: BillingState, fact: Fact, facts: Facts, position: int) -> Recorded:
    """Book a fact that takes from credits.

    :param facts: those of the batch, where the first one with its key has this position.
    """
    place, columns = facts.places[position], dict(facts.dimensions[position])
    at, now = facts.times[position], clock.now()
    entry = Entry(place.customer_id, fact.meter, fact.key, True, fact.quantity, at, now, columns)

    try:
        decision = book_fact(current, place.slots.meter, entry)
    except IdempotencyMismatchError as error:
        return Recorded("refused", error)

    return _KNOWN if decision.replayed else _BOOKED


@dataclasses.dataclass(slots=True)
class _Series:
    """The uses of one meter that have a customer and the dimensions of daily sums in common.

    :param by: those dimensions, with the member who acts.
    :param latest: the place of the fact before. Most come in the order they happened.
    """

    customer_id: int
    meter: Meter
    by: tuple[str | None, ...]
    member: str | None
    places: dict[date, list[Place]] = dataclasses.field(default_factory=dict)
    latest: Place | None = None


class _Desk:
    """Checks the facts of one batch, and finds where they belong."""

    def __init__(self, current: BillingState) -> None:
        self.now = clock.now()
        #: Those that are right, each key once.
        self.facts = Facts()
        self._current = current
        self._sheets: dict[int, Sheet] = {}
        #: By the identity of the customer, whose facts are all at hand.
        self._accounts: dict[int, tuple[int, str | None]] = {}
        self._members: set[tuple[int, str]] = set()
        #: By what facts tell, and by what that comes to.
        self._told: dict[tuple[object, ...], _Series] = {}
        self._series: dict[tuple[object, ...], _Series] = {}
        self._slots: dict[tuple[int, str, str | None], list[Slots]] = {}

    def take(self, fact: Fact) -> int | Recorded:
        """The fact's position among those to be booked, or what is wrong with it.

        One whose key came before has the position of the first.
        """
        try:
            check_quantity(fact.quantity)
            check_key(fact.key)
            columns = fact_columns(self._current, fact.dimensions)
            told = id(fact.customer), fact.meter, *map(columns.get, ROLLUP_KEYS)
            series = self._told.get(told) or self._begin(told, fact, columns)

            if fact.at is not None:
                at = checked_time(fact.at, self.now)
            else:
                at = self._sheet(series.customer_id).now(fact.meter, self.now)

            if series.member is not None:
                columns["member"] = series.member

            place = series.latest

            if place is None or not place.start <= at < place.end:
                place = self._place(series, at)
        except store.StoreDownError:
            raise
        except BillingError as error:
            return Recorded("refused", error)

        return self.facts.add(place, fact.key, fact.quantity, at, columns)

    def settle_generations(self) -> None:
        """Let all places of a meter go by the same counters, now that all have been read."""
        for (customer_id, _, _), every in self._slots.items():
            for slots in every:
                self._sheet(customer_id).renumber(slots)

    def leave(self) -> None:
        """Let the next calls read limits and counters again."""
        for customer_id in self._sheets:
            forget(customer_id)

    def _begin(self, told: tuple[object, ...], fact: Fact, columns: dict[str, t.Any]) -> _Series:
        """The series of the first fact that tells this, whose meter and member may be wrong."""
        meter = find_meter(self._current, fact.meter)
        customer_id, acting = self._account(fact.customer)
        *by, member = map(columns.get, ROLLUP_KEYS)

        if member is None:
            member = acting
        else:
            self._check_member(member, fact.customer)

        new = _Series(customer_id, meter, (*by, member), member)
        found = self._series.setdefault((customer_id, meter.key, new.by), new)
        self._told[told] = found
        return found

    def _check_member(self, member: str, customer: Customer | None) -> None:
        """Ask the host about each member once."""
        key = id(customer), member

        if key not in self._members:
            check_member(self._current, member, customer)
            self._members.add(key)

    def _account(self, customer: Customer | None) -> tuple[int, str | None]:
        """The customer's id, and who acts."""
        found = self._accounts.get(id(customer))

        if found is None:
            customer_id = (
                current_customer_id(self._current) if customer is None else id_of(customer)
            )
            found = customer_id, current_member(self._current, customer)
            self._accounts[id(customer)] = found

        return found

    def _place(self, series: _Series, at: datetime) -> Place:
        places = series.places.setdefault(at.date(), [])
        found = next((place for place in places if place.start <= at < place.end), None)

        if found is None:
            slots = self._slots_at(series.customer_id, series.meter, at, series.member)
            found = Place(series.customer_id, slots, at.date(), series.by)
            places.append(found)

        series.latest = found
        return found

    def _sheet(self, customer_id: int) -> Sheet:
        """The customer's limits and counters, read once for a batch."""
        if customer_id not in self._sheets:
            self._sheets[customer_id] = store.persistently(
                self._current, lambda: sheet_for(self._current, customer_id, fresh=True)
            )

        return self._sheets[customer_id]

    def _slots_at(self, customer_id: int, meter: Meter, at: datetime, member: str | None) -> Slots:
        """The slots of a moment."""
        for owner in (None, member or ""):
            for known in self._slots.get((customer_id, meter.key, owner), ()):
                if known.fit(at):
                    return known

        sheet = self._sheet(customer_id)
        read, slots = slots_for(self._current, sheet, meter, at, member)

        if read is not sheet:  # afresh, and without what earlier facts had looked back for
            read.recall(sheet)
            self._sheets[customer_id] = read

        owner = member or "" if slots.by_member else None
        self._slots.setdefault((customer_id, meter.key, owner), []).append(slots)
        return slots
