"""Usage as a meter shows it: figure, level, state in words, and when it starts anew."""

from __future__ import annotations

import collections.abc as c
import dataclasses
import hashlib
import typing as t
from datetime import datetime

from .. import metering
from ..catalog import Meter, Plan
from ..models import Customer
from ..state import state
from ..translation import gettext as _
from . import formatting

if t.TYPE_CHECKING:
    from ..metering import Usage

#: A meter, an allowance without an end, or one the plan does not have.
Shape = t.Literal["limited", "unlimited", "excluded"]


@dataclasses.dataclass(frozen=True)
class MeterView:
    """One meter, ready to be shown.

    :param figure: "7.2K of 10K".
    :param id: tells apart several windows of one meter.
    :param exact: the same in full, for screen readers and the title.
    :param level: ok, warn or crit: how it looks.
    :param word: what the level means, "Near limit"; None while all is well.
    :param period: "This month".
    :param reset: "Resets in 3 days (Dec 1, 00:00 UTC)"; None for what never does.
    :param suggestion: the plan to move to once it gets tight.
    :param held: "1.2K more are held for work in progress"; None where nothing is.
    :param plan_name: the plan it is not included in, where that is its shape.
    """

    id: str
    key: str
    name: str
    shape: Shape
    used: int
    limit: int
    figure: str
    exact: str
    percent: int
    level: str
    word: str | None
    period: str
    reset: str | None
    resets_at: datetime | None
    suggestion: Plan | None = None
    plan_name: str | None = None
    held: str | None = None


def views_of(customer: Customer) -> list[MeterView]:
    """All meters of a customer, in one query."""
    found = metering.usages(customer)
    plan = metering.plan_in_force(customer)
    return [view_of(usage, plan, timezone=customer.timezone) for usage in found]


def meter_of(customer: Customer, key: str) -> MeterView:
    """One meter of a customer, in the window nearest its limit."""
    usage = metering.usage(key, customer=customer)
    return view_of(usage, metering.plan_in_force(customer), timezone=customer.timezone)


def view_of(usage: Usage, plan: Plan | None, *, timezone: str | None = None) -> MeterView:
    """One meter.

    :param plan: the customer's, to suggest a larger one.
    """
    meter = state().catalog.meter(usage.meter)
    shape = _shape(usage)
    limit = usage.limit if shape == "limited" and usage.limit is not None else 0
    tight = shape == "limited" and usage.colour == "crit"
    return MeterView(
        id=f"{meter.key}-{usage.window}",
        key=meter.key,
        name=meter.name,
        shape=shape,
        used=usage.used,
        limit=limit,
        figure=_figure(usage, meter, shape, formatting.compact),
        exact=_figure(usage, meter, shape, formatting.exact),
        percent=usage.percent or 0,
        level=usage.colour,
        word=_word(usage, meter, shape),
        period=_period(usage, shape),
        reset=_reset(usage, shape, timezone),
        resets_at=usage.resets_at if shape == "limited" else None,
        suggestion=state().catalog.next_plan(plan, meter.key) if tight else None,
        plan_name=plan.name if plan is not None else None,
        held=_held(usage, meter),
    )


def version(meters: c.Sequence[MeterView]) -> str:
    """Changes when anything shown does, the passing of days included."""
    return hashlib.sha256(repr(meters).encode()).hexdigest()[:16]


def _shape(usage: Usage) -> Shape:
    if usage.unlimited:
        return "unlimited"

    return "limited" if usage.included else "excluded"


def _figure(usage: Usage, meter: Meter, shape: Shape, written: c.Callable[[t.Any], str]) -> str:
    used = written(formatting.in_units(usage.used, meter))

    if shape == "unlimited":
        return _("%(used)s used", used=used)

    limit = written(formatting.in_units(usage.limit or 0, meter))
    return _("%(used)s of %(limit)s", used=used, limit=limit)


def _word(usage: Usage, meter: Meter, shape: Shape) -> str | None:
    if shape != "limited" or usage.limit is None:
        return None

    over = usage.used - usage.limit

    if over > 0:
        return _("Over by %(amount)s", amount=formatting.compact(formatting.in_units(over, meter)))

    if over == 0:
        return _("Limit reached")

    return {"warn": _("Near limit"), "crit": _("Almost at your limit")}.get(usage.colour)


def _held(usage: Usage, meter: Meter) -> str | None:
    if usage.reserved <= 0:
        return None

    held = formatting.compact(formatting.in_units(usage.reserved, meter))
    return _("%(amount)s more held for work in progress", amount=held)


def _period(usage: Usage, shape: Shape) -> str:
    if shape == "unlimited":
        return _("Unlimited")

    if shape == "excluded":
        return ""

    return {
        "hour": _("This hour"),
        "day": _("Today"),
        "week": _("This week"),
        "month": _("This month"),
        "billing_period": _("This billing period"),
        "lifetime": _("One-time allowance"),
    }.get(usage.window or "", "")


def _reset(usage: Usage, shape: Shape, timezone: str | None) -> str | None:
    if shape != "limited" or not usage.has_reset or usage.resets_at is None:
        return None

    return _(
        "Resets %(relative)s (%(moment)s)",
        relative=formatting.until(usage.resets_at),
        moment=formatting.short_moment(usage.resets_at, timezone),
    )
