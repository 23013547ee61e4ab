"""What happened when a customer wanted to leave."""

import typing as t
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from .base import Base, BigId, PartialIndex
from .customer import Customer
from .subscription import Subscription


class Cancellation(Base):
    """One visit to the cancel or downgrade page: what was said, shown and decided."""

    __tablename__ = "billing_cancellation"
    __table_args__ = (
        # Two tabs are one visit.
        PartialIndex(
            "uq_billing_cancellation_open", "customer_id", "source", where="outcome IS NULL"
        ),
        sa.Index(None, "customer_id", "started_at"),
        sa.Index(None, "finished_at"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    customer_id: Mapped[int] = mapped_column(sa.ForeignKey(Customer.id))
    subscription_id: Mapped[int | None] = mapped_column(sa.ForeignKey(Subscription.id))
    #: cancel or downgrade.
    source: Mapped[str] = mapped_column(sa.String(16))
    plan: Mapped[str | None] = mapped_column(sa.String(64))
    interval: Mapped[str | None] = mapped_column(sa.String(16))
    #: Monthly recurring revenue at stake, minor units.
    monthly_amount: Mapped[int | None]
    currency: Mapped[str | None] = mapped_column(sa.String(3))
    reason: Mapped[str | None] = mapped_column(sa.String(32))
    comment: Mapped[str | None] = mapped_column(sa.Text)
    #: Arm of the catalog's experiment, as "size:thirty" or "size:holdout".
    variant: Mapped[str | None] = mapped_column(sa.String(96))
    #: Each with its key, its exact words, the facts behind them and when it was shown.
    offers_shown: Mapped[list[t.Any] | None]
    offer_accepted: Mapped[str | None] = mapped_column(sa.String(64))
    #: cancelled, saved_discount, saved_pause, saved_downgrade, saved_trial_ext, contacted or
    #: abandoned; None while the visit lasts.
    outcome: Mapped[str | None] = mapped_column(sa.String(32))
    #: retained or lost_later, 30 and 90 days after the visit.
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
    #: Its kind, for the rules that outlive the catalog's entry.
    kind: Mapped[str] = mapped_column(sa.String(16))
    #: The billing period it was taken in, or "ever" for what is granted once.
    period: Mapped[str] = mapped_column(sa.String(32))
    coupon: Mapped[str | None] = mapped_column(sa.String(255))
    #: The words that were accepted.
    terms: Mapped[str] = mapped_column(sa.Text)
    #: Counts definitive refusals of Stripe.
    attempt: Mapped[int] = mapped_column(default=1)
    #: open (Stripe's answer is not known), done or failed.
    state: Mapped[str] = mapped_column(sa.String(16))
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
