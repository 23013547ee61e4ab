"""Ending all that could still be charged to a customer, as Stripe lists it."""

from __future__ import annotations

import collections.abc as c

import sqlalchemy as sa

from .. import access, checkout_session, subscriptions, sync
from ..database import reread
from ..errors import BillingError, StripeNotFoundError, StripeRejectedError
from ..models import ENDED, Checkout, Customer, Subscription
from ..state import state
from ..stripe_gateway import StripeObject, gateway


def stop(customer: Customer, action: str, *, bill_usage: bool) -> None:
    """Close what is open for checkout, then end every subscription; all of it, or raise.

    :param bill_usage: whether what was used so far is charged where a metered price bills it.
    :raises StripeError: where something could not be ended.
    """
    _close_checkouts(customer)

    for stripe_id in _running(customer, action):
        subscriptions.close(_known(stripe_id, action), bill_usage=bill_usage)

    subscriptions.finish_closing(customer)
    left = _running(customer, action)

    if left:
        raise BillingError(
            f"Stripe still lists as running: {', '.join(left)}. The account was not closed, and "
            "nobody was forgotten. Close it again."
        )


def _close_checkouts(customer: Customer) -> None:
    """Let nobody pay in a tab that was left open."""
    statement = sa.select(Checkout).where(
        Checkout.customer_id == customer.id, Checkout.state == "open"
    )

    for row in state().db.session.scalars(statement).all():
        checkout_session.expire(row, customer)

    if customer.stripe_id is None:
        return

    found = gateway().list(
        "/v1/checkout/sessions", {"customer": customer.stripe_id, "status": "open"}
    )

    for session in list(found):
        gateway().post(f"/v1/checkout/sessions/{session['id']}/expire")


def _running(customer: Customer, action: str) -> list[str]:
    """The subscriptions that Stripe may charge for, and what our rows know besides."""
    listed = {found["id"]: found["status"] for found in _listed(customer, action)}

    for row in access.subscriptions_of(customer.id):
        if row.status not in ENDED and row.stripe_id not in listed:
            listed[row.stripe_id] = _status(row.stripe_id, action)

    return [stripe_id for stripe_id, status in listed.items() if status not in ENDED]


def _listed(customer: Customer, action: str) -> c.Sequence[StripeObject]:
    if customer.stripe_id is None:
        return []

    query = {"customer": customer.stripe_id, "status": "all"}

    try:
        return list(gateway().list("/v1/subscriptions", query))
    except StripeRejectedError:
        # A customer deleted at Stripe has nothing left; any other refusal tells nothing.
        pulled = sync.pull("customer", customer.stripe_id, action=action)

        if pulled["customer"].get("deleted"):
            return []

        raise


def _status(stripe_id: str, action: str) -> str:
    try:
        found: str = sync.pull("subscription", stripe_id, action=action)["subscription"]["status"]
    except StripeNotFoundError:
        return "canceled"  # gone with its customer

    return found


def _known(stripe_id: str, action: str) -> Subscription:
    """The row of a subscription, which may be one that no webhook told of."""
    statement = sa.select(Subscription).where(Subscription.stripe_id == stripe_id)
    found = reread(statement)

    if found is None:
        sync.pull("subscription", stripe_id, action=action)
        found = reread(statement)

    if found is None:
        raise BillingError(
            f"The subscription {stripe_id} belongs to this customer at Stripe and to nobody here. "
            "The account was not closed. See which customer its metadata names."
        )

    return found
