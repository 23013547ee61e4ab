"""Invoices and cards, as far as pages show them without calling Stripe."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from .base import Base, BigId
from .customer import Customer


class Invoice(Base):
    """What was billed. Links to PDFs are fetched fresh, because Stripe's expire."""

    __tablename__ = "billing_invoice"
    __table_args__ = (
        sa.UniqueConstraint("stripe_id"),
        sa.Index(None, "customer_id", "issued_at"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    customer_id: Mapped[int] = mapped_column(sa.ForeignKey(Customer.id))
    stripe_id: Mapped[str] = mapped_column(sa.String(255))
    subscription: Mapped[str | None] = mapped_column(sa.String(255))
    number: Mapped[str | None] = mapped_column(sa.String(64))
    status: Mapped[str] = mapped_column(sa.String(32))
    billing_reason: Mapped[str | None] = mapped_column(sa.String(64))
    description: Mapped[str | None] = mapped_column(sa.String(512))
    currency: Mapped[str] = mapped_column(sa.String(3))
    total: Mapped[int]
    amount_due: Mapped[int]
    amount_paid: Mapped[int]
    amount_refunded: Mapped[int] = mapped_column(default=0)
    attempt_count: Mapped[int] = mapped_column(default=0)
    next_payment_attempt: Mapped[datetime | None]
    period_start: Mapped[datetime | None]
    period_end: Mapped[datetime | None]
    due_at: Mapped[datetime | None]
    paid_at: Mapped[datetime | None]
    issued_at: Mapped[datetime]
    synced_at: Mapped[datetime]
    #: Ticket of the fetch that was written last; see SyncTicket.
    applied_ticket: Mapped[int] = mapped_column(default=0)
    #: The same of what was given back, which most fetches of an invoice do not bring.
    credits_ticket: Mapped[int] = mapped_column(default=0, server_default="0")


class CreditNote(Base):
    """What was taken back of an invoice, before or after it was paid."""

    __tablename__ = "billing_credit_note"
    __table_args__ = (
        sa.UniqueConstraint("stripe_id"),
        sa.Index(None, "invoice_id"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    customer_id: Mapped[int] = mapped_column(sa.ForeignKey(Customer.id))
    invoice_id: Mapped[int] = mapped_column(sa.ForeignKey(Invoice.id))
    stripe_id: Mapped[str] = mapped_column(sa.String(255))
    number: Mapped[str | None] = mapped_column(sa.String(64))
    #: issued or void.
    status: Mapped[str] = mapped_column(sa.String(32))
    reason: Mapped[str | None] = mapped_column(sa.String(64))
    currency: Mapped[str] = mapped_column(sa.String(3))
    total: Mapped[int]
    issued_at: Mapped[datetime]


class PaymentMethod(Base):
    """A card or account the customer can be charged on: brand and last digits, never more."""

    __tablename__ = "billing_payment_method"
    __table_args__ = (
        sa.UniqueConstraint("stripe_id"),
        sa.Index(None, "customer_id"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    customer_id: Mapped[int] = mapped_column(sa.ForeignKey(Customer.id))
    stripe_id: Mapped[str] = mapped_column(sa.String(255))
    type: Mapped[str] = mapped_column(sa.String(32))
    brand: Mapped[str | None] = mapped_column(sa.String(32))
    last4: Mapped[str | None] = mapped_column(sa.String(8))
    exp_month: Mapped[int | None]
    exp_year: Mapped[int | None]
    #: The expiry and threshold that were announced last, as "2027-04/30".
    expiry_announced: Mapped[str | None] = mapped_column(sa.String(16))
    detached_at: Mapped[datetime | None]
    synced_at: Mapped[datetime]
    #: Ticket of the fetch that was written last; see SyncTicket.
    applied_ticket: Mapped[int] = mapped_column(default=0)
