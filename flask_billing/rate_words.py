"""What use beyond a plan costs, in words: "$60 per 1M tokens, after 3M more $45"."""

from __future__ import annotations

import typing as t
from decimal import Decimal

from . import formatting
from .catalog import MeteredPrice, Tier
from .state import state
from .translation import gettext as _

#: Units that a rate is told for: the first of them for which it is a whole amount.
_COUNTS: t.Final = (1, 1000, 10**6, 10**9)


def meter_inside(name: str) -> str:
    """A meter's name inside a sentence; abbreviations keep their capitals."""
    return name if name[:2].isupper() else name[:1].lower() + name[1:]


class RateWords:
    """The amounts of one price in words, all for the same number of units.

    :param currency: of the amounts.
    """

    def __init__(self, price: MeteredPrice, currency: str) -> None:
        self._price, self._currency = price, currency
        self._meter = state().catalog.meter(price.meter)
        self._tiers = price.tiers or (Tier(unit_amount=price.unit_amount),)
        rates = [self._shown(tier.unit_amount) for tier in self._tiers]
        whole = (n for n in _COUNTS if all(rate * n == int(rate * n) for rate in rates))
        self._count = next(whole, _COUNTS[-1])

    def all(self) -> str:
        """Every amount, one after the other."""
        first, *further = self._tiers
        found = [self.tier(first)]

        for before, tier in zip(self._tiers, further, strict=False):
            assert before.up_to is not None, "the last tier alone has no end"
            found.append(self.after(before.up_to, tier, short=bool(first.unit_amount)))

        return ", ".join(found)

    def brief(self) -> str:
        """The same in one phrase: of many tiers the first and the last."""
        first, last = self._tiers[0], self._tiers[-1]

        if len(self._tiers) < 3 or any(tier.flat_amount for tier in self._tiers):
            return self.all()

        return _(
            "%(first)s to %(last)s, by tiers",
            first=self.rate(first.unit_amount, short=True),
            last=self.rate(last.unit_amount),
        )

    def by_tier(self) -> list[tuple[str, str]]:
        """How many units each tier holds, counted from the first billed one, and their amount."""
        return [
            (
                _("Beyond that")
                if tier.up_to is None
                else _(
                    "Up to %(units)s",
                    units=formatting.exact(formatting.in_units(tier.up_to, self._meter)),
                ),
                self.tier(tier),
            )
            for tier in self._price.tiers
        ]

    def rate(self, each: Decimal | None, *, short: bool = False) -> str:
        """ "$60 per 1M tokens", "$0.05 per call"; in short the amount, for as many again."""
        price = formatting.rate(self._shown(each) * self._count, self._currency)

        if short:
            return price

        if self._count == 1:
            return _("%(price)s per %(unit)s", price=price, unit=self._meter.unit)

        return _(
            "%(price)s per %(count)s %(meter)s",
            price=price,
            count=(formatting.exact if self._count == 1000 else formatting.compact)(self._count),
            meter=meter_inside(self._meter.name),
        )

    def tier(self, tier: Tier) -> str:
        """An amount for each unit, for the tier as a whole, or both."""
        if not tier.flat_amount:
            return self.rate(tier.unit_amount)

        flat = formatting.rate(Decimal(tier.flat_amount), self._currency)

        if not tier.unit_amount:
            return flat

        return _("%(flat)s and %(rate)s", flat=flat, rate=self.rate(tier.unit_amount))

    def after(self, units: int, tier: Tier, *, short: bool = False) -> str:
        """What a tier costs, and after how many units it comes."""
        short = short and not tier.flat_amount
        rate = self.rate(tier.unit_amount, short=True) if short else self.tier(tier)
        left = formatting.compact(formatting.in_units(units, self._meter))
        told = {"units": left, "rate": rate}

        if self._price.tiers_mode == "volume":
            return _("after %(units)s more all of them %(rate)s", **told)

        return _("after %(units)s more %(rate)s", **told)

    def _shown(self, each: Decimal | None) -> Decimal:
        """What one unit costs as the meter is shown."""
        return (each or Decimal(0)) * self._meter.scale
