"""A Stripe subscription, in the columns the pages and the access rule need."""

import typing as t
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from .base import Base, BigId, PartialIndex
from .customer import Customer

#: Statuses after which Stripe never revives a subscription.
ENDED: t.Final = ("canceled", "incomplete_expired")


class Subscription(Base):
    """What a customer bought. Written by :mod:`flask_billing.sync` and nowhere else."""

    __tablename__ = "billing_subscription"
    __table_args__ = (
        sa.UniqueConstraint("stripe_id"),
        sa.Index(None, "customer_id", "status"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    customer_id: Mapped[int] = mapped_column(sa.ForeignKey(Customer.id))
    stripe_id: Mapped[str] = mapped_column(sa.String(255))
    status: Mapped[str] = mapped_column(sa.String(32))
    #: Catalog key; None while the catalog does not know the price.
    plan: Mapped[str | None] = mapped_column(sa.String(64))
    #: The last plan that was known, so that a price change never locks anybody out.
    last_plan: Mapped[str | None] = mapped_column(sa.String(64))
    interval: Mapped[str | None] = mapped_column(sa.String(16))
    price: Mapped[str | None] = mapped_column(sa.String(255))
    item_id: Mapped[str | None] = mapped_column(sa.String(255))
    quantity: Mapped[int]
    #: Minor units per seat and interval, as Stripe charges it.
    unit_amount: Mapped[int | None]
    currency: Mapped[str] = mapped_column(sa.String(3))
    current_period_start: Mapped[datetime | None]
    current_period_end: Mapped[datetime | None]
    anchor: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    trial_start: Mapped[datetime | None]
    trial_end: Mapped[datetime | None]
    cancel_at: Mapped[datetime | None]
    canceled_at: Mapped[datetime | None]
    #: Since when the renewal payment has been failing; starts the grace period.
    past_due_since: Mapped[datetime | None]
    #: Behaviour of ``pause_collection``: void, keep_as_draft or mark_uncollectible.
    pause: Mapped[str | None] = mapped_column(sa.String(32))
    #: When a pause begins that was asked for in mid-period; what is paid for is used up first.
    pause_starts_at: Mapped[datetime | None]
    pause_resumes_at: Mapped[datetime | None]
    #: Until when a change waits for its payment (``pending_update``) before Stripe forgets it.
    pending_until: Mapped[datetime | None]
    discount: Mapped[dict[str, t.Any] | None]
    schedule_id: Mapped[str | None] = mapped_column(sa.String(255))
    latest_invoice: Mapped[str | None] = mapped_column(sa.String(255))
    default_payment_method: Mapped[str | None] = mapped_column(sa.String(255))
    snapshot: Mapped[dict[str, t.Any] | None]
    synced_at: Mapped[datetime]
    #: Ticket of the fetch that was written last; see SyncTicket.
    applied_ticket: Mapped[int] = mapped_column(default=0)


class SubscriptionChange(Base):
    """One change of a subscription: what was intended, what became of it, and the history."""

    __tablename__ = "billing_subscription_change"
    __table_args__ = (
        sa.UniqueConstraint("quote_id"),
        PartialIndex(
            "uq_billing_subscription_change_pending", "subscription_id", where="state = 'pending'"
        ),
        # One write at a time: whoever comes second joins it, or finishes it first.
        PartialIndex(
            "uq_billing_subscription_change_open", "subscription_id", where="state = 'open'"
        ),
        sa.Index(None, "customer_id", "created_at"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    customer_id: Mapped[int] = mapped_column(sa.ForeignKey(Customer.id))
    subscription_id: Mapped[int | None] = mapped_column(sa.ForeignKey(Subscription.id))
    kind: Mapped[str] = mapped_column(sa.String(32))
    #: open (Stripe's answer is not known), waiting (for one that is open), pending (waits for its
    #: date or its payment), done, undone or failed.
    state: Mapped[str] = mapped_column(sa.String(16))
    attempt: Mapped[int] = mapped_column(default=1)
    from_plan: Mapped[str | None] = mapped_column(sa.String(64))
    to_plan: Mapped[str | None] = mapped_column(sa.String(64))
    from_interval: Mapped[str | None] = mapped_column(sa.String(16))
    to_interval: Mapped[str | None] = mapped_column(sa.String(16))
    from_quantity: Mapped[int | None]
    quantity: Mapped[int | None]
    effective_at: Mapped[datetime | None]
    amount: Mapped[int | None]
    currency: Mapped[str | None] = mapped_column(sa.String(3))
    quote_id: Mapped[str | None] = mapped_column(sa.String(64))
    reason: Mapped[str | None] = mapped_column(sa.String(64))
    feedback: Mapped[str | None] = mapped_column(sa.Text)
    actor: Mapped[str | None] = mapped_column(sa.String(255))
    #: What the customer had read when they asked, word for word.
    shown: Mapped[str | None] = mapped_column(sa.Text)
    #: What Stripe is asked for is made of this row alone.
    request: Mapped[dict[str, t.Any] | None]
    created_at: Mapped[datetime]
    #: When it was intended, by the wall clock; None where it came from Stripe's side.
    asked_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
