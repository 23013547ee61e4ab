"""A plan's limits in words: "2M tokens per billing period"."""

from __future__ import annotations

from ..catalog import Catalog, Limit, Plan
from ..translation import gettext as _
from . import formatting


def amount(limit: Limit, catalog: Catalog) -> str:
    """How much: "2M", "Unlimited" or "Not included"."""
    if limit.unlimited:
        return _("Unlimited")

    if limit.included == 0 and limit.policy not in ("overage", "credits"):
        return _("Not included")

    return formatting.compact(formatting.in_units(limit.included, catalog.meter(limit.meter)))


def window(limit: Limit) -> str:
    """How often it starts anew: "a month", "one time"."""
    if limit.unlimited or limit.included == 0:
        return ""

    return {
        "hour": _("an hour"),
        "day": _("a day"),
        "week": _("a week"),
        "month": _("a month"),
        "billing_period": _("a month"),
        "lifetime": _("one time"),
    }[limit.window]


def meter_inside(name: str) -> str:
    """A meter's name inside a sentence; abbreviations keep their capitals."""
    return name if name[:2].isupper() else name[:1].lower() + name[1:]


def line(limit: Limit, catalog: Catalog) -> str:
    """The limit as one line of a card: "2M tokens a month"."""
    name = meter_inside(catalog.meter(limit.meter).name)

    if limit.unlimited:
        return _("Unlimited %(meter)s", meter=name)

    return _(
        "%(amount)s %(meter)s %(window)s",
        amount=amount(limit, catalog),
        meter=name,
        window=window(limit),
    )


def lines(plan: Plan, catalog: Catalog) -> list[str]:
    """The limits a card shows, at most five, without those that include nothing.

    Where the plan's feature list states one, its words are used.
    """
    own = {feature.text.casefold(): feature.text for feature in plan.features if feature.included}
    shown = [limit for limit in plan.limits if limit.included != 0][:5]
    return [
        own.get(line(limit, catalog).casefold())
        or own.get(_without_window(limit, catalog).casefold())
        or line(limit, catalog)
        for limit in shown
    ]


def _without_window(limit: Limit, catalog: Catalog) -> str:
    return f"{amount(limit, catalog)} {meter_inside(catalog.meter(limit.meter).name)}"
