"""Who pays: an owner of the host app, linked to a Stripe customer."""

import typing as t
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from .base import Base, BigId, PartialIndex


class Customer(Base):
    """An owner (user, team, workspace) seen as someone who can have a plan.

    Reference it from host tables as ``ForeignKey(Customer.id)``, not by a string.
    """

    __tablename__ = "billing_customer"
    __table_args__ = (
        sa.UniqueConstraint("owner_type", "owner_id"),
        sa.UniqueConstraint("stripe_id"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    owner_type: Mapped[str] = mapped_column(sa.String(64))
    owner_id: Mapped[str] = mapped_column(sa.String(255))
    stripe_id: Mapped[str | None] = mapped_column(sa.String(255))
    email: Mapped[str | None] = mapped_column(sa.String(512))
    name: Mapped[str | None] = mapped_column(sa.String(512))
    currency: Mapped[str | None] = mapped_column(sa.String(3))
    timezone: Mapped[str | None] = mapped_column(sa.String(64))
    locale: Mapped[str | None] = mapped_column(sa.String(32))
    address: Mapped[dict[str, t.Any] | None]
    #: Each with Stripe's id, type, value and how its verification stands.
    tax_ids: Mapped[list[t.Any] | None]
    default_payment_method: Mapped[str | None] = mapped_column(sa.String(255))
    created_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    #: Ticket of the fetch that was written last; see SyncTicket.
    applied_ticket: Mapped[int] = mapped_column(default=0)


class CustomerChange(Base):
    """The intent of a write to Stripe beside the plan: paying an invoice, other details."""

    __tablename__ = "billing_customer_change"
    __table_args__ = (
        # One write at a time: whoever comes second joins it, or finishes it first.
        PartialIndex(
            "uq_billing_customer_change_open",
            "customer_id",
            "kind",
            "subject",
            where="state = 'open'",
        ),
        sa.Index(None, "state", "asked_at"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    customer_id: Mapped[int] = mapped_column(sa.ForeignKey(Customer.id))
    #: pay_invoice or details.
    kind: Mapped[str] = mapped_column(sa.String(32))
    #: Stripe's id of the invoice; empty where it is about the customer.
    subject: Mapped[str] = mapped_column(sa.String(255))
    #: open (Stripe's answer is not known), done or failed.
    state: Mapped[str] = mapped_column(sa.String(16))
    #: Counts definitive answers of Stripe; part of the idempotency key.
    attempt: Mapped[int] = mapped_column(default=1)
    #: What Stripe is asked for is made of this row alone.
    request: Mapped[dict[str, t.Any] | None]
    reason: Mapped[str | None] = mapped_column(sa.String(64))
    actor: Mapped[str | None] = mapped_column(sa.String(255))
    created_at: Mapped[datetime]
    #: When it was intended, by the wall clock.
    asked_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
