"""What grants an offer: the change of the subscription that each kind comes down to."""

from __future__ import annotations

import collections.abc as c
import dataclasses
import datetime as dt
import typing as t

import sqlalchemy as sa

from ..catalog import Offer
from ..database import reread
from ..models import Cancellation, Customer, OfferRedemption, Subscription
from ..subscriptions.discount import discount
from ..subscriptions.downgrade import downgrade
from ..subscriptions.pause import pause
from ..subscriptions.trial_extension import extend_trial
from . import redemptions, survey
from .terms import coupon_for

#: States of a change that Stripe has: it happened, or waits for its date.
GRANTED: t.Final = ("done", "pending")


@dataclasses.dataclass(frozen=True)
class Grant:
    """An offer that is being taken.

    :param visit: where it was shown.
    :param actor: who takes it, as the history shows it.
    """

    redemption: OfferRedemption
    visit: Cancellation
    offer: Offer
    subscription: Subscription
    actor: str | None

    @property
    def customer(self) -> Customer:
        """Whose it is."""
        customer_id = self.redemption.customer_id
        found = reread(sa.select(Customer).where(Customer.id == customer_id))
        assert found is not None, "redemptions are of customers"
        return found


def _discount(grant: Grant) -> bool:
    change = discount(
        grant.subscription,
        coupon=redemptions.coupon_id(grant.redemption),
        terms=coupon_for(grant.offer, grant.subscription),
        name=grant.offer.title or grant.offer.key,
        quote_id=redemptions.quote_id(grant.redemption),
        reason=grant.visit.reason,
        comment=grant.visit.comment,
        actor=grant.actor,
    )
    return change.state == "done"


def _trial_extension(grant: Grant) -> bool:
    shown = survey.last_shown(grant.visit, grant.offer.key)
    assert shown is not None, "what is taken was shown"
    change = extend_trial(
        grant.subscription,
        dt.datetime.fromisoformat(shown["facts"]["ends_at"]),
        quote_id=redemptions.quote_id(grant.redemption),
        reason=grant.visit.reason,
        comment=grant.visit.comment,
        actor=grant.actor,
    )
    return change.state == "done"


def _pause(grant: Grant) -> bool:
    change = pause(grant.customer, grant.offer.months or 1, actor=grant.actor)
    return change.state in GRANTED


def _smaller_plan(grant: Grant) -> bool:
    change = downgrade(
        grant.customer,
        grant.offer.plan,
        reason=grant.visit.reason,
        comment=grant.visit.comment,
        actor=grant.actor,
    )
    return change.state in GRANTED


def _contact(grant: Grant) -> bool:
    return True


#: Kind of offer -> what grants it; says whether Stripe has it now.
GRANTS: t.Final[dict[str, c.Callable[[Grant], bool]]] = {
    "discount": _discount,
    "pause": _pause,
    "plan": _smaller_plan,
    "trial_extension": _trial_extension,
    "contact": _contact,
}
