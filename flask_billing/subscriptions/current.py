"""The subscription that a customer's changes are about, as Stripe has it now."""

from __future__ import annotations

import sqlalchemy as sa

from .. import access, sync
from ..database import reread
from ..errors import NoSubscriptionError
from ..models import ENDED, Customer, Subscription
from ..owners import id_of
from .intent_rows import ACTION


def live_subscription(customer: Customer) -> Subscription:
    """The live subscription, of several the one whose plan counts; by our rows.

    :raises NoSubscriptionError: where there is none.
    """
    subscriptions = access.subscriptions_of(id_of(customer))
    live = [found for found in subscriptions if found.status not in ENDED]
    deciding = access.decide(live).subscription

    if deciding is None:
        raise NoSubscriptionError

    return deciding


def refreshed_subscription(customer: Customer) -> Subscription:
    """The live subscription after asking Stripe how it stands.

    :raises NoSubscriptionError: where there is none, or it has ended meanwhile.
    :raises StripeError: where Stripe cannot be asked; nothing was changed.
    """
    known = live_subscription(customer)
    sync.pull("subscription", known.stripe_id, action=ACTION)
    found = reread(sa.select(Subscription).where(Subscription.id == known.id))

    if found is None or found.status in ENDED:
        raise NoSubscriptionError

    return found
