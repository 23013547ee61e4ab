"""Credits beside the plan's limits: top-ups, promotions and what rolled over."""

from __future__ import annotations

import collections.abc as c
import typing as t
from datetime import datetime

import sqlalchemy as sa

from .. import clock, database
from ..errors import IdempotencyMismatchError, InvalidUsageError
from ..models import CreditGrant, CreditUse, Customer
from ..owners import id_of
from ..state import state
from .inputs import check_quantity, find_meter
from .sheets import forget

Columns = t.TypeVarTuple("Columns")
#: Units by the id of the grant they are taken from.
Parts = dict[int, int]

_LONGEST_SOURCE: t.Final = 128
_LARGEST_PRIORITY: t.Final = 1_000_000


def grant_credits(
    customer: Customer,
    meter: str,
    amount: int,
    *,
    kind: t.Literal["topup", "promo"],
    source_key: str,
    actor: str,
    reason: str,
    priority: int = 100,
    starts_at: datetime | None = None,
    expires_at: datetime | None = None,
) -> CreditGrant:
    """Give a customer units beside the plan's. They are used when what is included is.

    Of several grants the lowest ``priority`` goes first, then what expires first. Flushes on
    ``db.session``; the caller commits.

    :param amount: smallest units of the meter.
    :param source_key: what they were given for, as an invoice's id; granting it again returns
        the first grant.
    :param actor: who decided it.
    :param starts_at: None is now.
    :param expires_at: when what is left is lost; None is never.
    :raises InvalidUsageError: for a grant that cannot be.
    :raises IdempotencyMismatchError: for a ``source_key`` that gave something else.
    """
    find_meter(state(), meter)
    check_quantity(amount)
    starts_at = starts_at or clock.now()
    _check_terms(kind, source_key, priority, starts_at, expires_at)

    if not actor.strip() or not reason.strip():
        raise InvalidUsageError("A grant says who gave it and why. Nothing was granted.")

    session = state().db.session
    values = {
        "customer_id": id_of(customer),
        "meter": meter,
        "kind": kind,
        "source_key": source_key,
        "amount": amount,
        "priority": priority,
        "starts_at": starts_at,
        "expires_at": expires_at,
        "actor": actor,
        "reason": reason,
        "created_at": clock.now(),
    }
    mint(session.connection(), values)
    found: CreditGrant = session.scalars(
        sa.select(CreditGrant)
        .where(
            CreditGrant.customer_id == id_of(customer),
            CreditGrant.meter == meter,
            CreditGrant.source_key == source_key,
        )
        .execution_options(populate_existing=True)
    ).one()

    if (found.kind, found.amount) != (kind, amount):
        raise IdempotencyMismatchError(
            f"{source_key!r} gave {found.amount} of {meter!r} as {found.kind} before, and now "
            f"{amount} as {kind}. Nothing was granted. Use a new source_key for a new grant."
        )

    forget(customer.id)
    return found


def credits_of(customer: Customer, meter: str | None = None) -> c.Sequence[CreditGrant]:
    """All grants a customer ever had, in the order they are used.

    :param meter: only those of this meter.
    """
    query = sa.select(CreditGrant).where(CreditGrant.customer_id == id_of(customer))

    if meter is not None:
        query = query.where(CreditGrant.meter == meter)

    found: c.Sequence[CreditGrant] = state().db.session.scalars(_in_order(query)).all()
    return found


def mint(connection: sa.Connection, values: c.Mapping[str, object]) -> bool:
    """Write a grant, unless its source gave one before. Says whether it is new."""
    inserted = connection.execute(
        database.insert(connection, CreditGrant)
        .values(used=0, reserved=0, **values)
        .on_conflict_do_nothing(index_elements=["customer_id", "meter", "source_key"])
        .returning(CreditGrant.id)
    )
    return inserted.first() is not None


def draw(
    connection: sa.Connection,
    customer_id: int,
    meter: str,
    needed: int,
    now: datetime,
    held: Parts | None = None,
) -> tuple[Parts, int]:
    """Find the grants that units are to be taken from, and lock them.

    :param held: what a reservation holds, which is used first and never expires.
    :returns: the units of each, and how many the customer had beside what was held.
    """
    parts: Parts = {}

    for grant_id, units in (held or {}).items():
        if needed > sum(parts.values()):
            parts[grant_id] = min(units, needed - sum(parts.values()))

    free = CreditGrant.amount - CreditGrant.used - CreditGrant.reserved
    query = sa.select(CreditGrant.id, free.label("free")).where(
        CreditGrant.customer_id == customer_id,
        CreditGrant.meter == meter,
        CreditGrant.starts_at <= now,
        sa.or_(CreditGrant.expires_at.is_(None), CreditGrant.expires_at > now),
        free > 0,
    )

    rows = connection.execute(_in_order(query).with_for_update()).all()

    for row in rows:
        wanted = needed - sum(parts.values())

        if wanted > 0:
            parts[row.id] = parts.get(row.id, 0) + min(row.free, wanted)

    return parts, sum([row.free for row in rows])


def spend(connection: sa.Connection, customer_id: int, meter: str, key: str, parts: Parts) -> None:
    """Take an event's units from grants; negative ones are given back."""
    for grant_id, units in sorted(parts.items()):
        connection.execute(
            sa.update(CreditGrant)
            .where(CreditGrant.id == grant_id)
            .values(used=CreditGrant.used + units)
        )

    if parts:
        connection.execute(
            sa.insert(CreditUse),
            [
                {
                    "grant_id": grant_id,
                    "customer_id": customer_id,
                    "meter": meter,
                    "idempotency_key": key,
                    "quantity": units,
                }
                for grant_id, units in sorted(parts.items())
            ],
        )


def hold(connection: sa.Connection, parts: Parts, sign: int = 1) -> None:
    """Hold units of grants for a reservation, or with ``sign`` -1 let them go."""
    for grant_id, units in sorted(parts.items()):
        connection.execute(
            sa.update(CreditGrant)
            .where(CreditGrant.id == grant_id)
            .values(reserved=CreditGrant.reserved + sign * units)
        )


def spent_by(connection: sa.Connection, customer_id: int, meter: str, key: str) -> Parts:
    """What an event took from grants."""
    rows = connection.execute(
        sa.select(CreditUse.grant_id, CreditUse.quantity).where(
            CreditUse.customer_id == customer_id,
            CreditUse.meter == meter,
            CreditUse.idempotency_key == key,
        )
    )
    return {row.grant_id: row.quantity for row in rows}


def _in_order(query: sa.Select[*Columns]) -> sa.Select[*Columns]:
    return query.order_by(
        CreditGrant.priority, CreditGrant.expires_at.asc().nulls_last(), CreditGrant.id
    )


def _check_terms(
    kind: str, source_key: str, priority: int, starts_at: datetime, expires_at: datetime | None
) -> None:
    if kind not in ("topup", "promo"):
        raise InvalidUsageError(
            f"{kind!r} is no kind of grant. Nothing was granted. Choose topup or promo."
        )

    if not isinstance(source_key, str) or not 0 < len(source_key) <= _LONGEST_SOURCE:
        raise InvalidUsageError(
            f"A grant's source_key is a text of 1 to {_LONGEST_SOURCE} characters. "
            "Nothing was granted."
        )

    if source_key.startswith("rollover:"):
        raise InvalidUsageError(
            "Source keys that begin with 'rollover:' are those of rollovers. Nothing was granted."
        )

    if type(priority) is not int or not 0 <= priority <= _LARGEST_PRIORITY:
        raise InvalidUsageError(
            f"The priority {priority!r} is not a whole number from 0 to {_LARGEST_PRIORITY}. "
            "Nothing was granted."
        )

    times = [starts_at] if expires_at is None else [starts_at, expires_at]

    aware = all(isinstance(time, datetime) and time.tzinfo is not None for time in times)

    if not aware or times != sorted(set(times)):
        raise InvalidUsageError(
            "A grant begins and expires at aware times, in this order. Nothing was granted."
        )
