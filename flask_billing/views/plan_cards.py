"""The plans as cards: price, what is in them, and the one thing that can be done."""

from __future__ import annotations

import collections.abc as c
import dataclasses
import typing as t

from flask import url_for

from ..catalog import Feature, Interval, Plan
from ..errors import UnknownPlanError
from ..state import state
from ..translation import ngettext
from . import limit_lines, plan_ways, price_tags, redirects
from .plan_ways import Way
from .price_tags import PriceTag
from .visitor import Visitor

#: What the card offers: buy it, it is had already, ask for it, change to it, or nothing at all.
Scenario = t.Literal[
    "choose", "current", "contact", "change", "leave", "join", "unavailable", "included"
]  # fmt: skip


@dataclasses.dataclass(frozen=True)
class PlanCard:
    """One plan as the plans page shows it.

    :param prices: by interval; a plan without a yearly price shows its monthly one in both.
    :param url: where ``contact``, ``leave`` and ``join`` lead.
    :param ways: by interval, what someone with a plan can do about this one.
    """

    plan: Plan
    scenario: Scenario
    prices: c.Mapping[Interval, PriceTag]
    limits: c.Sequence[str]
    features: c.Sequence[Feature]
    trial: str | None = None
    url: str | None = None
    ways: c.Mapping[Interval, Way] = dataclasses.field(default_factory=dict)

    def tag(self, interval: Interval) -> PriceTag | None:
        """The price shown while that interval is chosen."""
        return self.prices.get(interval) or next(iter(self.prices.values()), None)


def cards(
    plans: c.Iterable[Plan], visitor: Visitor | None, currency: str, amounts: price_tags.Amounts
) -> list[PlanCard]:
    """The cards of these plans for this visitor."""
    return [_card(plan, visitor, price_tags.tags(plan, currency, amounts)) for plan in plans]


def refuse_talked_about(plan_key: str | None, visitor: Visitor | None) -> None:
    """Leave it to the host to sell a plan whose card says "Talk to us", its price shown or not.

    :raises UnknownPlanError: for one that the visitor is not on.
    """
    plan = state().catalog.plan(plan_key)
    own = visitor.plan if visitor is not None else None

    if plan is not None and plan.contact is not None and plan != own:
        raise UnknownPlanError(f"{plan.name} is not sold on a page. Nothing was charged.")


def shown_plans(visitor: Visitor | None) -> list[Plan]:
    """The public plans, and an archived one for those who have it."""
    plans = list(state().catalog.public_plans)
    own = visitor.plan if visitor is not None else None

    if own is not None and own not in plans:
        plans.append(own)

    return sorted(plans, key=lambda plan: plan.rank)


def card_of(plan: Plan, visitor: Visitor, currency: str) -> PlanCard:
    """The card of one plan."""
    amounts = price_tags.known_amounts([plan], currency)
    return _card(plan, visitor, price_tags.tags(plan, currency, amounts))


def trial_note(plan: Plan, visitor: Visitor | None) -> str | None:
    """ "14-day trial", for those who have not had theirs."""
    if plan.trial_days == 0 or (visitor is not None and visitor.had_trial):
        return None

    return ngettext("%(num)s-day trial", "%(num)s-day trial", plan.trial_days)


def _card(plan: Plan, visitor: Visitor | None, prices: c.Mapping[Interval, PriceTag]) -> PlanCard:
    scenario, url = _scenario(plan, visitor, bool(prices))
    limits = limit_lines.lines(plan, state().catalog)
    return PlanCard(
        plan=plan,
        scenario=scenario,
        prices=prices,
        limits=limits,
        features=_unsaid(plan.features, limits),
        trial=trial_note(plan, visitor) if scenario == "choose" else None,
        url=url,
        ways=plan_ways.ways(plan, visitor, prices) if scenario in ("change", "current") else {},
    )


def _scenario(plan: Plan, visitor: Visitor | None, has_price: bool) -> tuple[Scenario, str | None]:
    if visitor is not None and visitor.plan == plan:
        return "current", None

    if plan.contact is not None:
        return "contact", plan.contact

    if plan.is_free:
        if visitor is not None and visitor.live is not None:
            return "leave", url_for("billing.cancel.page")

        if visitor is not None:
            return "included", None

        overview = url_for("billing.overview")
        login = redirects.configured_url("BILLING_LOGIN_ENDPOINT", next=overview)
        return ("included", None) if login is None else ("join", login)

    if not has_price:
        return "unavailable", None

    if visitor is not None and visitor.live is not None:
        return "change", None

    return "choose", None


def _unsaid(features: c.Sequence[Feature], lines: list[str]) -> list[Feature]:
    """The features that do not repeat a limit in the same words."""
    said = {line.casefold() for line in lines}
    return [feature for feature in features if feature.text.casefold() not in said]
