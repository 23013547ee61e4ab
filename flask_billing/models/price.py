"""Which plan a Stripe price stands for."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from .base import Base, BigId


class StripePrice(Base):
    """A price at Stripe, present or former, and the plan and interval it means."""

    __tablename__ = "billing_price"
    __table_args__ = (
        sa.UniqueConstraint("stripe_id"),
        sa.Index(None, "plan", "interval", "currency"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    stripe_id: Mapped[str] = mapped_column(sa.String(255))
    plan: Mapped[str] = mapped_column(sa.String(64))
    interval: Mapped[str] = mapped_column(sa.String(16))
    currency: Mapped[str] = mapped_column(sa.String(3))
    amount: Mapped[int | None]
    #: False once another price took its place; subscriptions on it keep the plan.
    current: Mapped[bool]
    synced_at: Mapped[datetime]
