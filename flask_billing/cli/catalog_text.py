"""A catalog as lines of plain text."""

from __future__ import annotations

import collections.abc as c

from ..catalog import Catalog, Limit, MeteredPrice, Plan, Price
from ..money import format_money
from ..stripe_metered import amounts


def lines_of(catalog: Catalog) -> c.Iterator[str]:
    """Plans from the lowest rank up, each with prices and limits."""
    yield f"Catalog {catalog.source}"

    for plan in sorted(catalog.plans, key=lambda plan: plan.rank):
        yield ""
        yield _heading(plan)

        for price in plan.prices:
            yield f"  {_price(price)}{' for each seat' if plan.seats else ''}"
            yield from (f"    {_metered(catalog, metered)}" for metered in price.metered)

        yield from (f"  {_limit(catalog, limit)}" for limit in plan.limits)
        yield from (f"  on trial {_limit(catalog, limit)}" for limit in plan.trial_limits or ())

    if catalog.default_limits:
        yield ""
        yield "Without a plan"
        yield from (f"  {_limit(catalog, limit)}" for limit in catalog.default_limits)


def _heading(plan: Plan) -> str:
    notes = [plan.key]

    if plan.is_free:
        notes.append("free")

    if plan.trial_days:
        notes.append(f"{plan.trial_days} days trial")

    if plan.archived:
        notes.append("archived")

    return f"{plan.name} ({', '.join(notes)})"


def _price(price: Price) -> str:
    currency = price.currency or ""

    if price.amount is None:
        return f"{price.stripe_price or price.lookup_key} a {price.interval}, amount at Stripe"

    return f"{format_money(price.amount, currency)} a {price.interval}"


def _metered(catalog: Catalog, metered: MeteredPrice) -> str:
    return f"beyond the plan, {catalog.meter(metered.meter).name} at {amounts(metered)}"


def _limit(catalog: Catalog, limit: Limit) -> str:
    meter = catalog.meter(limit.meter)
    amount = "unlimited" if limit.unlimited else f"{limit.included:,}"
    windows = {"billing_period": "a billing period", "lifetime": "once", "hour": "an hour"}
    whose = " for each member" if limit.scope == "member" else ""
    return f"{amount} {meter.name} {windows.get(limit.window, f'a {limit.window}')}{whose}"
