"""What must hold between the parts of a catalog, beyond the form of each.

Each rule yields sentences that begin with the path of the part at fault.
"""

from __future__ import annotations

import collections.abc as c
import typing as t

if t.TYPE_CHECKING:
    from .catalog import Catalog, Limit, Offer, Plan, Price


def problems(
    catalog: Catalog, names: c.Mapping[str, c.Collection[str]] | None = None
) -> c.Iterator[str]:
    """Everything that does not hold together.

    :param names: keys of all ``plans`` and ``meters``, where the catalog holds only those that
        are well formed.
    """
    names = names or {}
    plans = names.get("plans") or [plan.key for plan in catalog.plans]
    meters = names.get("meters") or [meter.key for meter in catalog.meters]

    if not plans:
        yield "plans: there are none; a catalog needs at least one"

    yield from _repeated("meters", [meter.key for meter in catalog.meters])
    yield from _repeated("plans", [plan.key for plan in catalog.plans])
    yield from _repeated("offers", [offer.key for offer in catalog.offers])
    yield from _meters_sharing_an_event(catalog)
    yield from _prices_sharing_a_name(catalog)
    yield from _several_free_plans(catalog)
    yield from _plans_of_one_rank(catalog)

    for path, limits in _limit_lists(catalog):
        yield from _limits(path, limits, meters)

    for plan in catalog.plans:
        yield from _plan(plan)

    for index, offer in enumerate(catalog.offers):
        yield from _offer(f"offers[{index}]", offer, plans)


def _repeated(path: str, keys: list[str]) -> c.Iterator[str]:
    for key in sorted({key for key in keys if keys.count(key) > 1}):
        yield f"{path}: the key {key!r} is used {keys.count(key)} times"


def _meters_sharing_an_event(catalog: Catalog) -> c.Iterator[str]:
    owners: dict[str, str] = {}

    for meter in catalog.meters:
        event = meter.stripe_event

        if event is not None and owners.setdefault(event, meter.key) != meter.key:
            yield (
                f"meters.{meter.key}.stripe_event: {event!r} already belongs to "
                f"meters.{owners[event]}"
            )


def _prices_sharing_a_name(catalog: Catalog) -> c.Iterator[str]:
    owners: dict[str, str] = {}

    for plan in catalog.plans:
        for index, price in enumerate(plan.prices):
            path = f"plans.{plan.key}.prices[{index}]"

            for name in filter(None, (price.stripe_price, price.lookup_key, *price.former)):
                if owners.setdefault(name, path) != path:
                    yield f"{path}: {name!r} already belongs to {owners[name]}"


def _several_free_plans(catalog: Catalog) -> c.Iterator[str]:
    free = {plan.key for plan in catalog.plans if plan.is_free and not plan.archived}

    if len(free) > 1:
        yield (
            f"plans: {', '.join(sorted(free))} have no prices, so each would be the free plan; "
            "keep one, and give the others a price or a contact"
        )


def _plans_of_one_rank(catalog: Catalog) -> c.Iterator[str]:
    owners: dict[int, str] = {}

    for plan in catalog.plans:
        sold = plan.prices and not plan.archived

        if sold and owners.setdefault(plan.rank, plan.key) != plan.key:
            yield (
                f"plans.{plan.key}.rank: {plan.rank} is the rank of {owners[plan.rank]} too, so "
                "neither is an upgrade of the other; give each its own"
            )


def _limit_lists(catalog: Catalog) -> c.Iterator[tuple[str, tuple[Limit, ...]]]:
    yield "default_limits", catalog.default_limits

    for plan in catalog.plans:
        yield f"plans.{plan.key}.limits", plan.limits
        yield f"plans.{plan.key}.trial_limits", plan.trial_limits or ()


def _limits(path: str, limits: tuple[Limit, ...], meters: c.Collection[str]) -> c.Iterator[str]:
    seen: set[tuple[str, str, str]] = set()

    for index, limit in enumerate(limits):
        here = f"{path}[{index}]"
        identity = (limit.meter, limit.window, limit.scope)

        if limit.meter not in meters:
            yield f"{here}.meter: there is no meter {limit.meter!r}"

        if identity in seen:
            yield f"{here}: a second limit for {limit.meter!r} by the {limit.window}"

        seen.add(identity)
        yield from _overage(here, limit)

        if limit.rollover and limit.window == "lifetime":
            yield f"{here}.rollover: a lifetime window never ends, so nothing rolls over"

        if limit.rollover and limit.scope == "member":
            yield f"{here}.rollover: what rolls over is the customer's, and the limit is a member's"


def _overage(path: str, limit: Limit) -> c.Iterator[str]:
    if limit.policy == "overage":
        if limit.overage_rate is None:
            yield f"{path}.overage_rate: needed with policy 'overage'"

        return

    if limit.overage_rate is not None:
        yield f"{path}.overage_rate: only with policy 'overage'"

    if limit.overage_cap is not None:
        yield f"{path}.overage_cap: only with policy 'overage'"


def _plan(plan: Plan) -> c.Iterator[str]:
    path = f"plans.{plan.key}"
    terms = [f"{price.interval} {price.currency}" for price in plan.prices]

    for term in sorted({term for term in terms if terms.count(term) > 1}):
        yield f"{path}.prices: two prices for {term}"

    for index, price in enumerate(plan.prices):
        yield from _price(f"{path}.prices[{index}]", price)

    if plan.is_free and plan.trial_days:
        yield f"{path}.trial_days: the free plan has nothing to try"

    if plan.seats and plan.seats.max is not None and plan.seats.max < plan.seats.min:
        yield f"{path}.seats: max is below min"


def _price(path: str, price: Price) -> c.Iterator[str]:
    if price.stripe_price is not None and price.lookup_key is not None:
        yield f"{path}: stripe_price and lookup_key both name a price; keep one"

    if price.amount is None and price.stripe_price is None and price.lookup_key is None:
        yield f"{path}: needs an amount, a stripe_price or a lookup_key"


def _offer(path: str, offer: Offer, plans: c.Collection[str]) -> c.Iterator[str]:
    if offer.kind == "discount" and (offer.percent_off is None) == (offer.amount_off is None):
        yield f"{path}: a discount needs either percent_off or amount_off"

    if offer.kind == "plan" and offer.plan is None:
        yield f"{path}.plan: needed with kind 'plan'"

    if offer.kind == "trial_extension" and offer.days is None:
        yield f"{path}.days: needed with kind 'trial_extension'"

    for key in filter(None, (offer.plan, *offer.plans)):
        if key not in plans:
            yield f"{path}: there is no plan {key!r}"
