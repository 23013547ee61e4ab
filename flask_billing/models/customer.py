"""Who pays: an owner of the host app, linked to a Stripe customer."""

import typing as t
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from .base import Base, BigId


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
    default_payment_method: Mapped[str | None] = mapped_column(sa.String(255))
    created_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    #: Ticket of the fetch that was written last; see SyncTicket.
    applied_ticket: Mapped[int] = mapped_column(default=0)
