"""P1, the plans page."""

from __future__ import annotations

from flask import request
from flask.typing import ResponseReturnValue

from .. import customers
from ..catalog import INTERVALS, Interval
from ..state import state
from . import comparison, formatting, fragments, plan_cards, price_tags
from .visitor import find_visitor


def plans() -> ResponseReturnValue:
    """The plans with their prices, for anybody."""
    visitor = find_visitor()
    currency = customers.currency_of(visitor.customer if visitor is not None else None)
    shown = plan_cards.shown_plans(visitor)
    amounts = price_tags.known_amounts(shown, currency)
    return fragments.show(
        "billing/plans.html",
        visitor=visitor,
        cards=plan_cards.cards(visitor, currency, amounts),
        interval=chosen_interval(),
        free_price=formatting.price(0, currency, drop_zeros=True),
        intervals=sorted({interval for _, interval in amounts}, key=INTERVALS.index),
        saving=price_tags.saving_label(shown, amounts),
        plans=shown,
        comparison=comparison.rows(shown, state().catalog),
    )


def chosen_interval() -> Interval:
    """The interval of ``?interval=``; anything else is the monthly one."""
    return "year" if request.args.get("interval") == "year" else "month"
