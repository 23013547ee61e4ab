"""Usage as a meter shows it: figure, level, state in words, and when it starts anew."""

from __future__ import annotations

import collections.abc as c
import dataclasses
import hashlib
import typing as t
from datetime import datetime

from .. import customers, formatting, metering
from ..catalog import Meter, MeteredPrice, Plan
from ..models import Customer
from ..state import state
from ..translation import gettext as _
from . import charge_words

if t.TYPE_CHECKING:
    from ..metering import Usage

#: A meter, an allowance without an end, one that is billed from the first unit on, or one the
#: plan does not have.
Shape = t.Literal["limited", "unlimited", "metered", "excluded"]

#: Shapes whose figure starts anew.
_RESETTING: t.Final = ("limited", "metered")


@dataclasses.dataclass(frozen=True)
class MeterView:
    """One meter, ready to be shown.

    :param figure: "7.2K of 10K".
    :param id: tells apart several windows of one meter.
    :param exact: the same in full, for screen readers and the title.
    :param level: ok, info, warn or crit: how it looks.
    :param word: which stop comes near, "Near limit"; None while all is well.
    :param beyond: that use goes on and is billed: "1,200 beyond the 10,000 included, billed at
        $2 per 1,000 API calls"; None short of that.
    :param period: "This month".
    :param reset: "Resets in 3 days (Dec 1, 00:00 UTC)"; None for what never does.
    :param suggestion: the plan to move to once it gets tight.
    :param held: "1.2K more are held for work in progress"; None where nothing is.
    :param credits: "Credits left: 300"; None where there are none.
    :param charge: "Estimated usage charge $12.40 so far"; None where nothing is charged.
    :param charge_note: what more costs: "after 3.8M more $6 per 1M tokens".
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
    beyond: str | None
    period: str
    reset: str | None
    resets_at: datetime | None
    suggestion: Plan | None = None
    plan_name: str | None = None
    held: str | None = None
    credits: str | None = None
    charge: str | None = None
    charge_note: str | None = None

    @property
    def spoken(self) -> str:
        """The bar as screen readers say it: the figure in full and what the level means."""
        said = (f"{self.exact} ({self.percent}%)", self.beyond, self.word)
        return ". ".join(part for part in said if part is not None)


def views_of(customer: Customer) -> list[MeterView]:
    """All meters of a customer, in one query."""
    found = metering.usages(customer)
    plan, currency = metering.plan_in_force(customer), customers.currency_of(customer)
    return [view_of(usage, plan, currency, timezone=customer.timezone) for usage in found]


def meter_of(customer: Customer, key: str) -> MeterView:
    """One meter of a customer, in the window that will stop use first."""
    usage = metering.usage(key, customer=customer)
    plan, currency = metering.plan_in_force(customer), customers.currency_of(customer)
    return view_of(usage, plan, currency, timezone=customer.timezone)


def view_of(
    usage: Usage, plan: Plan | None, currency: str, *, timezone: str | None = None
) -> MeterView:
    """One meter.

    :param plan: the customer's, to suggest a larger one.
    :param currency: what the customer pays in.
    """
    meter = state().catalog.meter(usage.meter)
    shape = _shape(usage)
    limit = usage.limit if shape == "limited" and usage.limit is not None else 0
    passed = usage.policy == "soft" and usage.is_beyond
    tight = shape == "limited" and (usage.colour == "crit" or passed)
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
        beyond=charge_words.beyond(usage, currency),
        period=_period(usage, shape),
        reset=_reset(usage, shape, timezone),
        resets_at=usage.resets_at if shape in _RESETTING else None,
        suggestion=state().catalog.next_plan(plan, meter.key) if tight else None,
        plan_name=plan.name if plan is not None else None,
        held=_held(usage, meter),
        credits=_credits(usage, meter),
        charge=charge_words.so_far(usage.estimated_charge) if usage.estimated_charge else None,
        charge_note=_charge_note(usage, currency),
    )


def version(meters: c.Sequence[MeterView]) -> str:
    """Changes when anything shown does, the passing of days included."""
    return hashlib.sha256(repr(meters).encode()).hexdigest()[:16]


def _shape(usage: Usage) -> Shape:
    if usage.unlimited:
        return "unlimited"

    if usage.included:
        return "limited"

    return "metered" if usage.goes_on else "excluded"


def _figure(usage: Usage, meter: Meter, shape: Shape, written: c.Callable[[t.Any], str]) -> str:
    used = written(formatting.in_units(usage.used, meter))

    if shape in ("unlimited", "metered"):
        return _("%(used)s used", used=used)

    limit = written(formatting.in_units(usage.limit or 0, meter))

    return _("%(used)s of %(limit)s", used=used, limit=limit)


def _word(usage: Usage, meter: Meter, shape: Shape) -> str | None:
    if usage.goes_on:
        return _word_of_cap(usage, meter)

    if shape != "limited" or usage.limit is None:
        return None

    if not usage.is_beyond:
        return {"warn": _("Near limit"), "crit": _("Almost at your limit")}.get(usage.colour)

    soft = usage.policy == "soft"

    if not usage.over:
        return _("Limit reached, and you can go on") if soft else _("Limit reached")

    text = _("Over by %(amount)s, and you can go on") if soft else _("Over by %(amount)s")
    return text % {"amount": formatting.compact(formatting.in_units(usage.over, meter))}


def _word_of_cap(usage: Usage, meter: Meter) -> str | None:
    """Where use goes on beyond what is included, but not for ever."""
    if usage.stops_at is None or usage.colour not in ("warn", "crit"):
        return None

    if usage.counted >= usage.stops_at:
        text = _("Limit of %(most)s reached")
    elif usage.colour == "crit":
        text = _("Almost at the limit of %(most)s")
    else:
        text = _("Near the limit of %(most)s")

    return text % {"most": formatting.exact(formatting.in_units(usage.stops_at, meter))}


def _charge_note(usage: Usage, currency: str) -> str | None:
    """What further units cost, unless :func:`charge_words.beyond` says it."""
    charge = usage.estimated_charge

    if charge is None:
        if not usage.goes_on or usage.overage_rate is None or usage.is_beyond or not usage.limit:
            return None

        rate = MeteredPrice.at_overage_rate(usage.meter, usage.overage_rate)
        return charge_words.then(rate, currency)

    at_one_rate = not charge.price.tiers and charge.units >= usage.over
    told = usage.goes_on and at_one_rate and (charge.units > 0 or usage.limit == 0)
    return None if told else charge_words.from_here(charge)


def _held(usage: Usage, meter: Meter) -> str | None:
    if usage.reserved <= 0:
        return None

    held = formatting.compact(formatting.in_units(usage.reserved, meter))
    return _("%(amount)s more held for work in progress", amount=held)


def _credits(usage: Usage, meter: Meter) -> str | None:
    if usage.credits <= 0:
        return None

    left = formatting.compact(formatting.in_units(usage.credits, meter))
    return _("Credits left: %(amount)s", amount=left)


def _period(usage: Usage, shape: Shape) -> str:
    if shape == "unlimited":
        return _("Unlimited")

    if shape == "excluded":
        return ""

    match usage.window:
        case "hour":
            return _("This hour")
        case "day":
            return _("Today")
        case "week":
            return _("This week")
        case "month":
            return _("This month")
        case "billing_period":
            return _("This billing period")
        case "lifetime":
            return _("One-time allowance")
        case _unknown:
            return ""


def _reset(usage: Usage, shape: Shape, timezone: str | None) -> str | None:
    if shape not in _RESETTING or not usage.has_reset or usage.resets_at is None:
        return None

    return _(
        "Resets %(relative)s (%(moment)s)",
        relative=formatting.until(usage.resets_at),
        moment=formatting.short_moment(usage.resets_at, timezone),
    )
