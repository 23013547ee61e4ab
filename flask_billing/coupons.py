"""Discount offers as Stripe coupons: on what terms, and what they take off."""

from __future__ import annotations

from .catalog import Interval, Offer


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


def taken_off(offer: Offer, amount: int) -> int:
    """What a discount offer takes off an invoice line, in minor units.

    A percentage is rounded as Stripe does it: to the nearest, ties down.
    """
    if offer.percent_off is not None:
        return -((100 - 2 * amount * offer.percent_off) // 200)

    return min(offer.amount_off or 0, amount)
