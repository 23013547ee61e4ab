"""Usage from a file, CSV or JSON lines: each line is a fact with a key of its own.

A file may be imported again and again: what was booked is not booked twice.
"""

from __future__ import annotations

import collections.abc as c
import csv
import dataclasses
import itertools
import json
import typing as t
from datetime import UTC, datetime

import sqlalchemy as sa

from ..errors import InvalidUsageError, MeteringUnavailableError
from ..models import Customer
from ..state import state
from .bulk import BATCH, Fact, Recorded, record_many
from .dimensions import COUNTS, Dimensions, is_storable

Row = dict[str, t.Any]

_NEEDED: t.Final = ("owner_type", "owner_id", "meter", "quantity", "key")
_NUMBERS: t.Final = (*COUNTS, "prompt_tokens", "completion_tokens", "total_tokens", "quantity")
_DISABLED: t.Final = "Usage is disabled just now. The line is not in the books. Import it again."


@dataclasses.dataclass(frozen=True, slots=True)
class Line:
    """One line of a file and what became of it.

    :param number: from 1, as an editor shows it.
    :param booked: False where it was booked before, or ``error`` says why not at all.
    """

    number: int
    booked: bool
    error: str | None = None


def import_usage(lines: c.Iterable[str], *, json_lines: bool) -> c.Iterator[Line]:
    """Book the facts of a file, and tell line by line what became of them.

    Needed are owner_type, owner_id, meter, quantity and key; ``at`` (UTC unless it says more)
    and every dimension may follow. A wrong line is told and the others are booked.
    """
    customers: dict[tuple[str, str], Customer | None] = {}
    read = _json(lines) if json_lines else _csv(lines)

    while batch := list(itertools.islice(read, BATCH)):
        yield from _book(batch, customers)


def _csv(lines: c.Iterable[str]) -> c.Iterator[tuple[int, Row | str]]:
    reader = csv.DictReader(lines, restkey="")

    try:
        for row in reader:
            if "" in row:
                yield reader.line_num, "The line has more cells than the first. Nothing was booked."
            else:
                yield reader.line_num, {name: cell for name, cell in row.items() if cell}
    except csv.Error as error:
        yield reader.line_num, f"This is no CSV ({error}). Nothing more was booked."


def _json(lines: c.Iterable[str]) -> c.Iterator[tuple[int, Row | str]]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue

        try:
            found = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield number, f"This is no JSON ({error}). Nothing was booked."
            continue

        yield number, found if isinstance(found, dict) else "This is no object. Nothing was booked."


def _book(
    batch: c.Sequence[tuple[int, Row | str]], customers: dict[tuple[str, str], Customer | None]
) -> c.Iterator[Line]:
    read: list[Fact | InvalidUsageError] = []

    for _, row in batch:
        try:
            read.append(_fact(row, customers))
        except InvalidUsageError as error:
            read.append(error)

    facts = [one for one in read if isinstance(one, Fact)]

    try:
        recorded = iter(record_many(facts))
    except MeteringUnavailableError as error:
        recorded = itertools.repeat(Recorded("refused", error))

    for (number, _), one in zip(batch, read, strict=True):
        yield _line(number, next(recorded) if isinstance(one, Fact) else Recorded("refused", one))


def _line(number: int, found: Recorded) -> Line:
    if found.state == "disabled":
        return Line(number, booked=False, error=_DISABLED)

    return Line(number, found.state == "booked", None if found.error is None else str(found.error))


def _fact(row: Row | str, customers: dict[tuple[str, str], Customer | None]) -> Fact:
    if isinstance(row, str):
        raise InvalidUsageError(row)

    missing = [name for name in _NEEDED if row.get(name) in (None, "")]

    if missing:
        raise InvalidUsageError(
            f"{', '.join(missing)} must be given. Nothing was booked. The key is what keeps a "
            "second import from booking the line again."
        )

    said = {name: _read(name, value) for name, value in row.items() if value is not None}
    owner = str(said.pop("owner_type")), str(said.pop("owner_id"))
    meter, quantity, key = str(said.pop("meter")), said.pop("quantity"), str(said.pop("key"))
    at = _moment(said.pop("at", None))

    if owner not in customers:
        customers[owner] = _customer(*owner)

    customer = customers[owner]

    if customer is None:
        raise InvalidUsageError(f"There is no customer {owner[0]} {owner[1]}. Nothing was booked.")

    return Fact(meter, quantity, key, customer, at, t.cast("Dimensions", said))


def _read(name: str, value: t.Any) -> t.Any:
    """A cell of a CSV file as what it stands for; JSON says so itself."""
    if not isinstance(value, str) or name not in (*_NUMBERS, "extra"):
        return value

    try:
        return json.loads(value) if name == "extra" else int(value)
    except (ValueError, RecursionError):
        return value  # told by the checks of a booking, as any other mistake


def _moment(text: object) -> datetime | None:
    if text is None:
        return None

    try:
        found = datetime.fromisoformat(str(text))
    except ValueError as error:
        raise InvalidUsageError(
            f"{text!r} is no time, as 2026-11-20T10:00. Nothing was booked."
        ) from error

    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _customer(owner_type: str, owner_id: str) -> Customer | None:
    if not (is_storable(owner_type) and is_storable(owner_id)):
        return None

    found: Customer | None = state().db.session.scalar(
        sa.select(Customer).where(Customer.owner_type == owner_type, Customer.owner_id == owner_id)
    )
    return found
