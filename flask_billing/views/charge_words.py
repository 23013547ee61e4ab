"""What use beyond a plan comes to, in words: "Estimated usage charge $12.40 so far"."""

from __future__ import annotations

import typing as t

from .. import formatting
from ..catalog import MeteredPrice
from ..rate_words import RateWords
from ..state import state
from ..translation import gettext as _
from ..usage_charge import UsageCharge, next_tier, tier_of

if t.TYPE_CHECKING:
    from ..metering import Usage


def then(price: MeteredPrice, currency: str) -> str:
    """All amounts of a price, as they follow what is included."""
    return _("then %(rate)s", rate=RateWords(price, currency).all())


def so_far(charge: UsageCharge) -> str | None:
    """ "Estimated usage charge $12.40 so far"; None before anything is charged."""
    if not charge.units and not charge.amount:
        return None

    amount = formatting.price(charge.amount, charge.currency)
    return _("Estimated usage charge %(amount)s so far", amount=amount)


def from_here(charge: UsageCharge) -> str:
    """What further units cost, or what the next tier does and how far away it is."""
    price, words = charge.price, RateWords(charge.price, charge.currency)
    following = next_tier(price, charge.units)

    if not charge.units:
        return then(price, charge.currency)

    if following is not None:
        return words.after(following.beyond - charge.units, following.tier)

    each = price.tiers[-1].unit_amount if price.tiers else price.unit_amount
    return _("%(rate)s from here on", rate=words.rate(each))


def beyond(usage: Usage, currency: str) -> str | None:
    """ "1,200 beyond the 10,000 included, billed at $2 per 1,000 API calls".

    None while nothing beyond a limit is used, and where use stops at it.

    :param currency: of an ``overage_rate``.
    """
    if not usage.goes_on or not (usage.is_beyond or usage.limit == 0):
        return None

    parts = [_used(usage), _billed(usage, currency), _most(usage)]
    return ", ".join(part for part in parts if part is not None)


def _used(usage: Usage) -> str:
    if usage.limit == 0:
        return _("None included")

    included = _exact(usage.limit or 0, usage)

    if not usage.over:
        return _("All %(included)s included are used", included=included)

    return _(
        "%(over)s beyond the %(included)s included",
        over=_exact(usage.over, usage),
        included=included,
    )


def _billed(usage: Usage, currency: str) -> str | None:
    """How the units beyond are billed. Those before another plan began may not be."""
    charge = usage.estimated_charge

    if charge is not None and charge.units < usage.over:
        return _("%(units)s of them billed", units=_exact(charge.units, usage))

    if charge is not None:
        return _at(charge.price, charge.currency, charge.units)

    if usage.overage_rate is not None:
        rate = MeteredPrice.at_overage_rate(usage.meter, usage.overage_rate)
        return _at(rate, currency, usage.over)

    return _("not charged")


def _at(price: MeteredPrice, currency: str, units: int) -> str:
    words = RateWords(price, currency)

    if not price.tiers:
        return _("billed at %(rate)s", rate=words.rate(price.unit_amount))

    tier = tier_of(price, units)

    if price.tiers_mode == "graduated" and tier is not price.tiers[0]:
        return _("billed by tiers")

    return _("billed at %(rate)s", rate=words.tier(tier))


def _most(usage: Usage) -> str | None:
    """Where use stops, while that is far away."""
    if usage.stops_at is None or usage.colour != "info":
        return None

    return _("up to %(most)s in all", most=_exact(usage.stops_at, usage))


def _exact(units: int, usage: Usage) -> str:
    return formatting.exact(formatting.in_units(units, state().catalog.meter(usage.meter)))
