"""What the pages read of a customer beside the plan: card, invoices, the pending change.

One query each, and none to Stripe.
"""

from __future__ import annotations

import collections.abc as c

import sqlalchemy as sa

from ..models import Customer, Invoice, PaymentMethod, Subscription, SubscriptionChange
from ..state import state


def pending_change(subscription: Subscription) -> SubscriptionChange | None:
    """The change that waits for its date."""
    found: SubscriptionChange | None = state().db.session.scalar(
        sa.select(SubscriptionChange).where(
            SubscriptionChange.subscription_id == subscription.id,
            SubscriptionChange.state == "pending",
        )
    )
    return found


def default_payment_method(
    customer: Customer, subscription: Subscription | None
) -> PaymentMethod | None:
    """What the next invoice is charged to: the subscription's own, else the customer's."""
    stripe_id = (
        subscription.default_payment_method if subscription is not None else None
    ) or customer.default_payment_method

    if stripe_id is None:
        return None

    found: PaymentMethod | None = state().db.session.scalar(
        sa.select(PaymentMethod).where(
            PaymentMethod.customer_id == customer.id,
            PaymentMethod.stripe_id == stripe_id,
            PaymentMethod.detached_at.is_(None),
        )
    )
    return found


def last_invoices(customer: Customer, count: int = 3) -> c.Sequence[Invoice]:
    """The newest invoices that were sent; drafts are not."""
    found: c.Sequence[Invoice] = (
        state()
        .db.session.scalars(
            sa.select(Invoice)
            .where(Invoice.customer_id == customer.id, Invoice.status != "draft")
            .order_by(Invoice.issued_at.desc(), Invoice.id.desc())
            .limit(count)
        )
        .all()
    )
    return found
