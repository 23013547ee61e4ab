"""What must hold between the parts of a catalog, beyond the form of each.

Each rule yields sentences that begin with the path of the part at fault.
"""

from __future__ import annotations

import collections.abc as c
import typing as t

from . import catalog_metered_rules, money

if t.TYPE_CHECKING:
    from .catalog import Catalog, Experiment, Limit, Offer, Plan, Price

#: Months a pause may last: longer is a cancellation that nobody remembers.
_LONGEST_PAUSE: t.Final = 3


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
    yield from _overages_that_are_not_reported(catalog)
    yield from _prices_sharing_a_name(catalog)
    yield from _several_free_plans(catalog)
    yield from _plans_of_one_rank(catalog)

    yield from catalog_metered_rules.problems(catalog, meters)

    for path, owner, limits in _limit_lists(catalog):
        yield from _limits(path, owner, limits, meters)

    for plan in catalog.plans:
        yield from _plan(plan)

    for index, offer in enumerate(catalog.offers):
        yield from _offer(f"offers[{index}]", offer, plans, catalog.currency)

    if catalog.experiment is not None:
        yield from _experiment(catalog.experiment, [offer.key for offer in catalog.offers])


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


def _overages_that_are_not_reported(catalog: Catalog) -> c.Iterator[str]:
    """Stripe bills one window of a meter, so that each unit is reported once."""
    for meter in catalog.meters:
        window = catalog.reported_window(meter.key) if meter.stripe_event is not None else None

        for path, _owner, limits in _limit_lists(catalog) if meter.stripe_event is not None else ():
            mine = [limit for limit in limits if limit.meter == meter.key]
            reported = any((one.window, one.scope) == (window, "customer") for one in mine)

            if any(one.policy == "overage" for one in mine) and not reported:
                yield (
                    f"{path}: an overage of {meter.key!r} is billed by Stripe, to which the "
                    f"customer's {window or 'billing_period'} is reported; add a limit of that "
                    "window, -1 where there is none"
                )


def _prices_sharing_a_name(catalog: Catalog) -> c.Iterator[str]:
    from .catalog import lookup_key

    owners: dict[str, str] = {}
    made: list[tuple[str, str]] = []

    for plan in catalog.plans:
        for index, price in enumerate(plan.prices):
            path = f"plans.{plan.key}.prices[{index}]"

            if price.stripe_price is None and price.lookup_key is None:
                made.append((lookup_key(plan, price), path))

            for name in filter(None, (price.stripe_price, price.lookup_key, *price.former)):
                if owners.setdefault(name, path) != path:
                    yield f"{path}: {name!r} already belongs to {owners[name]}"

    for name, path in made:
        if name in owners:
            yield f"{path}: its lookup key {name!r} already belongs to {owners[name]}"


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


def _limit_lists(catalog: Catalog) -> c.Iterator[tuple[str, Plan | None, tuple[Limit, ...]]]:
    yield "default_limits", None, catalog.default_limits

    for plan in catalog.plans:
        yield f"plans.{plan.key}.limits", plan, plan.limits
        yield f"plans.{plan.key}.trial_limits", plan, plan.trial_limits or ()


def _limits(
    path: str, plan: Plan | None, limits: tuple[Limit, ...], meters: c.Collection[str]
) -> c.Iterator[str]:
    seen: set[tuple[str, str, str]] = set()

    for index, limit in enumerate(limits):
        here = f"{path}[{index}]"
        identity = (limit.meter, limit.window, limit.scope)

        if limit.meter not in meters:
            yield f"{here}.meter: there is no meter {limit.meter!r}"

        if identity in seen:
            yield f"{here}: a second limit for {limit.meter!r} by the {limit.window}"

        seen.add(identity)
        yield from catalog_metered_rules.overage(here, limit, plan)

        if limit.rollover and limit.window == "lifetime":
            yield f"{here}.rollover: a lifetime window never ends, so nothing rolls over"

        if limit.rollover and limit.scope == "member":
            yield f"{here}.rollover: what rolls over is the customer's, and the limit is a member's"


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

    if price.stripe_price is None and price.currency is not None:  # else Stripe has taken it
        yield from _chargeable(f"{path}.amount", price.amount, price.currency)


def _chargeable(path: str, amount: int | None, currency: str) -> c.Iterator[str]:
    """Whether Stripe charges such an amount (docs.stripe.com/currencies)."""
    step = money.charged_in(currency)

    if amount is not None and amount % step:
        yield (
            f"{path}: Stripe charges {currency.upper()} only in multiples of {step} minor units; "
            f"{amount} is none"
        )


def _offer(path: str, offer: Offer, plans: c.Collection[str], currency: str) -> c.Iterator[str]:
    yield from _chargeable(f"{path}.amount_off", offer.amount_off, offer.currency or currency)

    if offer.kind == "discount" and (offer.percent_off is None) == (offer.amount_off is None):
        yield f"{path}: a discount needs either percent_off or amount_off"

    if offer.kind == "plan" and offer.plan is None:
        yield f"{path}.plan: needed with kind 'plan'"

    if offer.kind == "trial_extension" and offer.days is None:
        yield f"{path}.days: needed with kind 'trial_extension'"

    if offer.kind == "pause" and not 1 <= (offer.months or 0) <= _LONGEST_PAUSE:
        yield f"{path}.months: a pause lasts 1 to {_LONGEST_PAUSE} months"

    for key in filter(None, (offer.plan, *offer.plans)):
        if key not in plans:
            yield f"{path}: there is no plan {key!r}"


def _experiment(experiment: Experiment, offers: c.Collection[str]) -> c.Iterator[str]:
    path = "experiment.variants"

    if not experiment.variants:
        yield f"{path}: there are none to compare"

    yield from _repeated(path, [variant.key for variant in experiment.variants])

    for index, variant in enumerate(experiment.variants):
        if variant.key == "holdout":
            yield f"{path}[{index}].key: 'holdout' is the arm without offers; take another"

        for key in variant.offers:
            if key not in offers:
                yield f"{path}[{index}].offers: there is no offer {key!r}"
