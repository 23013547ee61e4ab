"""The reservation of a customer's one open checkout."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from .base import Base, BigId, PartialIndex
from .customer import Customer


class Checkout(Base):
    """A hosted checkout: reserved before Stripe is asked, so that two tabs share one."""

    __tablename__ = "billing_checkout"
    __table_args__ = (
        sa.UniqueConstraint("session_id"),
        PartialIndex("uq_billing_checkout_open", "customer_id", where="state = 'open'"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    customer_id: Mapped[int] = mapped_column(sa.ForeignKey(Customer.id))
    plan: Mapped[str] = mapped_column(sa.String(64))
    interval: Mapped[str] = mapped_column(sa.String(16))
    currency: Mapped[str] = mapped_column(sa.String(3))
    quantity: Mapped[int]
    price: Mapped[str] = mapped_column(sa.String(255))
    #: Stripe prices that bill use beside it.
    metered: Mapped[list[str]] = mapped_column(sa.JSON, default=list)
    trial_days: Mapped[int]
    success_url: Mapped[str] = mapped_column(sa.Text)
    cancel_url: Mapped[str] = mapped_column(sa.Text)
    #: Counts definitive answers of Stripe; part of the idempotency key.
    attempt: Mapped[int] = mapped_column(default=1)
    session_id: Mapped[str | None] = mapped_column(sa.String(255))
    url: Mapped[str | None] = mapped_column(sa.Text)
    #: open, complete, expired or failed.
    state: Mapped[str] = mapped_column(sa.String(16))
    #: When the customer was told, so that the toast appears once.
    announced_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
