"""What Stripe charges for units by a metered price, worked out as Stripe does.

Stripe's rules (docs.stripe.com/subscriptions/pricing-models/tiered-pricing): graduated tiers
charge each unit by its own tier, volume tiers all units by the tier of the last. The units of a
tier and its flat fee are lines of the invoice, and each is rounded by itself.
"""

from __future__ import annotations

import dataclasses
import math
import typing as t
from datetime import datetime
from decimal import Decimal
from fractions import Fraction

from .catalog_metered import MeteredPrice, Tier

_NOTHING: t.Final = Decimal(0)


@dataclasses.dataclass(frozen=True, slots=True)
class Part:
    """One line of the invoice: units at one amount, or the flat fee of a tier.

    :param units: how many; None for a flat fee.
    :param each: minor units for one unit, or the flat fee.
    :param amount: what the line comes to, in minor units.
    """

    units: int | None
    each: Decimal
    amount: int


@dataclasses.dataclass(frozen=True, slots=True)
class UsageCharge:
    """What Stripe would charge for a meter's usage as it stands, before tax and discounts.

    :param amount: minor units.
    :param units: smallest units that are billed: those that neither plan nor credits cover.
    :param price: what they cost.
    :param charged_at: when the invoice is made that charges them (UTC), where that is known.
    """

    amount: int
    currency: str
    units: int
    price: MeteredPrice
    charged_at: datetime | None


@dataclasses.dataclass(frozen=True, slots=True)
class NextTier:
    """Where other amounts begin than those of the units so far.

    :param beyond: the last unit at the amounts of now.
    """

    beyond: int
    tier: Tier


def charge(price: MeteredPrice, units: int) -> int:
    """What a number of billed units comes to, in minor units, before tax and discounts."""
    return sum(part.amount for part in parts(price, units))


def parts(price: MeteredPrice, units: int) -> list[Part]:
    """The lines that a number of billed units makes on the invoice.

    The first tier is reached without any unit, so that its flat fee is charged in any case.
    """
    if not price.tiers:
        return [_of_units(units, price.unit_amount)]

    if price.tiers_mode == "volume":
        return _of_tier(tier_of(price, units), units)

    found: list[Part] = []
    below = 0

    for tier in price.tiers:
        top = units if tier.up_to is None else min(units, tier.up_to)
        found += _of_tier(tier, top - below)
        below = top

        if below == units:
            break

    return found


def next_tier(price: MeteredPrice, units: int) -> NextTier | None:
    """What units come to beyond the tier that they are in; None where nothing changes."""
    for tier, following in zip(price.tiers, price.tiers[1:], strict=False):
        if tier.up_to is not None and units <= tier.up_to:
            return NextTier(tier.up_to, following)

    return None


def tier_of(price: MeteredPrice, units: int) -> Tier:
    """The tier that the last of so many billed units is in, of a price that has tiers."""
    return next(tier for tier in price.tiers if tier.up_to is None or units <= tier.up_to)


def _of_tier(tier: Tier, units: int) -> list[Part]:
    found = [_of_units(units, tier.unit_amount)]

    if tier.flat_amount is not None:
        found.append(Part(None, Decimal(tier.flat_amount), tier.flat_amount))

    return found


def _of_units(units: int, each: Decimal | None) -> Part:
    each = each if each is not None else _NOTHING
    return Part(units, each, _rounded(Fraction(each) * units))


def _rounded(amount: Fraction) -> int:
    """To the nearest minor unit, a half downward, as Stripe was seen to round lines."""
    return math.ceil(amount - Fraction(1, 2))
