"""Putting an event right. Events are never changed: a correction is another one beside it."""

from __future__ import annotations

import typing as t

import sqlalchemy as sa

from .. import clock, database
from ..errors import InvalidUsageError
from ..models import Customer, UsageEvent
from ..owners import id_of
from ..state import BillingState, state
from . import store, taking_back
from .accounts import current_customer_id
from .entries import Entry
from .inputs import (
    MOST_CORRECTIONS,
    check_quantity,
    correction_keys,
    find_meter,
    refund_key,
)
from .sheets import forget

_KEPT: t.Final = ("member", "provider", "model", "endpoint")
#: Facts that a whole reversal takes back too.
_TAKEN_BACK: t.Final = (
    "input_tokens", "output_tokens", "cached_tokens",
    "cost_prompt", "cost_completion", "cost_cached", "cost_total", "cost_saved",
)  # fmt: skip


def correct(
    event: str | int,
    quantity: int | None = None,
    *,
    reason: str,
    actor: str,
    meter: str | None = None,
    customer: Customer | None = None,
) -> int:
    """Take an event back, or put another quantity in its place.

    The correction lands in the counters that count the event it corrects, and on the same day.
    Taking back gives credits back too, with tokens and cost; another quantity leaves those as
    they were. What was taken back stays so.

    :param event: its key, or its id.
    :param quantity: what it should have been; None takes all of it back.
    :param actor: who decided it; kept on the correction, with the ``reason``.
    :param meter: needed where a key was used on several meters.
    :param customer: whose event; None is the signed-in owner's.
    :returns: units the books changed by; 0 where they said so already.
    :raises InvalidUsageError: for an event that is not there, or cannot be corrected so.
    """
    if not reason.strip() or not actor.strip():
        raise InvalidUsageError("A correction says who made it and why. Nothing was changed.")

    if quantity is not None:
        check_quantity(quantity)

    current = state()
    customer_id = id_of(customer) if customer is not None else current_customer_id(current)

    for _ in range(MOST_CORRECTIONS):
        found, related = _read(current, customer_id, event, meter)
        net = found.quantity + sum(related.values())
        taken_back = refund_key(found.idempotency_key)

        if taken_back in related:
            if quantity is None:
                return 0

            raise InvalidUsageError(
                f"The event {event!r} was taken back. Nothing was changed. Record a new one."
            )

        change: int = (quantity or 0) - net

        if change == 0:
            return 0

        if quantity is not None and len(related) == MOST_CORRECTIONS:
            break

        key = taken_back if quantity is None else correction_keys(found.id)[len(related)]
        entry = _entry(current, found, key, change, reason, actor, whole=quantity is None)
        booked: int | None = change

        if quantity is None:
            booked = taking_back.take_back(current, entry, found.idempotency_key)
        elif not taking_back.book_beside(current, entry, found.id, related):
            booked = None

        if booked is not None:
            forget(customer_id)
            return booked

    raise InvalidUsageError(
        f"The event {event!r} was corrected too often. Nothing was changed. Take it back and "
        "record a new one."
    )


def _read(
    current: BillingState, customer_id: int, event: str | int, meter: str | None
) -> tuple[t.Any, dict[str, int]]:
    """The event, and the quantities of its corrections by key."""
    mine = UsageEvent.customer_id == customer_id
    one = UsageEvent.id == event if isinstance(event, int) else UsageEvent.idempotency_key == event
    columns = UsageEvent.__table__.c
    statement = sa.select(*columns).where(mine, one)

    if meter is not None:
        find_meter(current, meter)
        statement = statement.where(UsageEvent.meter == meter)

    def attempt() -> tuple[list[t.Any], dict[str, int]]:
        with database.reading() as connection:
            rows = list(connection.execute(statement.limit(2)))

            if len(rows) != 1:
                return rows, {}

            return rows, taking_back.corrections_of(connection, rows[0])

    rows, related = store.persistently(current, attempt)

    if len(rows) != 1 or rows[0].quantity < 0 or rows[0].idempotency_key.startswith("correction:"):
        several = "was used on several meters: pass meter=" if len(rows) > 1 else "cannot be found"
        why = several if len(rows) != 1 else "is a correction itself"
        raise InvalidUsageError(f"The event {event!r} {why}. Nothing was changed.")

    return rows[0], related


def _entry(
    current: BillingState,
    found: t.Any,
    key: str,
    change: int,
    reason: str,
    actor: str,
    *,
    whole: bool,
) -> Entry:
    columns = {name: getattr(found, name) for name in _KEPT}

    if whole:
        columns |= {"run": found.run, "phase": found.phase}
        columns |= {
            name: -getattr(found, name) for name in _TAKEN_BACK if getattr(found, name) is not None
        }

    columns["extra"] = store.formats(current).json(
        {"corrects": found.id, "reason": reason, "actor": actor}
    )
    said = {name: value for name, value in columns.items() if value is not None}
    uses = -1 if whole else 0
    return Entry(found.customer_id, found.meter, key, True, change, found.occurred_at,
                 clock.now(), said, uses)  # fmt: skip
