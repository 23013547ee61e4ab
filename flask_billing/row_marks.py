"""What tells a row of ours from one of the same number in another database.

Several apps may share one Stripe account, and a database that is made anew counts from 1 again.
So where Stripe is told of a row, the moment it was created goes with its number.
"""

from __future__ import annotations

import collections.abc as c
import typing as t
from datetime import UTC, datetime

#: Keys of the metadata that says whose an object at Stripe is.
CUSTOMER: t.Final = "billing_customer"
SINCE: t.Final = "billing_customer_since"
#: Key of a subscription's metadata: from when on its pause holds, in Unix seconds.
PAUSE_FROM: t.Final = "billing_pause_from"


class Row(t.Protocol):
    """A row with a number and the moment it was created."""

    @property
    def id(self) -> int:
        """Its number, unique in one database only."""

    @property
    def created_at(self) -> datetime:
        """When it was created, to the microsecond."""


def idempotency_key(row: Row, kind: str, attempt: int) -> str:
    """The key of a request that is made of this row: the same for every repeat."""
    return f"fb:{kind}:{row.id}:{_moment(row.created_at)}:{attempt}"


def unmistakable(row: Row) -> str:
    """A row's number, and what tells it from that of another database."""
    return f"{row.id}@{_moment(row.created_at)}"


def reference(row: Row) -> str:
    """What a customer may quote of it, as ``20261130-17``."""
    return f"{row.created_at.astimezone(UTC):%Y%m%d}-{row.id}"


def customer_metadata(customer: Row) -> dict[str, str]:
    """Metadata by which what belongs to a customer is found again."""
    return {CUSTOMER: str(customer.id), SINCE: _moment(customer.created_at)}


def is_foreign(metadata: c.Mapping[str, str], created_at: datetime) -> bool:
    """Whether metadata means the customer of that number in another database.

    What hosts write themselves need not say since when the customer is one.
    """
    return metadata.get(SINCE, (ours := _moment(created_at))) != ours


def _moment(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y%m%dT%H%M%S.%fZ}"
