"""What the pages read of a customer beside the plan: the pending change and the card, invoices.

One query for each function, and none to Stripe.
"""

from __future__ import annotations

import collections.abc as c
import typing as t

import sqlalchemy as sa

from ..models import Customer, Invoice, PaymentMethod, SubscriptionChange
from ..state import state
from .visitor import Visitor


class Standing(t.NamedTuple):
    """The change that waits for its date, and what the next invoice is charged to."""

    change: SubscriptionChange | None
    method: PaymentMethod | None


# Built once: that costs more than running them.
_STANDING: t.Final = (
    sa.select(SubscriptionChange, PaymentMethod)
    .select_from(Customer)
    .outerjoin(
        SubscriptionChange,
        sa.and_(
            SubscriptionChange.subscription_id == sa.bindparam("subscription"),
            SubscriptionChange.state == "pending",
        ),
    )
    .outerjoin(
        PaymentMethod,
        sa.and_(
            PaymentMethod.customer_id == Customer.id,
            PaymentMethod.stripe_id == sa.bindparam("method"),
            PaymentMethod.detached_at.is_(None),
        ),
    )
    .where(Customer.id == sa.bindparam("customer"))
)
_LAST_INVOICES: t.Final = (
    sa.select(Invoice)
    .where(Invoice.customer_id == sa.bindparam("customer"), Invoice.status != "draft")
    .order_by(Invoice.issued_at.desc(), Invoice.id.desc())
    .limit(sa.bindparam("count", type_=sa.Integer()))
)


def standing(visitor: Visitor) -> Standing:
    """What waits to happen to a customer's subscription, and what it is charged to.

    That is the subscription's own payment method, else the customer's.
    """
    live, latest = visitor.live, visitor.access.subscription
    own = latest.default_payment_method if latest is not None else None
    method = own or visitor.customer.default_payment_method

    if live is None and method is None:
        return Standing(None, None)

    values = {
        "customer": visitor.customer.id,
        "subscription": live.id if live is not None else None,
        "method": method,
    }
    found = state().db.session.execute(_STANDING, values).one_or_none()
    return Standing(None, None) if found is None else Standing(*found)


def last_invoices(customer: Customer, count: int = 3) -> c.Sequence[Invoice]:
    """The newest invoices that were sent; drafts are not."""
    found: c.Sequence[Invoice] = (
        state().db.session.scalars(_LAST_INVOICES, {"customer": customer.id, "count": count}).all()
    )
    return found
