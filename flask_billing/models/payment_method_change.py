"""What somebody wants done with the cards of a customer."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from .base import Base, BigId, PartialIndex
from .customer import Customer


class PaymentMethodChange(Base):
    """One write to Stripe about a customer's cards: what was intended, and what became of it."""

    __tablename__ = "billing_payment_method_change"
    __table_args__ = (
        sa.UniqueConstraint("intent_id"),
        # One at a time: of two who remove the last two cards, the second finds one left.
        PartialIndex(
            "uq_billing_payment_method_change_open",
            "customer_id",
            where="state = 'open' AND kind <> 'add'",
        ),
        sa.Index(None, "customer_id", "created_at"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    customer_id: Mapped[int] = mapped_column(sa.ForeignKey(Customer.id))
    #: add, default or remove.
    kind: Mapped[str] = mapped_column(sa.String(16))
    #: open (Stripe's answer, or the customer's card, is not known yet), done or failed.
    state: Mapped[str] = mapped_column(sa.String(16))
    attempt: Mapped[int] = mapped_column(default=1)
    #: The payment method at Stripe; None until a card was given.
    method: Mapped[str | None] = mapped_column(sa.String(255))
    #: The one that is charged in its place from now on.
    successor: Mapped[str | None] = mapped_column(sa.String(255))
    #: The setup intent that saves the card.
    intent_id: Mapped[str | None] = mapped_column(sa.String(255))
    #: Whether the new card is to be the one that is charged.
    makes_default: Mapped[bool] = mapped_column(default=False)
    reason: Mapped[str | None] = mapped_column(sa.String(64))
    #: By the wall clock, as is the hour in which cards may be tried.
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
