"""What the usage page reports of a period: totals, bars per day, and a table of what made them."""

from __future__ import annotations

import collections.abc as c
import dataclasses
import functools
import hashlib
import operator
import typing as t
from datetime import date

from .. import customers, formatting
from ..catalog import Meter
from ..metering import UsageSum
from ..metering.period_sums import PeriodSums
from ..models import Customer
from ..state import state
from ..translation import gettext as _
from . import periods, usage_chart, usage_rows
from .periods import Period, UnclearPeriodError
from .usage_chart import Chart
from .usage_rows import Group, day_of, said

#: The metric that is money, beside the catalog's meters.
COST: t.Final = "cost"
#: Series that have a colour of their own; the rest is one.
_SERIES: t.Final = 6
_MILLION: t.Final = 1_000_000
_figures: t.Final = operator.attrgetter("events", "input_tokens", "output_tokens", "cost_total")


@dataclasses.dataclass(frozen=True)
class Card:
    """One total.

    :param change: "12% more than before"; None where there was nothing before.
    :param projection: "About 9.2K by Dec 1", while the period runs.
    """

    name: str
    figure: str
    exact: str
    change: str | None
    projection: str | None


@dataclasses.dataclass(frozen=True)
class Line:
    """One row of the table; ``depth`` 1 stands below a provider."""

    name: str
    depth: int
    calls: str
    amount: str
    input_tokens: str
    output_tokens: str
    cost: str
    share: str


@dataclasses.dataclass(frozen=True)
class Report:
    """A period of usage, ready to be shown.

    :param metric: a meter's key, or ``cost``.
    :param empty: "first" where nothing was ever used, "period" where nothing was in it.
    """

    period: Period
    group: Group
    metric: str
    metric_name: str
    cards: tuple[Card, ...]
    chart: Chart | None
    lines: tuple[Line, ...]
    total: str
    has_cost: bool
    empty: t.Literal["first", "period"] | None
    measure: Measure

    @property
    def version(self) -> str:
        """Changes when anything shown does."""
        bars = self.chart and (self.chart.names, self.chart.amounts)
        shown = (self.period, self.group, self.metric, self.cards, bars, self.lines)
        return hashlib.sha256(repr(shown).encode()).hexdigest()[:16]

    @property
    def arguments(self) -> dict[str, str]:
        """The query that asks for this report again."""
        asked = {"period": self.period.key, "group": self.group, "metric": self.metric}

        if self.period.key == "custom":
            asked |= {"from": self.period.first.isoformat(), "to": self.period.last.isoformat()}

        return asked


@dataclasses.dataclass(frozen=True)
class Measure:
    """How amounts of a metric are read from rows and written."""

    metric: str
    currency: str

    def of(self, row: UsageSum) -> int:
        """The row's amount of it."""
        if self.metric == COST:
            return row.cost_total

        return row.quantity if said(row, "meter") == self.metric else 0

    def short(self, amount: int) -> str:
        """The amount, short."""
        if self.metric == COST:
            return self.money(amount)

        return formatting.compact(self._units(amount))

    def exact(self, amount: int) -> str:
        """The amount, in full."""
        return self.money(amount) if self.metric == COST else formatting.exact(self._units(amount))

    def money(self, micro: int) -> str:
        """A cost; what is less than the smallest coin says so."""
        if 0 < micro < _MILLION:
            return _("under %(amount)s", amount=formatting.price(1, self.currency))

        return formatting.price((micro + _MILLION // 2) // _MILLION, self.currency)

    def _units(self, amount: int) -> t.Any:
        return formatting.in_units(amount, self._meter)

    @functools.cached_property
    def _meter(self) -> Meter:
        return state().catalog.meter(self.metric)


def groups() -> dict[Group, str]:
    """What the filter offers; by member only where the host tells who acts."""
    found: dict[Group, str] = {
        "model": _("Model"),
        "provider": _("Provider"),
        "endpoint": _("Endpoint"),
    }

    if state().hooks.member is not None:
        found["member"] = _("Member")

    return found


def metrics(*, cost: bool) -> dict[str, str]:
    """What the filter offers: the meters, and cost where any was recorded."""
    found = {meter.key: meter.name for meter in state().catalog.meters}
    return found | {COST: _("Estimated cost")} if cost and COST not in found else found


def report(customer: Customer, arguments: c.Mapping[str, str]) -> Report:
    """The report that a request's arguments ask for.

    :raises UnclearPeriodError: for arguments that name nothing there is.
    """
    period = periods.chosen(customer, arguments)
    known = metrics(cost=True)
    metric = arguments.get("metric") or next(iter(known))
    group = arguments.get("group") or "model"

    if metric not in known or group not in groups():
        raise UnclearPeriodError(_("There is no such report. Choose from the lists."))

    measure = Measure(metric, customers.currency_of(customer))
    found = usage_rows.read(customer, period)
    rows = found.days
    shown = [row for row in rows if measure.of(row)]
    return Report(
        period,
        group,
        metric,
        known[metric],
        tuple(_cards(period, found, measure.currency)),
        _chart(shown, period, group, measure) if shown else None,
        tuple(_lines(shown, group, measure)),
        measure.exact(sum(map(measure.of, shown))),
        any(row.cost_total for row in rows),
        None if shown else "period" if rows or usage_rows.ever(customer) else "first",
        measure,
    )


def _cards(period: Period, found: PeriodSums, currency: str) -> c.Iterator[Card]:
    rows, before = found.days, found.before
    costs = sum(one.cost_total for one in before.values())

    for metric, name in metrics(cost=any(row.cost_total for row in rows) or costs > 0).items():
        measure = Measure(metric, currency)
        total = sum(map(measure.of, rows))
        earlier = costs if metric == COST else _quantity(before.get(metric))

        if total or earlier:
            yield Card(
                name,
                measure.short(total),
                measure.exact(total),
                _change(total, earlier),
                _projection(period, total, measure),
            )


def _quantity(one: UsageSum | None) -> int:
    return 0 if one is None else one.quantity


def _change(total: int, earlier: int) -> str | None:
    if earlier <= 0:
        return None

    percent = 100 * abs(total - earlier) // earlier

    if percent == 0:
        return _("As much as before")

    if total > earlier:
        return _("%(percent)s%% more than before", percent=formatting.exact(percent))

    return _("%(percent)s%% less than before", percent=formatting.exact(percent))


def _projection(period: Period, total: int, measure: Measure) -> str | None:
    if not period.running or total <= 0:
        return None

    return _(
        "About %(amount)s by %(day)s",
        amount=measure.short(total * period.days // period.elapsed),
        day=formatting.short_day(period.last),
    )


def _chart(rows: c.Sequence[UsageSum], period: Period, group: Group, measure: Measure) -> Chart:
    used = [(_name(row, group), day_of(row), measure.of(row)) for row in rows]
    sums: dict[str, int] = {}

    for name, _day, amount in used:
        sums[name] = sums.get(name, 0) + amount

    largest = sorted(sums, key=lambda name: (-sums[name], name))
    # One too many would be alone in "Other".
    own = largest if len(largest) <= _SERIES + 1 else largest[:_SERIES]
    series: dict[str, dict[date, int]] = {name: {} for name in own}

    for name, day, amount in used:
        daily = series.setdefault(name if name in own else _("Other"), {})
        daily[day] = daily.get(day, 0) + amount

    return usage_chart.chart(period.first, period.last, series, period.today, measure.exact)


def _lines(rows: c.Sequence[UsageSum], group: Group, measure: Measure) -> c.Iterator[Line]:
    whole = sum(map(measure.of, rows))

    if group != "model":
        for name, part in _parts(rows, lambda row: _name(row, group)):
            yield _line(name, 0, part, whole, measure)

        return

    for provider, part in _parts(rows, lambda row: _name(row, "provider")):
        yield _line(provider, 0, part, whole, measure)

        if any(said(row, "model") for row in part):
            for model, own in _parts(part, lambda row: _name(row, "model")):
                yield _line(model, 1, own, whole, measure)


def _parts(
    rows: c.Sequence[UsageSum], name: c.Callable[[UsageSum], str]
) -> list[tuple[str, list[UsageSum]]]:
    """The rows by name, what comes to the most first."""
    found: dict[str, list[UsageSum]] = {}

    for row in rows:
        found.setdefault(name(row), []).append(row)

    return sorted(found.items(), key=lambda item: -sum(row.quantity for row in item[1]))


def _line(name: str, depth: int, rows: c.Sequence[UsageSum], whole: int, measure: Measure) -> Line:
    amount = sum(map(measure.of, rows))
    percent = 100 * amount // whole if whole > 0 else 0
    calls, input_tokens, output_tokens, cost = map(sum, zip(*map(_figures, rows), strict=True))
    return Line(
        name,
        depth,
        formatting.exact(calls),
        measure.exact(amount),
        formatting.exact(input_tokens),
        formatting.exact(output_tokens),
        measure.money(cost),
        f"{formatting.exact(percent)}%",
    )


def _name(row: UsageSum, group: Group) -> str:
    found = said(row, group)

    if found:
        return found

    if group == "model":
        return said(row, "provider") or _("No model")

    if group == "provider":
        return _("No provider")

    return _("No endpoint") if group == "endpoint" else _("Nobody in particular")
