"""The offers for somebody who is leaving: at most two, with their exact terms."""

from __future__ import annotations

import dataclasses
import typing as t

from ..catalog import Offer
from ..database import reading
from ..models import Cancellation, Customer, Subscription
from ..state import state
from ..subscriptions.consequences import of_change
from . import eligibility, experiments, survey
from .terms import Terms, terms_of

#: Reasons that a downgrade speaks of by itself.
_DOWNGRADE: t.Final = frozenset(["too_expensive"])


@dataclasses.dataclass(frozen=True)
class Offered:
    """An offer with what it would mean for this customer.

    :param id: names it in its address: the visit and the offer.
    """

    id: str
    offer: Offer
    terms: Terms


def offers_for(
    customer: Customer, subscription: Subscription, visit: Cancellation
) -> list[Offered]:
    """The offers to show on this visit, the better first.

    There is one for the reason that was given, and at most one of another kind beside it.
    """
    if not eligibility.may_have_any(subscription):
        return []

    with reading() as connection:
        past = eligibility.past_of(connection, customer.id)

    found: list[Offered] = []

    for offer in state().catalog.offers:
        if len(found) == 2 or any(offer.kind == other.offer.kind for other in found):
            continue

        terms = terms_now(offer, subscription, past) if _fits(offer, subscription, visit) else None

        if terms is not None and not _is_too_small(terms, customer, subscription):
            found.append(Offered(survey.offer_id(visit, offer), offer, terms))

    return found


def terms_now(offer: Offer, subscription: Subscription, past: eligibility.Past) -> Terms | None:
    """The terms of an offer, or None where the rules do not let the customer have it now."""
    if not eligibility.may_have_any(subscription):
        return None

    if not eligibility.may_have(offer, subscription, past):
        return None

    return terms_of(offer, subscription)


def _is_too_small(terms: Terms, customer: Customer, subscription: Subscription) -> bool:
    """Whether a plan that is offered includes less than the customer has used already."""
    smaller = state().catalog.plan(terms.plan)

    if smaller is None:
        return False

    current = state().catalog.plan(subscription.plan or subscription.last_plan)
    return bool(of_change(customer, current, smaller).over_limits)


def _fits(offer: Offer, subscription: Subscription, visit: Cancellation) -> bool:
    """Whether an offer is for this visit: its plan, its reason and its arm of the experiment."""
    if offer.plans and (subscription.plan or subscription.last_plan) not in offer.plans:
        return False

    if visit.source == "downgrade":
        # Beside a smaller plan there is one thing to say: that this one can cost less.
        if offer.kind != "discount" or not eligibility.fits_reason(offer, _DOWNGRADE):
            return False
    elif not eligibility.fits_reason(offer, {visit.reason or ""}):
        return False

    return not survey.is_declined(visit, offer) and experiments.shown_to(
        offer, visit.variant, state().catalog
    )
