"""Discount offers as Stripe coupons: which coupon grants an offer, and on what terms."""

from __future__ import annotations

import hashlib

from .catalog import Interval, Offer


def coupon_id(offer: Offer, interval: Interval, currency: str) -> str:
    """The id of the Stripe coupon that grants a discount offer to a plan of that interval.

    Other terms are another coupon, because Stripe keeps a coupon's terms for good.

    :param currency: the catalog's, for an amount off that names none.
    """
    terms = ":".join(str(value) for value in coupon_terms(offer, interval, currency).values())
    return f"billing_{offer.key}_{hashlib.sha256(terms.encode()).hexdigest()[:12]}"


def coupon_terms(offer: Offer, interval: Interval, currency: str) -> dict[str, str | int]:
    """What a discount offer grants, in the parameters of a Stripe coupon.

    A yearly plan gets it on one renewal: a discount of some months would miss the renewal, or
    take a whole year.
    """
    terms: dict[str, str | int] = {}

    if offer.percent_off is not None:
        terms["percent_off"] = offer.percent_off
    elif offer.amount_off is not None:
        terms["amount_off"] = offer.amount_off
        terms["currency"] = offer.currency or currency

    if interval == "year":
        terms["duration"] = "once"
    elif offer.months is None:
        terms["duration"] = "forever"
    else:
        terms["duration"] = "repeating"
        terms["duration_in_months"] = offer.months

    return terms
