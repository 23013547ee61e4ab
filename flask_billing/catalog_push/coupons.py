"""Discount offers as Stripe coupons."""

from __future__ import annotations

import collections.abc as c
import typing as t

from ..catalog import Catalog, Offer
from ..coupons import coupon_id, coupon_terms
from .steps import Body, Step, conflict, create, differing, get, update

#: Stripe refuses longer ones.
_NAME_LENGTH: t.Final = 40


def coupon_steps(catalog: Catalog, offer: Offer) -> c.Iterator[Step]:
    """What differs from the coupons that grant an offer, one for each way of paying."""
    if offer.kind != "discount":
        return

    plans = [plan for plan in catalog.plans if not offer.plans or plan.key in offer.plans]
    intervals = sorted({price.interval for plan in plans for price in plan.prices})
    made: set[str] = set()

    for interval in intervals:
        id_ = coupon_id(offer, interval, catalog.currency)

        if id_ not in made:
            made.add(id_)
            yield from _coupon(offer, id_, coupon_terms(offer, interval, catalog.currency))


def _coupon(offer: Offer, id_: str, terms: dict[str, str | int]) -> c.Iterator[Step]:
    wanted: Body = {
        "name": (offer.title or offer.key)[:_NAME_LENGTH],
        "metadata": {"billing_offer": offer.key},
    }
    found = get(f"/v1/coupons/{id_}")

    if found is None:
        yield create("coupon", id_, "/v1/coupons", {"id": id_, **terms, **wanted})
        return

    if wrong := sorted(differing(found, terms)):
        yield conflict("coupon", id_, f"{', '.join(wrong)} differ at Stripe; delete it there")

    if changed := differing(found, wanted):
        yield update("coupon", id_, f"/v1/coupons/{id_}", changed)
