"""Rows beside Stripe's objects, by the columns the sync would write."""

from __future__ import annotations

import collections.abc as c
import typing as t

import sqlalchemy as sa

from .. import stripe_objects
from ..database import reading
from ..models import Customer, Invoice, PaymentMethod, Subscription
from ..stripe_objects import StripeObject
from ..sync import columns
from ..sync.plans import terms_of

Row = c.Mapping[str, t.Any]
#: Kinds of objects that have rows to be compared.
Compared = t.Literal["subscription", "invoice", "payment_method", "customer"]

MODELS: t.Final[dict[Compared, type[t.Any]]] = {
    "subscription": Subscription,
    "invoice": Invoice,
    "payment_method": PaymentMethod,
    "customer": Customer,
}
#: What the sync makes of when it looked, or of what was there before.
_NOT_COMPARED: t.Final = ("snapshot", "past_due_since", "last_plan")


def rows_of(kind: Compared, stripe_ids: c.Collection[str]) -> dict[str, Row]:
    """Our rows of some objects, by Stripe's id."""
    table = MODELS[kind].__table__

    with reading() as connection:
        found = connection.execute(sa.select(table).where(table.c.stripe_id.in_(stripe_ids)))
        return {row["stripe_id"]: dict(row) for row in found.mappings()}


def linked(stripe_customers: c.Collection[str]) -> set[str]:
    """Which of some Stripe customers are customers here, and still open."""
    with reading() as connection:
        return set(
            connection.scalars(
                sa.select(Customer.stripe_id).where(
                    Customer.stripe_id.in_(stripe_customers), Customer.closed_at.is_(None)
                )
            )
        )


def let_go(rows: c.Iterable[Row]) -> set[int]:
    """Which of some rows' customers were deleted at Stripe, and are still open here."""
    with reading() as connection:
        return set(
            connection.scalars(
                sa.select(Customer.id).where(
                    Customer.id.in_({row["customer_id"] for row in rows}),
                    Customer.stripe_id.is_(None),
                    Customer.closed_at.is_(None),
                )
            )
        )


def differing(kind: Compared, found: StripeObject, row: Row) -> tuple[str, ...]:
    """The columns in which a row differs from Stripe's object."""
    names = [
        name
        for name, value in _expected(kind, found, row).items()
        if name not in _NOT_COMPARED and row[name] != value
    ]

    if kind == "payment_method":
        detached = stripe_objects.reference(found.get("customer")) is None
        names += ["detached_at"] if detached != (row["detached_at"] is not None) else []

    return tuple(names)


def _expected(kind: Compared, found: StripeObject, row: Row) -> columns.Values:
    match kind:
        case "invoice":
            return columns.invoice_values(found)
        case "customer":
            return columns.customer_values(found)
        case "payment_method":
            return columns.payment_method_values(found)
        case "subscription":
            with reading() as connection:
                terms = terms_of(connection, stripe_objects.price_of(found))

            values = columns.subscription_values(found, terms, row)

            if terms is None:  # the product may tell the plan, which only a fetch of it asks
                del values["plan"], values["interval"]

            return values
