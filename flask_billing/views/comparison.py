"""The comparison table: what each plan includes, side by side."""

from __future__ import annotations

import collections.abc as c
import dataclasses

from ..catalog import Catalog, Interval, Limit, Plan
from ..translation import gettext as _
from . import limit_lines, usage_rates
from .usage_rates import UsageRate

#: What use costs while an interval is chosen; None is any interval.
Rates = c.Mapping[Interval | None, c.Sequence[UsageRate]]


@dataclasses.dataclass(frozen=True)
class Cell:
    """What one plan has of a row: a text, or whether it is included.

    :param rates: what use costs beyond it.
    """

    text: str = ""
    note: str = ""
    included: bool | None = None
    rates: Rates = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Row:
    """One thing that plans differ in."""

    name: str
    cells: c.Sequence[Cell]


def rows(
    plans: c.Sequence[Plan], catalog: Catalog, currency: str, intervals: c.Sequence[Interval]
) -> list[Row]:
    """Meters first, then the features that at least two plans speak of.

    :param currency: of what use costs beyond what is included.
    :param intervals: those that can be chosen.
    """
    rates = {plan.key: _rates(plan, currency, intervals) for plan in plans}
    meters = list(_meter_rows(plans, catalog, rates))
    return [*meters, *_feature_rows(plans, {row.name.casefold() for row in meters})]


def _rates(plan: Plan, currency: str, intervals: c.Sequence[Interval]) -> Rates:
    """A plan's rates by interval. One it is not sold by shows what its card shows then."""
    sold = [one for one in intervals if plan.price(one, currency) is not None] or intervals
    found: dict[Interval | None, c.Sequence[UsageRate]] = {
        one: usage_rates.of_plan(plan, one if one in sold else sold[0], currency)
        for one in intervals
    }
    every = list(found.values())
    return {None: every[0]} if every and every.count(every[0]) == len(every) else found


def _meter_rows(
    plans: c.Sequence[Plan], catalog: Catalog, rates: c.Mapping[str, Rates]
) -> c.Iterator[Row]:
    for meter in catalog.meters:
        cells = [_meter_cell(plan, meter.key, catalog, rates[plan.key]) for plan in plans]

        if any(cell.text != _("Not included") for cell in cells):
            yield Row(meter.name, cells)


def _meter_cell(plan: Plan, meter: str, catalog: Catalog, rates: Rates) -> Cell:
    limits: list[Limit] = [limit for limit in plan.limits if limit.meter == meter]

    if not limits:
        return Cell(_("Not included"))

    parts = [
        " ".join(filter(None, (limit_lines.amount(limit, catalog), limit_lines.window(limit))))
        for limit in limits[1:]
    ]
    first = limits[0]
    return Cell(
        limit_lines.amount(first, catalog),
        ", ".join(filter(None, [limit_lines.window(first), *parts])),
        rates={
            interval: [rate for rate in every if rate.meter == meter]
            for interval, every in rates.items()
        },
    )


def _feature_rows(plans: c.Sequence[Plan], said: set[str]) -> c.Iterator[Row]:
    names: dict[str, str] = {}
    mentions: dict[str, int] = {}

    for plan in plans:
        for feature in plan.features:
            identity = feature.key or feature.text
            names.setdefault(identity, feature.text)
            mentions[identity] = mentions.get(identity, 0) + 1

    for identity, name in names.items():
        if mentions[identity] > 1 and name.casefold() not in said:
            yield Row(name, [Cell(included=_includes(plan, identity)) for plan in plans])


def _includes(plan: Plan, identity: str) -> bool:
    return any(
        feature.included for feature in plan.features if (feature.key or feature.text) == identity
    )
