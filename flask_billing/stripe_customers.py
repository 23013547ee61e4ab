"""Our customers at Stripe."""

from __future__ import annotations

import sqlalchemy as sa

from .database import committed, refuse_busy_session, update
from .models import Customer
from .row_marks import customer_metadata, idempotency_key
from .stripe_gateway import gateway


def ensure_stripe_customer(customer: Customer, action: str) -> str:
    """The id of the customer at Stripe, created there at the first call.

    :param action: what this is for, named in errors.
    :raises StripeError: where Stripe refused or did not answer. Nothing was charged.
    """
    if customer.stripe_id is not None:
        return customer.stripe_id

    refuse_busy_session(action)
    # A customer deleted at Stripe was unlinked under a ticket, so the next one has another key.
    key = idempotency_key(customer, "customer", customer.applied_ticket + 1)
    created = gateway().post("/v1/customers", _params(customer), idempotency_key=key)

    with committed(action) as connection:
        connection.execute(
            sa.update(Customer)
            .where(Customer.id == customer.id, Customer.stripe_id.is_(None))
            .values(stripe_id=created["id"])
        )

    update(customer, "stripe_id")
    assert customer.stripe_id is not None
    return customer.stripe_id


def _params(customer: Customer) -> dict[str, object]:
    params: dict[str, object] = {
        "metadata": {
            **customer_metadata(customer),
            "owner_type": customer.owner_type,
            "owner_id": customer.owner_id,
        }
    }

    if customer.email:
        params["email"] = customer.email

    if customer.name:
        params["name"] = customer.name

    return params
