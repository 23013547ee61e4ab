"""The rows of Stripe objects: read before a write, and replaced only as they were read."""

from __future__ import annotations

import collections.abc as c
import functools
import typing as t

import sqlalchemy as sa

from .. import clock
from ..database import insert_for
from ..models import Customer, Invoice, PaymentMethod, Subscription
from ..prepared import Prepared

Row = c.Mapping[str, t.Any]
#: Tables with a row for each Stripe object.
Synced = type[Invoice] | type[Subscription] | type[PaymentMethod]


def part(before: Row, prefix: t.Literal["subscription", "invoice"]) -> Row | None:
    """The columns of one joined table; None where no row was joined."""
    if before[f"{prefix}__stripe_id"] is None:
        return None

    names = _SUBSCRIPTION_BEFORE if prefix == "subscription" else _INVOICE_BEFORE
    return {name: before[f"{prefix}__{name}"] for name in names}


_SUBSCRIPTION_BEFORE: t.Final = (
    "id", "customer_id", "stripe_id", "status", "plan", "last_plan", "interval", "price",
    "quantity", "cancel_at", "pause", "schedule_id", "pending_until", "current_period_start",
    "past_due_since", "applied_ticket",
)  # fmt: skip
_INVOICE_BEFORE: t.Final = ("customer_id", "stripe_id", "status", "issued_at", "applied_ticket")


@functools.lru_cache(maxsize=16)
def before_statement(dialect: sa.Dialect) -> Prepared:
    """Reads a customer and the rows of what was fetched, as they are."""
    subscription = [
        getattr(Subscription, name).label(f"subscription__{name}") for name in _SUBSCRIPTION_BEFORE
    ]
    invoice = [getattr(Invoice, name).label(f"invoice__{name}") for name in _INVOICE_BEFORE]
    linked = Customer.stripe_id == sa.bindparam("stripe_customer")
    hinted = sa.and_(Customer.id == sa.bindparam("hint"), Customer.stripe_id.is_(None))
    owner = Customer.id == sa.bindparam("owner")
    statement = (
        sa.select(
            Customer.id.label("customer_id"),
            Customer.stripe_id.label("customer_stripe_id"),
            Customer.created_at.label("customer_created_at"),
            Customer.closed_at.label("customer_closed_at"),
            Customer.applied_ticket.label("customer_ticket"),
            PaymentMethod.applied_ticket.label("payment_method_ticket"),
            *subscription,
            *invoice,
        )
        .select_from(Customer)
        .outerjoin(Subscription, Subscription.stripe_id == sa.bindparam("subscription"))
        .outerjoin(Invoice, Invoice.stripe_id == sa.bindparam("invoice"))
        .outerjoin(PaymentMethod, PaymentMethod.stripe_id == sa.bindparam("payment_method"))
        .where(sa.or_(linked, hinted, owner))
    )
    return Prepared(statement, dialect)


@functools.lru_cache(maxsize=64)
def customer_statement(dialect: sa.Dialect, names: tuple[str, ...]) -> Prepared:
    """Changes a customer who still bears the ticket ``seen``."""
    seen = Customer.applied_ticket == sa.bindparam("seen")
    statement = (
        sa.update(Customer)
        .where(Customer.id == sa.bindparam("row"), seen)
        .values({name: sa.bindparam(name) for name in names})
    )
    return Prepared(statement, dialect)


def let_go_of_cards(connection: sa.Connection, customer_id: int) -> None:
    """Take off the payment methods of a customer whom Stripe does not have any more.

    Stripe detached them with the customer, so none of them can be charged by the next one.
    """
    connection.execute(
        sa.update(PaymentMethod)
        .where(PaymentMethod.customer_id == customer_id, PaymentMethod.detached_at.is_(None))
        .values(detached_at=clock.now())
    )


@functools.lru_cache(maxsize=64)
def upsert_statement(model: Synced, dialect: sa.Dialect, *, moves: bool = True) -> Prepared:
    """Inserts a row, or replaces one that still bears the ticket ``seen_ticket``.

    :param moves: whether what indexes hold of the row may differ from what was read. SQLite writes
        the indexes of each column it is given anew, changed or not.
    """
    insert = insert_for(dialect.name, model).inline()
    names = [column.name for column in model.__table__.columns if column.name not in _NOT_SYNCED]
    statement = insert.values({name: sa.bindparam(name) for name in names})
    kept = ("stripe_id",) if moves else ("stripe_id", *indexed(model))
    upsert = statement.on_conflict_do_update(
        index_elements=["stripe_id"],
        set_={name: insert.excluded[name] for name in names if name not in kept},
        where=model.applied_ticket == sa.bindparam("seen_ticket"),
    )
    return Prepared(upsert, dialect)


@functools.cache
def indexed(model: Synced) -> tuple[str, ...]:
    """The columns that indexes find the rows by, beside Stripe's id."""
    table = t.cast("sa.Table", model.__table__)
    return tuple(column.name for index in table.indexes for column in index.columns)


#: Columns that no fetch of the object itself tells.
_NOT_SYNCED: t.Final = ("id", "amount_refunded", "credits_ticket", "expiry_announced")
