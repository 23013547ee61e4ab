"""Repairing a row: the object is fetched and written as for a webhook about it."""

from __future__ import annotations

import collections.abc as c
import typing as t

from .. import sync
from ..database import transaction
from ..errors import (
    BillingError,
    StripeMisconfiguredError,
    StripeNotFoundError,
    StripeRateLimitedError,
    StripeUnreachableError,
    UnlinkedCustomerError,
)
from ..row_marks import CUSTOMER
from ..stripe_objects import StripeObject, reference
from .comparing import Compared, Row, differing, let_go, linked, rows_of
from .drift import Drift

#: What ends a walk, as the next request would meet it too.
_STRIPE_IS_AWAY: t.Final = (
    StripeUnreachableError,
    StripeRateLimitedError,
    StripeMisconfiguredError,
)


def compare(kind: Compared, page: c.Sequence[StripeObject]) -> c.Iterator[Drift]:
    """Compare a page of Stripe's list with our rows, and repair what differs.

    What belongs to a customer that nobody here is linked to is another app's, unless it bears
    the mark of a row of ours.
    """
    rows = rows_of(kind, [found["id"] for found in page])
    whose = {_customer(kind, found) for found in page} - {None}
    ours = linked(t.cast("set[str]", whose))
    # They end with their customer, of whose deletion alone we may have heard.
    orphans = let_go(rows.values()) if kind == "subscription" else set()

    for found in page:
        row = rows.get(found["id"])

        if row is None:
            marked = CUSTOMER in (found.get("metadata") or {})

            if kind != "customer" and (_customer(kind, found) in ours or marked):
                yield from _repair(kind, found["id"], None, ())
        elif (_customer(kind, found) in ours or row.get("customer_id") in orphans) and (
            fields := differing(kind, found, row)
        ):
            yield from _repair(kind, found["id"], row, fields)


def look_for(kind: Compared, stripe_id: str) -> c.Iterator[Drift]:
    """Ask Stripe for an object that it did not list, and repair our row by the answer."""
    before = rows_of(kind, [stripe_id]).get(stripe_id)

    if before is not None:
        yield from _repair(kind, stripe_id, before, None)


def _customer(kind: Compared, found: StripeObject) -> str | None:
    return reference(found if kind == "customer" else found.get("customer"))


def _repair(
    kind: Compared, stripe_id: str, before: Row | None, fields: tuple[str, ...] | None
) -> c.Iterator[Drift]:
    """Sync an object.

    :param fields: those that differ; None where that is still to be seen.
    """
    customer_id = _owner(kind, before)

    try:
        fetched = sync.pull(kind, stripe_id, action="Reconciling with Stripe")
    except UnlinkedCustomerError:
        return  # somebody else's after all
    except StripeNotFoundError:
        yield _gone(kind, stripe_id, customer_id, before)
        return
    except _STRIPE_IS_AWAY:
        raise
    except BillingError as error:
        yield Drift(kind, stripe_id, customer_id, fields or (), repaired=False, why=str(error))
        return

    found = t.cast("StripeObject", fetched[kind])

    if fields is None:
        fields = () if before is None else _changed(kind, found, before)

        if not fields:
            return

    after = rows_of(kind, [stripe_id]).get(stripe_id)
    left = ("stripe_id",) if after is None else differing(kind, found, after)

    if found.get("deleted"):  # a customer, whose row is let go of
        left = ()

    why = f"{', '.join(left)} still differ after a sync" if left else None
    yield Drift(
        kind, stripe_id, customer_id or _owner(kind, after), fields, repaired=not left, why=why
    )


def _changed(kind: Compared, found: StripeObject, before: Row) -> tuple[str, ...]:
    if found.get("deleted"):
        return ("stripe_id",)

    return differing(kind, found, before)


def _gone(kind: Compared, stripe_id: str, customer_id: int | None, before: Row | None) -> Drift:
    """A row of what Stripe does not know: a draft that was deleted, or another account's."""
    if kind == "invoice" and before is not None and before["status"] == "draft":
        with transaction() as connection:
            sync.forget_draft(connection, stripe_id)

        return Drift(kind, stripe_id, customer_id, ("status",))

    why = "Stripe does not know it. Was it made with another account's key, or in the other mode?"
    return Drift(kind, stripe_id, customer_id, repaired=False, why=why)


def _owner(kind: Compared, row: Row | None) -> int | None:
    if row is None:
        return None

    found: int = row["id"] if kind == "customer" else row["customer_id"]
    return found
