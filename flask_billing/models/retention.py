"""What happened when a customer wanted to leave."""

import typing as t
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from .base import Base, BigId
from .customer import Customer
from .subscription import Subscription


class Cancellation(Base):
    """One visit to the cancel or downgrade page: what was said, shown and decided."""

    __tablename__ = "billing_cancellation"
    __table_args__ = (sa.Index(None, "customer_id", "started_at"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    customer_id: Mapped[int] = mapped_column(sa.ForeignKey(Customer.id))
    subscription_id: Mapped[int | None] = mapped_column(sa.ForeignKey(Subscription.id))
    source: Mapped[str] = mapped_column(sa.String(16))
    plan: Mapped[str | None] = mapped_column(sa.String(64))
    interval: Mapped[str | None] = mapped_column(sa.String(16))
    #: Monthly recurring revenue at stake, minor units.
    monthly_amount: Mapped[int | None]
    currency: Mapped[str | None] = mapped_column(sa.String(3))
    reason: Mapped[str | None] = mapped_column(sa.String(32))
    comment: Mapped[str | None] = mapped_column(sa.Text)
    variant: Mapped[str | None] = mapped_column(sa.String(64))
    offers_shown: Mapped[list[t.Any] | None]
    offer_accepted: Mapped[str | None] = mapped_column(sa.String(64))
    outcome: Mapped[str | None] = mapped_column(sa.String(32))
    judged_30: Mapped[str | None] = mapped_column(sa.String(16))
    judged_90: Mapped[str | None] = mapped_column(sa.String(16))
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class OfferRedemption(Base):
    """A retention offer taken: once per customer, offer and period."""

    __tablename__ = "billing_offer_redemption"
    __table_args__ = (sa.UniqueConstraint("customer_id", "offer", "period"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    customer_id: Mapped[int] = mapped_column(sa.ForeignKey(Customer.id))
    cancellation_id: Mapped[int | None] = mapped_column(sa.ForeignKey(Cancellation.id))
    offer: Mapped[str] = mapped_column(sa.String(64))
    period: Mapped[str] = mapped_column(sa.String(32))
    coupon: Mapped[str | None] = mapped_column(sa.String(255))
    attempt: Mapped[int] = mapped_column(default=1)
    state: Mapped[str] = mapped_column(sa.String(16))
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
