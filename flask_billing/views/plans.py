"""P1, the plans page."""

from __future__ import annotations

import collections.abc as c

from flask import Response, request
from flask.typing import ResponseReturnValue

from .. import customers, formatting
from ..catalog import INTERVALS, Interval, Plan
from ..state import state
from ..translation import gettext as _
from . import comparison, fragments, plan_cards, price_tags
from .visitor import Visitor, find_visitor


def plans() -> ResponseReturnValue:
    """The plans with their prices, for anybody."""
    visitor = find_visitor()
    currency = customers.currency_of(visitor.customer if visitor is not None else None)
    shown = plan_cards.shown_plans(visitor)
    amounts = price_tags.known_amounts(shown, currency)
    return show(
        visitor,
        shown,
        amounts,
        currency,
        heading=_("Plans"),
        empty=_("No plans are available right now."),
        compared=shown,
    )


def show(
    visitor: Visitor | None,
    shown: c.Sequence[Plan],
    amounts: price_tags.Amounts,
    currency: str,
    *,
    heading: str,
    empty: str,
    compared: c.Sequence[Plan] = (),
) -> Response:
    """A page of plan cards.

    :param compared: the plans of the table below the cards.
    """
    intervals = [one for one in INTERVALS if any(interval == one for _, interval in amounts)]
    return fragments.show(
        "billing/plans.html",
        visitor=visitor,
        heading=heading,
        empty=empty,
        cards=plan_cards.cards(shown, visitor, currency, amounts),
        interval=chosen_interval(visitor),
        free_price=formatting.price(0, currency, drop_zeros=True),
        intervals=intervals,
        saving=price_tags.saving_label(shown, amounts),
        plans=compared,
        comparison=comparison.rows(compared, state().catalog, currency, intervals),
    )


def chosen_interval(visitor: Visitor | None = None) -> Interval:
    """The interval of ``?interval=``, else the one the plan is paid by, else the monthly one."""
    chosen = request.args.get("interval")

    if chosen is None and visitor is not None and visitor.live is not None:
        chosen = visitor.live.interval

    return "year" if chosen == "year" else "month"
