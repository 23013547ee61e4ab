"""Our customers at Stripe."""

from __future__ import annotations

import sqlalchemy as sa

from . import sync
from .database import committed, refuse_busy_session, update
from .errors import BillingError, StripeRejectedError, StripeUnreachableError
from .models import Customer
from .row_marks import customer_metadata, idempotency_key
from .stripe_gateway import StripeObject, gateway


def ensure_stripe_customer(customer: Customer, action: str) -> str:
    """The id of the customer at Stripe, created there at the first call.

    :param action: what this is for, named in errors.
    :raises StripeError: where Stripe refused or did not answer. Nothing was charged.
    """
    if customer.stripe_id is not None:
        return customer.stripe_id

    refuse_busy_session(action)
    created = _create(customer, action)

    with committed(action) as connection:
        _link(connection, created["id"], customer.id, Customer.stripe_id.is_(None))

    update(customer, "stripe_id")
    assert customer.stripe_id is not None
    return customer.stripe_id


def link(customer: Customer, stripe_id: str) -> None:
    """Link a customer to one that Stripe has of the same owner, as after a restored backup.

    What belongs to it comes with :func:`.reconciliation.reconcile_customer`.

    :raises BillingError: where it is another owner's, or either of the two is linked otherwise.
    :raises StripeError: where Stripe does not know it, or did not answer.
    """
    theirs = gateway().get(f"/v1/customers/{stripe_id}").get("metadata") or {}
    owner = {"owner_type": customer.owner_type, "owner_id": customer.owner_id}

    if {name: theirs.get(name) for name in owner} != owner:
        raise BillingError(
            f"Stripe customer {stripe_id} was not made for {customer.owner_type} "
            f"{customer.owner_id}. Nothing was changed."
        )

    try:
        with committed("link a customer") as connection:
            free = sa.or_(Customer.stripe_id.is_(None), Customer.stripe_id == stripe_id)
            linked = _link(connection, stripe_id, customer.id, free)
    except sa.exc.IntegrityError:  # another row has it
        linked = False

    if not linked:
        raise BillingError(
            f"{customer.owner_type} {customer.owner_id} or Stripe customer {stripe_id} is linked "
            "otherwise already. Nothing was changed."
        )

    update(customer, "stripe_id")


def _create(customer: Customer, action: str) -> StripeObject:
    # A customer deleted at Stripe was unlinked under a ticket, so the next one has another key.
    key = idempotency_key(customer, "customer", customer.applied_ticket + 1)

    try:
        return gateway().post("/v1/customers", _params(customer), idempotency_key=key)
    except (StripeRejectedError, StripeUnreachableError) as error:
        # A key may be stuck with a server error, or with the name that it was first sent with.
        if isinstance(error, StripeRejectedError) or error.replayed:
            _take_another_key(customer, action)

        raise


def _take_another_key(customer: Customer, action: str) -> None:
    """Should the first one have been made after all, it is one that nothing is ever sold to."""
    seen = customer.applied_ticket

    with committed(action) as connection:
        connection.execute(
            sa.update(Customer)
            .where(
                Customer.id == customer.id,
                Customer.stripe_id.is_(None),
                Customer.applied_ticket == seen,
            )
            .values(applied_ticket=seen + 1)
        )

    update(customer, "applied_ticket")


def _link(
    connection: sa.Connection, stripe_id: str, customer_id: int, free: sa.ColumnElement[bool]
) -> bool:
    """Link a row that is free to one at Stripe; whether it is."""
    ticket = connection.execute(
        sa.update(Customer)
        .where(Customer.id == customer_id, free)
        .values(stripe_id=stripe_id)
        .returning(Customer.applied_ticket)
    ).scalar_one_or_none()

    # Nothing that Stripe tells of it is to pass for older than what it told of another.
    if ticket:
        sync.go_on_from(connection, stripe_id, ticket)

    return ticket is not None


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
