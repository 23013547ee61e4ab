"""The comparison table: what each plan includes, side by side."""

from __future__ import annotations

import collections.abc as c
import dataclasses

from ..catalog import Catalog, Limit, Plan
from ..translation import gettext as _
from . import limit_lines


@dataclasses.dataclass(frozen=True)
class Cell:
    """What one plan has of a row: a text, or whether it is included."""

    text: str = ""
    note: str = ""
    included: bool | None = None


@dataclasses.dataclass(frozen=True)
class Row:
    """One thing that plans differ in."""

    name: str
    cells: c.Sequence[Cell]


def rows(plans: c.Sequence[Plan], catalog: Catalog) -> list[Row]:
    """Meters first, then the features that at least two plans speak of."""
    meters = list(_meter_rows(plans, catalog))
    return [*meters, *_feature_rows(plans, {row.name.casefold() for row in meters})]


def _meter_rows(plans: c.Sequence[Plan], catalog: Catalog) -> c.Iterator[Row]:
    for meter in catalog.meters:
        cells = [_meter_cell(plan, meter.key, catalog) for plan in plans]

        if any(cell.text != _("Not included") for cell in cells):
            yield Row(meter.name, cells)


def _meter_cell(plan: Plan, meter: str, catalog: Catalog) -> Cell:
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
