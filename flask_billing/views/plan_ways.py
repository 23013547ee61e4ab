"""What someone who has a plan can do about each of the others: upgrade, downgrade, switch."""

from __future__ import annotations

import collections.abc as c
import dataclasses

from flask import url_for

from .. import formatting
from ..catalog import Interval, Plan
from ..models import Subscription
from ..translation import gettext as _
from .visitor import Visitor


@dataclasses.dataclass(frozen=True)
class Way:
    """One button of a plan card.

    :param url: None where there is nothing to do.
    :param current: whether it is what the customer has.
    :param less: whether it leads to less than they have.
    """

    label: str
    url: str | None = None
    current: bool = False
    less: bool = False


def ways(
    plan: Plan, visitor: Visitor | None, intervals: c.Iterable[Interval]
) -> dict[Interval, Way]:
    """The buttons of a plan for someone with a live subscription, by interval."""
    if visitor is None or visitor.live is None:
        return {}

    return {interval: _way(plan, interval, visitor, visitor.live) for interval in intervals}


def _way(plan: Plan, interval: Interval, visitor: Visitor, live: Subscription) -> Way:
    pending = visitor.change

    if visitor.plan == plan and live.interval == interval:
        if live.cancel_at is not None:
            return Way(_("Keep %(plan)s", plan=plan.name), url_for("billing.cancel.page"))

        return Way(_("Current plan"), current=True)

    if pending is not None and (pending.to_plan, pending.to_interval) == (plan.key, interval):
        if pending.effective_at is None:
            return Way(_("Confirm payment"), url_for("billing.change.done"))

        return Way(_("Starts %(date)s", date=formatting.day(pending.effective_at)))

    label, less = _label(plan, interval, visitor)
    url = url_for("billing.change.page", plan=plan.key, interval=interval)
    return Way(label, url, less=less)


def _label(plan: Plan, interval: Interval, visitor: Visitor) -> tuple[str, bool]:
    current = visitor.plan

    if current == plan:
        yearly = interval == "year"
        return (_("Switch to yearly") if yearly else _("Switch to monthly")), not yearly

    if current is None or plan.rank == current.rank:
        return _("Switch to %(plan)s", plan=plan.name), False

    if plan.rank > current.rank:
        return _("Upgrade to %(plan)s", plan=plan.name), False

    return _("Downgrade to %(plan)s", plan=plan.name), True
