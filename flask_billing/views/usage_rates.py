"""What use costs beyond what a plan includes, as plans are compared, chosen and changed."""

from __future__ import annotations

import collections.abc as c
import dataclasses

from ..catalog import Limit, MeteredPrice, Plan
from ..rate_words import RateWords
from ..state import state
from ..translation import gettext as _
from . import limit_lines


@dataclasses.dataclass(frozen=True)
class UsageRate:
    """What a plan charges for one meter, in one interval and currency.

    :param meter: its key.
    :param name: its name.
    :param rate: "$2 per 1,000 API calls, after 50K more $1.50"; many tiers in brief.
    :param then: the rate as it follows what is included: "then $2 per 1,000 API calls".
    :param beyond: what it is charged for: "Plus use beyond 10K API calls a month".
    :param plus: both, as it follows the plan's price: "Plus use beyond 10K API calls a month: $2".
    :param tiers: how many units, and their amount; empty where all cost the same.
    :param tiers_note: what the tiers are of.
    """

    meter: str
    name: str
    rate: str
    then: str
    beyond: str
    plus: str
    tiers: c.Sequence[tuple[str, str]]
    tiers_note: str


def of_plan(plan: Plan, interval: str, currency: str) -> tuple[UsageRate, ...]:
    """The rates of who pays by that interval, in the order of the plan's limits."""
    prices = [(limit, plan.price_beyond(limit, interval, currency)) for limit in plan.limits]
    return tuple(_shown(limit, price, currency) for limit, price in prices if price is not None)


def _shown(limit: Limit, price: MeteredPrice, currency: str) -> UsageRate:
    catalog, words = state().catalog, RateWords(price, currency)
    name, rate = catalog.meter(limit.meter).name, words.brief()

    if limit.included:
        included = limit_lines.line(limit, catalog)
        then = _("then %(rate)s", rate=rate)
        beyond = _("Plus use beyond %(included)s", included=included)
        plus = _("Plus use beyond %(included)s: %(rate)s", included=included, rate=rate)
    else:
        meter = limit_lines.meter_inside(name)
        then = rate
        beyond = _("Plus use of %(meter)s", meter=meter)
        plus = _("Plus use of %(meter)s: %(rate)s", meter=meter, rate=rate)

    return UsageRate(limit.meter, name, rate, then, beyond, plus, words.by_tier(), _note(price))


def _note(price: MeteredPrice) -> str:
    if price.tiers_mode == "volume":
        return _("All units that are billed cost what the tier of the last one says.")

    return _("Counted from the first unit that is billed.")
