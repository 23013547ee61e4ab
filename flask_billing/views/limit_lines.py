"""A plan's limits in words: "2M tokens per billing period"."""

from __future__ import annotations

import collections.abc as c

from .. import formatting
from ..catalog import Catalog, Limit, Plan
from ..rate_words import meter_inside as meter_inside
from ..translation import gettext as _


def amount(limit: Limit, catalog: Catalog) -> str:
    """How much: "2M", "Unlimited", "Billed by use" or "Not included"."""
    if limit.unlimited:
        return _("Unlimited")

    if is_by_use(limit):
        return _("Billed by use")

    if limit.included == 0 and limit.policy != "credits":
        return _("Not included")

    return formatting.compact(formatting.in_units(limit.included, catalog.meter(limit.meter)))


def is_by_use(limit: Limit) -> bool:
    """Whether nothing is included and yet all that is asked for is sold."""
    return limit.included == 0 and limit.policy == "overage"


def window(limit: Limit) -> str:
    """How often it starts anew, and for whom: "a month", "one time", "a day for each member"."""
    if limit.unlimited or limit.included == 0:
        return ""

    if limit.scope == "member":
        return _("%(window)s for each member", window=_often(limit))

    return _often(limit)


def _often(limit: Limit) -> str:
    match limit.window:
        case "hour":
            return _("an hour")
        case "day":
            return _("a day")
        case "week":
            return _("a week")
        case "month" | "billing_period":
            return _("a month")
        case "lifetime":
            return _("one time")


def line(limit: Limit, catalog: Catalog) -> str:
    """The limit as one line of a card: "2M tokens a month"."""
    name = meter_inside(catalog.meter(limit.meter).name)

    if limit.unlimited:
        return _("Unlimited %(meter)s", meter=name)

    if is_by_use(limit):
        return _("%(meter)s billed by use", meter=catalog.meter(limit.meter).name)

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
    shown = [limit for limit in plan.limits if limit.included != 0 or is_by_use(limit)][:5]
    return [_in_words_of(own, limit, catalog) for limit in shown]


def _in_words_of(own: c.Mapping[str, str], limit: Limit, catalog: Catalog) -> str:
    said = line(limit, catalog)
    return own.get(said.casefold()) or own.get(_without_window(limit, catalog).casefold()) or said


def _without_window(limit: Limit, catalog: Catalog) -> str:
    return f"{amount(limit, catalog)} {meter_inside(catalog.meter(limit.meter).name)}"
