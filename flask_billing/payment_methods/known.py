"""What is known here of a customer's payment methods and what they pay for, as it is committed."""

from __future__ import annotations

import collections.abc as c
import typing as t

import sqlalchemy as sa

from .. import sync
from ..database import reading, reread
from ..errors import StripeNotFoundError
from ..models import ENDED, Customer, PaymentMethod, PaymentMethodChange, Subscription
from ..stripe_gateway import StripeObject

ACTION: t.Final = "Changing payment methods"


def stripe_customer_of(change: PaymentMethodChange) -> str:
    """The customer of a change at Stripe.

    :raises StripeNotFoundError: where it was deleted there meanwhile.
    """
    found = reread(sa.select(Customer).where(Customer.id == change.customer_id))
    assert found is not None, "changes belong to customers"

    if found.stripe_id is None:
        raise StripeNotFoundError(
            f"Customer {found.id} was deleted at Stripe, with their payment methods. Nothing was "
            "changed and nothing was charged.",
            code="resource_missing",
            param="customer",
        )

    return found.stripe_id


def live_subscriptions(customer_id: int) -> list[tuple[str, str | None]]:
    """The id of each live subscription, and the payment method of its own, by our rows."""
    with reading() as connection:
        rows = connection.execute(
            sa.select(Subscription.stripe_id, Subscription.default_payment_method)
            .where(Subscription.customer_id == customer_id, Subscription.status.not_in(ENDED))
            .order_by(Subscription.id)
        )
        return [(row.stripe_id, row.default_payment_method) for row in rows]


def has_ended(subscription: str) -> bool:
    """Whether a subscription has ended, by our rows."""
    with reading() as connection:
        status = connection.scalar(
            sa.select(Subscription.status).where(Subscription.stripe_id == subscription)
        )

    return status in ENDED


def method_ids(customer_id: int) -> c.Sequence[str]:
    """The ids of the payment methods a customer has, by our committed rows."""
    with reading() as connection:
        return attached(connection, customer_id)


def attached(connection: sa.Connection, customer_id: int) -> c.Sequence[str]:
    """The ids of the payment methods a customer has, by our rows."""
    return connection.scalars(
        sa.select(PaymentMethod.stripe_id).where(
            PaymentMethod.customer_id == customer_id, PaymentMethod.detached_at.is_(None)
        )
    ).all()


def pull_method(stripe_id: str) -> StripeObject:
    """Fetch a payment method and write it."""
    return sync.pull("payment_method", stripe_id, action=ACTION)["payment_method"]
