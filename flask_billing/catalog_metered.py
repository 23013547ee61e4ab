"""Prices by use: what units beyond the included ones cost, beside what the plan costs.

Annotations are not postponed here: the fields are read by them.
"""

import typing as t
from decimal import Decimal

from .catalog_form import Part
from .catalog_values import Count, Key, Positive, Rate


class Tier(Part):
    """A stretch of billed units and what they cost."""

    #: The last billed unit it holds, counted from the first; left out of the last tier alone.
    up_to: Positive | None = None
    #: Minor units for one unit, as 2 or "0.002".
    unit_amount: Rate | None = None
    #: Minor units for the tier as a whole, once a unit of it is used; of the first in any case.
    flat_amount: Count | None = None


class MeteredPrice(Part):
    """What Stripe bills for the units of a meter that the plan and credits do not cover.

    By the interval and in the currency of the plan's price that it belongs to.
    """

    #: Key of the meter. The plan has an overage of it by the billing period.
    meter: Key
    #: Minor units for one unit, as 2 or "0.002", where there are no tiers.
    unit_amount: Rate | None = None
    #: What units cost the more there are of them, from the first billed one.
    tiers: tuple[Tier, ...] = ()
    #: "graduated" charges each unit by its own tier, "volume" all by the tier the last is in.
    tiers_mode: t.Literal["graduated", "volume"] = "graduated"

    @classmethod
    def at_overage_rate(cls, meter: str, rate: int) -> "MeteredPrice":
        """The same for a limit's ``overage_rate``: millionths of the minor unit for one unit."""
        return cls(meter=meter, unit_amount=Decimal(rate).scaleb(-6))
