"""An event on its way into the books, and what became of it."""

from __future__ import annotations

import collections.abc as c
import dataclasses
import enum
import typing as t
from datetime import datetime

from .slots import Slots
from .store import Formats

#: Bucket -> units used, held, and of both covered by credits, after a booking.
Counters = dict[str, tuple[int, int, int]]


@dataclasses.dataclass(slots=True)
class Entry:
    """One event to be booked.

    :param quantity: smallest units, signed.
    :param keyed: whether the key is the caller's, so that it may have been booked before.
    :param columns: further columns of the event, ready for the driver.
    :param uses: what it adds to the number of uses: 1, or -1 for a use taken back.
    """

    customer_id: int
    meter: str
    key: str
    keyed: bool
    quantity: int
    at: datetime
    recorded_at: datetime
    columns: dict[str, object]
    uses: int = 1

    @property
    def member(self) -> str | None:
        """Who used it."""
        return t.cast("str | None", self.columns.get("member"))


class Outcome(enum.Enum):
    """What became of an entry."""

    BOOKED = 1
    REPLAYED = 2
    #: A guard refused, or a counter was missing. Nothing was written.
    REFUSED = 3


@dataclasses.dataclass(slots=True)
class Result:
    """What became of an entry, and the counters it left."""

    outcome: Outcome
    counters: Counters
    #: Units that were taken from credits.
    credits: int = 0


REPLAYED: t.Final = Result(Outcome.REPLAYED, {})
REFUSED: t.Final = Result(Outcome.REFUSED, {})


def event_parameters(
    form: Formats, entry: Entry, columns: c.Mapping[str, object]
) -> dict[str, object]:
    """The parameters of an entry's event and daily sum.

    :param columns: those of the entry, with what the event says of where it is counted.
    """
    occurred_at = form.time(entry.at)
    same = entry.at is entry.recorded_at
    return {
        "customer_id": entry.customer_id,
        "meter": entry.meter,
        "key": entry.key,
        "quantity": entry.quantity,
        "occurred_at": occurred_at,
        "recorded_at": occurred_at if same else form.time(entry.recorded_at),
        "day": form.day(entry.at.date()),
        "events": entry.uses,
        **columns,
    }


def parameters_of(
    form: Formats,
    slots: Slots,
    entry: Entry,
    columns: c.Mapping[str, object],
    rooms: c.Sequence[int],
) -> dict[str, object]:
    """The parameters of an entry, its counters and their guards."""
    parameters = event_parameters(form, entry, columns)
    parameters["generation"] = slots.generation.number

    for index, slot in enumerate(slots.every):
        parameters[f"bucket{index}"] = slot.bucket.key
        parameters[f"room{index}"] = rooms[index]

    return parameters


def remember(slots: Slots, counters: Counters) -> None:
    """Let the slots know what a booking left in the counters."""
    for slot in slots.every:
        found = counters.get(slot.bucket.key)

        if found is not None:
            slot.saw(*found)


def counters_of(rows: c.Iterable[t.Any]) -> Counters:
    """Counters as an UPDATE returned them."""
    return {bucket: (used, reserved, credited) for bucket, used, reserved, credited in rows}
