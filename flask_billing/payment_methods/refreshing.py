"""Reading anew what a customer can be charged on, before the webhooks tell."""

from __future__ import annotations

import typing as t

from .. import stripe_objects, sync
from ..models import Customer
from ..stripe_gateway import gateway
from . import known

ACTION: t.Final = "Reading payment methods"


def refresh(customer: Customer) -> None:
    """Write which payment methods Stripe has, and what is charged to which.

    :raises StripeError: where Stripe could not be asked.
    """
    if customer.stripe_id is None:
        return

    sync.pull("customer", customer.stripe_id, action=ACTION)
    there = gateway().list(f"/v1/customers/{customer.stripe_id}/payment_methods")
    ids = [t.cast("str", stripe_objects.reference(method)) for method in there]

    # What we have and Stripe does not was taken off; what both have has not changed.
    for stripe_id in sorted(set(ids) ^ set(known.method_ids(customer.id))):
        known.pull_method(stripe_id)

    for subscription, _own in known.live_subscriptions(customer.id):
        sync.pull("subscription", subscription, action=ACTION)
