"""The books, for many facts in one transaction: each event once, its counters and sums with it."""

from __future__ import annotations

import collections.abc as c
import itertools
import typing as t
from datetime import datetime

import sqlalchemy as sa

from .. import database, outbox, prepared
from ..state import BillingState
from . import bulk_statements, notices, opening, store
from .allotment import shortage
from .bulk_facts import CounterKey, Facts, Place
from .slots import Terms
from .statements import COUNTER_KEY, EVENT_KEY, ROLLUP_KEYS, ROLLUP_SUMS, Statement

#: Events that one statement lists. Few sizes, so that few statements are compiled.
_SIZES: t.Final = (250, 50, 10, 1)
_SUMMED: t.Final = frozenset(ROLLUP_SUMS)


#: What became of a fact: booked now, the quantity its key was booked with before, or left out.
Outcome = t.Literal[True] | int | None


def book_all(current: BillingState, facts: Facts, recorded_at: datetime) -> list[Outcome]:
    """Book facts in full, in one transaction; what became of each.

    Those that would have to be taken from credits are left out: each takes from grants on its
    own.

    :raises OutdatedError: nothing was booked; find the places anew.
    """
    form = store.formats(current)
    noted: list[outbox.Written] = []

    def attempt() -> list[Outcome]:
        with database.transaction() as connection:
            books = _Books(connection, form, recorded_at)
            taken = books.lock(facts)
            known = books.write_events(taken)
            noted[:] = books.add_up(taken, known)

        outcomes: list[Outcome] = [True] * len(taken.keys)

        for position, quantity in known.items():
            outcomes[position] = quantity

        if taken is facts:
            return outcomes

        by_key = dict(zip(taken.event_keys(), outcomes, strict=True))
        return [by_key.get(key) for key in facts.event_keys()]

    booked = store.persistently(current, attempt)

    if noted and not store.joins_session(current):
        outbox.dispatch(noted)

    return booked


class _Books:
    """The tables, inside a transaction."""

    def __init__(
        self, connection: sa.Connection, form: store.Formats, recorded_at: datetime
    ) -> None:
        self._connection, self._form, self._recorded_at = connection, form, recorded_at

    def lock(self, facts: Facts) -> Facts:
        """Lock all counters, opening those that are not, and leave out what needs credits."""
        times = {
            place: [facts.times[position] for position in positions]
            for place, positions in facts.by_place.items()
        }
        self._open({place: min(of_place) for place, of_place in times.items()})
        counters: dict[CounterKey, tuple[datetime, int]] = {}

        for place, of_place in times.items():
            last = max(of_place)

            for slot in place.slots.every:
                key = place.counter(slot)
                known = counters.get(key, (last, 0))[0]
                counters[key] = max(last, known), place.slots.generation.number

        found = self._lock(counters)

        if len(found) < len(counters):
            raise opening.OutdatedError

        short = self._short_of(facts, found)
        return facts.without(short) if short else facts

    def _open(self, places: c.Mapping[Place, datetime]) -> None:
        """Open the counters that are not open yet, one account after the other.

        :param places: each with its first moment.
        """
        waiting = [place for place in places if place.slots.unopened or place.slots.is_dated]
        by_account = sorted(waiting, key=lambda place: place.account)

        for _, group in itertools.groupby(by_account, key=lambda place: place.account):
            mine = list(group)
            slots, customer_id = mine[0].slots, mine[0].customer_id

            if any(place.slots.generation != slots.generation for place in mine):
                raise opening.OutdatedError

            missing = {
                slot.bucket.key: (place, slot) for place in mine for slot in place.slots.unopened
            }
            at = min(places[place] for place in mine)
            since = min([at, *(slot.bucket.start or opening.NEVER for _, slot in missing.values())])
            opening.agree(self._connection, self._form, slots, customer_id, at, since)

            for _, (place, slot) in sorted(missing.items()):
                opening.open_slot(
                    self._connection,
                    self._form,
                    place.slots,
                    slot,
                    customer_id,
                    place.member,
                    places[place],
                )

    def write_events(self, facts: Facts) -> dict[int, int]:
        """Write the events that are not there yet; position and quantity of those that are.

        The statement knows of other processes what no look beforehand would.
        """
        if not facts.keys:
            return {}

        alike, columns = self._events(facts)
        write = self._write_listed if self._form.sqlite else self._write_arrays
        return {
            facts.by_key[customer_id, meter][key]: quantity
            for customer_id, meter, key, quantity in write(facts, alike, columns)
        }

    def _write_arrays(
        self, facts: Facts, alike: dict[str, object], columns: bulk_statements.Columns
    ) -> c.Sequence[t.Any]:
        """Write events, and read the keys that were there before, with their quantities."""
        statement = bulk_statements.events(self._form.dialect, tuple(alike), tuple(columns))
        written = set(map(tuple, self._run(statement, columns, alike)))
        known = [key for key in facts.event_keys() if key not in written]

        if not known:
            return ()

        return self._run(bulk_statements.known(self._form.dialect), _columns(EVENT_KEY, known))

    def _write_listed(
        self, facts: Facts, alike: dict[str, object], columns: bulk_statements.Columns
    ) -> c.Sequence[t.Any]:
        """The same for SQLite, where nobody else writes meanwhile: new events have later ids."""
        ((last,),) = prepared.run(self._connection, bulk_statements.LAST_EVENT, (), returns=True)
        rows = itertools.chain.from_iterable(zip(*columns.values(), strict=True))
        same, total = tuple(alike.values()), len(facts.keys)
        known: list[t.Any] = []
        start = 0

        while start < total:
            size = next(size for size in _SIZES if size <= total - start)
            sql = bulk_statements.listed_events(tuple(alike), tuple(columns), size)
            values = (*same, *itertools.islice(rows, size * len(columns)))

            if prepared.run(self._connection, sql, values, returns=False) < size:
                keys = itertools.chain.from_iterable(facts.event_keys(start, start + size))
                asked = bulk_statements.listed_known(size), (*keys, last)
                known += prepared.run(self._connection, *asked, returns=True)

            start += size

        return known

    def _events(self, facts: Facts) -> tuple[dict[str, object], bulk_statements.Columns]:
        """What all events say alike, and the columns of what each says by itself."""
        alike: dict[str, object] = {"recorded_at": self._form.time(self._recorded_at)}
        columns: bulk_statements.Columns = {}
        marks = [place.marks for place in facts.by_place]

        for name in bulk_statements.MARKS:
            if len({of_place[name] for of_place in marks}) == 1:
                alike[name] = marks[0][name]
            else:
                columns[name] = [place.marks[name] for place in facts.places]

        columns["idempotency_key"] = facts.keys
        columns["occurred_at"] = self._form.times(facts.times)
        columns["quantity"] = facts.quantities

        for name in sorted(set().union(*facts.dimensions)):
            columns[name] = [said.get(name) for said in facts.dimensions]

        return alike, columns

    def add_up(self, facts: Facts, known: c.Container[int]) -> list[outbox.Written]:
        """Add new events to their counters and daily sums; the notices of what that crossed.

        :param known: positions of those that are not new.
        """
        sums = _sums(facts, known)

        if not sums:
            return []

        self._run(bulk_statements.rollup(self._form.dialect), _rollups(sums), returns=False)
        added, unbilled, terms = _counters(sums)
        keys = sorted(added)
        columns = _columns(COUNTER_KEY, keys)
        columns["used_by"] = [added[key] for key in keys]
        columns["unbilled_by"] = [unbilled[key] for key in keys]
        columns["plan"] = [terms[key].plan for key in keys]
        columns["included"] = [terms[key].limit for key in keys]
        columns["bills_from"] = [terms[key].bills_from for key in keys]
        changed = self._run(bulk_statements.change(self._form.dialect), columns)
        after = {(row[0], row[1], row[2]): (row[3], row[5]) for row in changed}
        return self._notices(sums, added, after)

    def _notices(
        self,
        sums: c.Iterable[Place],
        added: dict[CounterKey, int],
        after: dict[CounterKey, tuple[int, int]],
    ) -> list[outbox.Written]:
        written: list[outbox.Written] = []
        places = {id(place.slots): place for place in sums}

        for place in places.values():
            keys = {slot.bucket.key: place.counter(slot) for slot in place.slots.every}
            counted = {
                slot.bucket.key: used - slot.lifted(credited)
                for slot in place.slots.every
                for used, credited in [after[place.counter(slot)]]
            }
            written += notices.note_crossings(
                self._connection,
                place.customer_id,
                place.slots,
                {bucket: counted[bucket] - added[key] for bucket, key in keys.items()},
                counted,
            )

        return written

    def _lock(
        self, times: dict[CounterKey, tuple[datetime, int]]
    ) -> dict[CounterKey, tuple[int, int, int]]:
        keys = sorted(times)
        columns = _columns(COUNTER_KEY, keys)
        columns["occurred_at"] = [self._form.time(times[key][0]) for key in keys]
        columns["generation"] = [times[key][1] for key in keys]
        rows = self._run(bulk_statements.lock(self._form.dialect), columns)
        return {(row[0], row[1], row[2]): (row[3], row[4], row[5]) for row in rows}

    def _short_of(
        self, facts: Facts, counters: dict[CounterKey, tuple[int, int, int]]
    ) -> set[tuple[int, str]]:
        """The accounts with credits that go beyond what is included."""
        places = [
            place
            for place in facts.by_place
            if place.slots.credits > 0 and place.slots.hold(self._recorded_at)
        ]
        short = set()

        for place in places:
            belongs = [one.account == place.account for one in facts.places]
            wanted = sum(itertools.compress(facts.quantities, belongs))

            for slot in place.slots.every:
                slot.saw(*counters[place.counter(slot)])

            if shortage(place.slots, wanted) > 0:
                short.add(place.account)

        return short

    def _run(
        self,
        statement: Statement,
        columns: bulk_statements.Columns,
        alike: c.Mapping[str, object] | None = None,
        *,
        returns: bool = True,
    ) -> c.Sequence[t.Any]:
        bound = bulk_statements.bind(self._form.dialect, statement, columns, alike or {})
        found = prepared.run(self._connection, statement.sql, bound, returns=returns)
        return t.cast("c.Sequence[t.Any]", found) if returns else ()


_Sums = dict[Place, dict[str, int]]


def _sums(facts: Facts, known: c.Container[int]) -> _Sums:
    """What new events come to, by place."""
    sums: _Sums = {}

    for place, positions in facts.by_place.items():
        new = [position for position in positions if position not in known]
        dimensions = [facts.dimensions[position] for position in new]

        if new:
            quantity = sum([facts.quantities[position] for position in new])
            sums[place] = {"events": len(new), "quantity": quantity}

            for name in _SUMMED & set().union(*dimensions):
                sums[place][name] = sum([said.get(name, 0) for said in dimensions])

    return sums


def _rollups(sums: _Sums) -> bulk_statements.Columns:
    # In one order, so that two batches wait for one another and not in a circle.
    places = sorted(sums, key=lambda place: (*place.account, place.day, str(place.by)))
    merged: dict[tuple[object, ...], dict[str, int]] = {}

    for place in places:  # a day on which a period ends has several places
        into = merged.setdefault((*place.account, str(place.day), *place.by), {})

        for name, value in sums[place].items():
            into[name] = into.get(name, 0) + value

    columns: bulk_statements.Columns = {
        "customer_id": [key[0] for key in merged],
        "meter": [key[1] for key in merged],
        "day": [key[2] for key in merged],
    }

    for index, name in enumerate(ROLLUP_KEYS, 3):
        columns[name] = [key[index] or "" for key in merged]

    for name in ("events", "quantity", *ROLLUP_SUMS):
        columns[name] = [of_place.get(name, 0) for of_place in merged.values()]

    return columns


def _counters(
    sums: _Sums,
) -> tuple[dict[CounterKey, int], dict[CounterKey, int], dict[CounterKey, Terms]]:
    """What each counter grows by, how much of it is not billed, and the terms it is under."""
    added: dict[CounterKey, int] = {}
    unbilled: dict[CounterKey, int] = {}
    terms: dict[CounterKey, Terms] = {}

    for place, of_place in sums.items():
        for slot in place.slots.every:
            key = place.counter(slot)
            added[key] = added.get(key, 0) + of_place["quantity"]
            unbilled[key] = added[key] if slot.unbilled else 0
            terms[key] = place.slots.terms(slot)

    return added, unbilled, terms


def _columns(
    names: c.Sequence[str], rows: c.Iterable[c.Sequence[t.Any]]
) -> bulk_statements.Columns:
    return dict(zip(names, zip(*rows, strict=True), strict=True))
