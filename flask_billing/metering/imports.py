"""Usage from a file, CSV or JSON lines: each line is a fact with a key of its own.

A file may be imported again and again: what was booked is not booked twice.
"""

from __future__ import annotations

import collections.abc as c
import csv
import dataclasses
import json
import typing as t
from datetime import UTC, datetime

import sqlalchemy as sa

from ..errors import BillingError, InvalidUsageError
from ..models import Customer
from ..state import state
from .booking import record
from .dimensions import COUNTS

_NEEDED: t.Final = ("owner_type", "owner_id", "meter", "quantity", "key")
_NUMBERS: t.Final = (*COUNTS, "prompt_tokens", "completion_tokens", "total_tokens", "quantity")


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
    customers: dict[tuple[str, str], Customer] = {}

    for number, read in _json(lines) if json_lines else _csv(lines):
        try:
            if isinstance(read, str):
                raise InvalidUsageError(read)

            yield Line(number, _book(read, customers))
        except BillingError as error:
            yield Line(number, booked=False, error=str(error))


def _csv(lines: c.Iterable[str]) -> c.Iterator[tuple[int, dict[str, t.Any] | str]]:
    reader = csv.DictReader(lines, restkey="")

    try:
        for row in reader:
            if "" in row:
                yield reader.line_num, "The line has more cells than the first. Nothing was booked."
            else:
                yield reader.line_num, {name: cell for name, cell in row.items() if cell}
    except csv.Error as error:
        yield reader.line_num, f"This is no CSV ({error}). Nothing more was booked."


def _json(lines: c.Iterable[str]) -> c.Iterator[tuple[int, dict[str, t.Any] | str]]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue

        try:
            found = json.loads(line)
        except ValueError as error:
            yield number, f"This is no JSON ({error}). Nothing was booked."
            continue

        yield number, found if isinstance(found, dict) else "This is no object. Nothing was booked."


def _book(row: dict[str, t.Any], customers: dict[tuple[str, str], Customer]) -> bool:
    if "customer" in row:
        raise InvalidUsageError(
            "customer is no dimension of usage. Nothing was booked. Name the owner instead."
        )

    missing = [name for name in _NEEDED if row.get(name) in (None, "")]

    if missing:
        raise InvalidUsageError(
            f"{', '.join(missing)} must be given. Nothing was booked. The key is what keeps a "
            "second import from booking the line again."
        )

    said = {name: _number(name, value) for name, value in row.items() if value is not None}
    owner = str(said.pop("owner_type")), str(said.pop("owner_id"))
    meter, quantity, key = str(said.pop("meter")), said.pop("quantity"), str(said.pop("key"))
    at = _moment(said.pop("at", None))

    if owner not in customers:
        customers[owner] = _customer(*owner)

    decision = record(meter, quantity, key=key, at=at, customer=customers[owner], **said)

    if decision.reason in ("degraded", "disabled"):
        raise InvalidUsageError(
            f"Usage is {decision.reason} just now. The line is not in the books. Import it again."
        )

    return not decision.replayed


def _number(name: str, value: t.Any) -> t.Any:
    if name not in _NUMBERS or not isinstance(value, str):
        return value

    try:
        return int(value)
    except ValueError:
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


def _customer(owner_type: str, owner_id: str) -> Customer:
    found: Customer | None = state().db.session.scalar(
        sa.select(Customer).where(Customer.owner_type == owner_type, Customer.owner_id == owner_id)
    )

    if found is None:
        raise InvalidUsageError(
            f"There is no customer {owner_type} {owner_id}. Nothing was booked."
        )

    return found
