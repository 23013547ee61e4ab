"""Booking what was spooled while the store was down: each fact once, by its key."""

from __future__ import annotations

import dataclasses
import json
import typing as t
from datetime import UTC, datetime

import sqlalchemy as sa

from .. import clock
from ..errors import BillingError
from ..models import Customer
from ..owners import Owner
from ..state import BillingState, state
from . import other_catalogs, spool, store
from .booking import book_fact, log
from .entries import Entry
from .inputs import find_meter
from .sheets import sheet_for

#: Facts that one request books for others before it goes on.
_PER_REQUEST: t.Final = 50


@dataclasses.dataclass(slots=True)
class Replayed:
    """What became of the facts.

    :param booked: booked now.
    :param known: booked before, so nothing was done.
    :param rejected: can never be booked; kept beside the spool.
    :param left: of a meter or plan that another catalog may have; they stay in the spool.
    """

    booked: int = 0
    known: int = 0
    rejected: int = 0
    left: int = 0


def replay(most: int | None = None) -> Replayed:
    """Book what waits in the spool, into the periods it happened in.

    A fact keeps its key, so a replay that a crash cut short may be repeated.

    :param most: how many facts; None is all.
    :raises StoreDownError: where the store is still down. What was not booked stays.
    """
    current, result = state(), Replayed()

    with spool.taken(current) as lines:
        try:
            while len(lines) > result.left and (
                most is None or result.booked + result.known < most
            ):
                left = result.left
                _replay(current, lines[left], result)

                if store.joins_session(current):
                    current.db.session.commit()

                if result.left == left:
                    del lines[left]
        except sa.exc.OperationalError as error:
            raise store.StoreDownError(type(error).__name__) from error

    return result


def replay_some(current: BillingState) -> None:
    """Book a few of them within a request that could be counted itself."""
    if store.joins_session(current):  # the host may roll back what is booked there
        return

    try:
        result = replay(_PER_REQUEST)
    except Exception:
        log.exception("What was spooled could not be booked; it stays in the spool")
        return

    if result.booked + result.known == _PER_REQUEST:
        spool.look_again(current)

    if result.booked:
        log.warning("Booked %s facts that were spooled while the store was down", result.booked)


def _replay(current: BillingState, line: bytes, result: Replayed) -> None:
    fact = _read(line)

    if fact is None:
        if line:
            log.error("A line of the spool cannot be read: %r", line)
            _reject(current, line, result)

        return

    try:
        at = datetime.fromisoformat(fact.at).astimezone(UTC)
        customer_id = _customer_id(current, fact)
        facts = store.persistently(current, lambda: sheet_for(current, customer_id).snapshot.facts)

        if other_catalogs.leave(current.catalog, facts, fact.meter, at):
            result.left += 1
            return

        meter = find_meter(current, fact.meter)
        entry = Entry(
            customer_id,
            fact.meter,
            fact.key,
            True,
            fact.quantity,
            at,
            clock.now(),
            fact.columns,
        )
        decision = book_fact(current, meter, entry)
    except store.StoreDownError:
        raise
    except (BillingError, sa.exc.IntegrityError):  # no such meter or customer, another quantity
        log.exception("A fact of the spool can never be booked: %s", fact)
        _reject(current, line, result)
        return

    if decision.replayed:
        result.known += 1
    else:
        result.booked += 1


def _reject(current: BillingState, line: bytes, result: Replayed) -> None:
    spool.set_aside(current, line)
    result.rejected += 1


def _read(line: bytes) -> spool.Fact | None:
    try:
        return spool.Fact(**json.loads(line))
    except (ValueError, TypeError):
        return None


def _customer_id(current: BillingState, fact: spool.Fact) -> int:
    if fact.customer_id is not None:
        return fact.customer_id

    from ..customers import customer_for

    assert fact.owner is not None
    owner = Owner(*fact.owner)
    found: Customer = store.persistently(current, lambda: customer_for(owner))
    return found.id
