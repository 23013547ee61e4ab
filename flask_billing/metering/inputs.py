"""What callers pass, checked before anything is booked: meters, amounts, keys, times, facts."""

from __future__ import annotations

import hashlib
import os
import time
import typing as t
from datetime import UTC, datetime

from ..catalog import Meter
from ..catalog_values import LARGEST as LARGEST
from ..errors import InvalidUsageError
from ..models import Customer
from ..state import BillingState
from . import store
from .accounts import check_member, current_member
from .dimensions import Dimensions, columns, is_storable

#: Most corrections of one event.
MOST_CORRECTIONS: t.Final = 100
_LONGEST_KEY: t.Final = 255
_EARLIEST: t.Final = datetime(1970, 1, 1, tzinfo=UTC)


def find_meter(current: BillingState, key: str) -> Meter:
    """The meter of that key.

    :raises InvalidUsageError: with the meters there are.
    """
    meters: dict[str, Meter] | None = current.caches.get("metering.meters")

    if meters is None:
        meters = {meter.key: meter for meter in current.catalog.meters}
        current.caches["metering.meters"] = meters

    found = meters.get(key)

    if found is None:
        known = ", ".join(meters) or "none"
        raise InvalidUsageError(
            f"The catalog has no meter {key!r}. It has: {known}. Nothing was booked. "
            "Add the meter to the catalog, or correct the name."
        )

    return found


def check_quantity(quantity: int) -> None:
    """Refuse what is no amount.

    :raises InvalidUsageError: for anything but a whole number from 1.
    """
    if type(quantity) is not int or not 0 < quantity <= LARGEST:
        raise InvalidUsageError(
            f"The quantity {quantity!r} is not a whole number from 1 to {LARGEST}. "
            "Nothing was booked. Count in the meter's smallest unit."
        )


def check_key(key: str) -> None:
    """Refuse what is no idempotency key.

    :raises InvalidUsageError: for anything but a text of 1 to 255 characters.
    """
    if not isinstance(key, str) or not 0 < len(key) <= _LONGEST_KEY or not is_storable(key):
        raise InvalidUsageError(
            f"An idempotency key is a text of 1 to {_LONGEST_KEY} characters, none of them NUL or "
            "half of a surrogate pair. Nothing was booked."
        )


def checked_time(at: datetime, now: datetime) -> datetime:
    """When a fact happened, in UTC.

    :raises InvalidUsageError: for a time without a zone, in the future or before 1970.
    """
    if not isinstance(at, datetime) or at.tzinfo is None or not _EARLIEST <= at <= now:
        raise InvalidUsageError(
            f"{at!r} is no time a fact can have: pass an aware time since 1970 that is not in the "
            "future. Nothing was booked."
        )

    return at if at.tzinfo is UTC else at.astimezone(UTC)


def new_key() -> str:
    """A key nobody else has. It begins with the time, so that an index grows at one end."""
    return f"{time.time_ns():016x}{os.urandom(8).hex()}"


def refund_key(key: str) -> str:
    """The key under which a booking is taken back, always the same for one booking."""
    return _derived("refund", key)


def correction_keys(event_id: int) -> list[str]:
    """The keys of an event's corrections, in the order they are used."""
    return [f"correction:{event_id}:{number}" for number in range(1, MOST_CORRECTIONS + 1)]


def settle_key(key: str) -> str:
    """The key of the event that a reservation becomes."""
    return _derived("settle", key)


def fact_columns(current: BillingState, dimensions: Dimensions) -> dict[str, object]:
    """The dimensions of a use as the driver takes them.

    :raises InvalidUsageError: for dimensions that are none, or that cannot be stored.
    """
    found = columns(dimensions)

    if "extra" in found:
        extra = t.cast("dict[str, object]", found["extra"])

        try:
            found["extra"] = store.formats(current).json(extra)
        except (TypeError, ValueError, RecursionError) as error:
            raise InvalidUsageError(
                f"extra cannot be written as JSON ({error}). Nothing was booked. Pass texts, "
                "finite numbers, and lists and mappings of these."
            ) from error

    return found


def event_columns(
    current: BillingState, dimensions: Dimensions, customer: Customer | None
) -> dict[str, object]:
    """The same, with the member who acts.

    :param customer: whose use it is; None is the signed-in owner's.
    :raises InvalidUsageError: for dimensions that are none, or a member of somebody else.
    """
    found = fact_columns(current, dimensions)
    check_member(current, found.get("member"), customer)

    if "member" not in found and (member := current_member(current, customer)) is not None:
        found["member"] = member

    return found


def _derived(purpose: str, key: str) -> str:
    whole = f"{purpose}:{key}"

    if len(whole) <= _LONGEST_KEY:
        return whole

    return f"{purpose}:{hashlib.sha256(key.encode()).hexdigest()}"
