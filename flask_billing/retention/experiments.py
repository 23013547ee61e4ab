"""Who sees which offers while something is tried out."""

from __future__ import annotations

import hashlib
import typing as t

from ..catalog import Catalog, Experiment, Offer
from ..models import Customer

HOLDOUT: t.Final = "holdout"


def variant_of(customer: Customer, catalog: Catalog) -> str | None:
    """The arm a customer is in, as "size:thirty"; None where nothing is tried out.

    It follows from the customer and the experiment's key alone, so nobody changes arms between
    two visits, and another experiment mixes everybody anew.
    """
    experiment = catalog.experiment
    return None if experiment is None else f"{experiment.key}:{_arm(customer, experiment)}"


def shown_to(offer: Offer, variant: str | None, catalog: Catalog) -> bool:
    """Whether somebody in that arm may see an offer; what no arm names is for every arm."""
    if catalog.experiment is None or variant is None:
        return True

    if variant == f"{catalog.experiment.key}:{HOLDOUT}":
        return False

    arms = [
        f"{catalog.experiment.key}:{arm.key}"
        for arm in catalog.experiment.variants
        if offer.key in arm.offers
    ]
    return not arms or variant in arms


def _arm(customer: Customer, experiment: Experiment) -> str:
    drawn = hashlib.sha256(f"{experiment.key}:{customer.id}".encode()).digest()

    # From separate bytes, so that who is held out says nothing about the arm.
    if int.from_bytes(drawn[:8], "big") % 100 < experiment.holdout:
        return HOLDOUT

    share = int.from_bytes(drawn[8:16], "big") % sum(arm.weight for arm in experiment.variants)

    for arm in experiment.variants:
        share -= arm.weight

        if share < 0:
            return arm.key

    raise AssertionError("the weights add up")
