"""What our rows name and Stripe does not know any more: let go of, or explained."""

from __future__ import annotations

import sqlalchemy as sa

from . import stripe_prices, sync
from .database import committed, update
from .errors import StripeMisconfiguredError, StripeNotFoundError, StripeRejectedError
from .models import Customer
from .state import state


def let_go(error: StripeRejectedError, customer: Customer, price: str, action: str) -> bool:
    """Whether a refused request is worth making again, of rows that name something else.

    :param price: the Stripe price the request named.
    :raises StripeMisconfiguredError: where the customer is one of another account or mode.
    """
    if error.param == "customer" and error.code == "resource_missing":
        return _unlink(customer, action)

    return (error.param or "").startswith("line_items") and stripe_prices.retire(price)


def _unlink(customer: Customer, action: str) -> bool:
    """Forget a customer that was deleted at Stripe, unheard by us."""
    stripe_id = customer.stripe_id
    assert stripe_id is not None, "the request named it"

    try:
        sync.pull("customer", stripe_id, action=action)
    except StripeNotFoundError as error:
        if not state().stripe.sandbox:
            raise _explained(stripe_id) from error

        with committed(action) as connection:  # a sandbox that was made anew
            connection.execute(
                sa.update(Customer).where(Customer.id == customer.id).values(stripe_id=None)
            )
            sync.let_go_of_cards(connection, customer.id)

    # The ticket too, of which the next one's idempotency key is made.
    update(customer, "stripe_id", "applied_ticket")
    return customer.stripe_id is None


def _explained(stripe_id: str) -> StripeMisconfiguredError:
    # Relinked by itself, a key of the wrong account would part customers from what they bought.
    return StripeMisconfiguredError(
        f"Stripe does not know the customer {stripe_id!r}: it was made with a key of another "
        "account, or of the other mode. Nothing was charged. Use that key again; or, to leave "
        "it behind, set stripe_id to NULL in billing_customer and the next checkout makes a "
        "new one.",
        code="resource_missing",
        param="customer",
        status=404,
    )
