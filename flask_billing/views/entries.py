"""The ways into a change of plan: the plans above the one that is had, and those below."""

from __future__ import annotations

from flask import url_for
from flask.typing import ResponseReturnValue

from .. import customers
from ..catalog import Plan
from ..translation import gettext as _
from . import fragments, plan_cards, plans, price_tags
from .visitor import Visitor, require_visitor


def upgrade() -> ResponseReturnValue:
    """The plans that give more."""
    visitor = require_visitor()
    return _listed(
        visitor,
        [plan for plan in plan_cards.shown_plans(visitor) if _rank(visitor) < plan.rank],
        heading=_("Upgrade"),
        empty=_("You're on the biggest plan there is."),
    )


def downgrade() -> ResponseReturnValue:
    """The plans that give less."""
    visitor = require_visitor()
    return _listed(
        visitor,
        [plan for plan in plan_cards.shown_plans(visitor) if plan.rank < _rank(visitor)],
        heading=_("Downgrade"),
        empty=_("You're on the smallest plan there is."),
    )


def _listed(
    visitor: Visitor, listed: list[Plan], *, heading: str, empty: str
) -> ResponseReturnValue:
    if visitor.live is None:
        return fragments.go(url_for("billing.plans"))

    currency = customers.currency_of(visitor.customer)
    amounts = price_tags.known_amounts(listed, currency)
    return plans.show(visitor, listed, amounts, currency, heading=heading, empty=empty)


def _rank(visitor: Visitor) -> int:
    return visitor.plan.rank if visitor.plan is not None else 0
