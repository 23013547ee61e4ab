"""What must hold of prices by use, beyond the form of each."""

from __future__ import annotations

import collections.abc as c
import typing as t

if t.TYPE_CHECKING:
    from .catalog import Catalog, Limit, Plan
    from .catalog_metered import MeteredPrice, Tier


def problems(catalog: Catalog, meters: c.Collection[str]) -> c.Iterator[str]:
    """Sentences that begin with the path of the part at fault.

    :param meters: keys of all meters, those that are malformed included.
    """
    unbilled = {meter.key for meter in catalog.meters if meter.stripe_event is None}

    for plan in catalog.plans:
        for index, price in enumerate(plan.prices):
            path = f"plans.{plan.key}.prices[{index}].metered"
            found = [metered.meter for metered in price.metered]

            for meter in sorted({meter for meter in found if found.count(meter) > 1}):
                yield f"{path}: two prices for {meter!r}"

            for at, metered in enumerate(price.metered):
                here = f"{path}[{at}]"

                if metered.meter not in meters:
                    yield f"{here}.meter: there is no meter {metered.meter!r}"

                if metered.meter in unbilled:
                    yield (
                        f"{here}.meter: {metered.meter!r} has no stripe_event, by which Stripe "
                        "would hear of its usage"
                    )

                yield from _amounts(here, metered)

        yield from _limits(plan)


def overage(path: str, limit: Limit, plan: Plan | None) -> c.Iterator[str]:
    """What is wrong about how the units beyond a limit are paid for."""
    prices = plan.prices if plan is not None else ()
    metered = [price.metered_by(limit.meter) is not None for price in prices]

    if limit.policy == "overage":
        if limit.overage_rate is None and not (metered and all(metered)):
            yield (
                f"{path}.overage_rate: needed with policy 'overage', unless each of the plan's "
                "prices has a metered one for the meter"
            )

        if limit.overage_rate is not None and any(metered):
            yield f"{path}.overage_rate: the plan's metered prices say it; leave this out"

        return

    for name in ("overage_rate", "overage_cap"):
        if getattr(limit, name) is not None:
            yield f"{path}.{name}: only with policy 'overage'"


def _limits(plan: Plan) -> c.Iterator[str]:
    """Billed are the units beyond one limit, which is that of the invoice's period."""
    billed = {metered.meter for price in plan.prices for metered in price.metered}

    for meter in sorted(billed):
        overages = [one for one in plan.limits if (one.meter, one.policy) == (meter, "overage")]
        terms = [(one.window, one.scope, one.unlimited) for one in overages]

        if terms != [("billing_period", "customer", False)]:
            yield (
                f"plans.{plan.key}.limits: a metered price bills what is beyond an overage limit; "
                f"{meter!r} needs one, of the customer's billing_period, and not -1"
            )


def _amounts(path: str, metered: MeteredPrice) -> c.Iterator[str]:
    if (metered.unit_amount is None) == (not metered.tiers):
        yield f"{path}: needs either a unit_amount or tiers"

    if metered.tiers_mode != "graduated" and not metered.tiers:
        yield f"{path}.tiers_mode: only with tiers"

    yield from _tiers(f"{path}.tiers", metered.tiers)


def _tiers(path: str, tiers: tuple[Tier, ...]) -> c.Iterator[str]:
    below = 0

    for index, tier in enumerate(tiers):
        here, last = f"{path}[{index}]", index == len(tiers) - 1

        if tier.unit_amount is None and tier.flat_amount is None:
            yield f"{here}: needs a unit_amount, a flat_amount or both"

        if tier.up_to is None and not last:
            yield f"{here}.up_to: only the last tier has no end"
        elif tier.up_to is not None and last:
            yield f"{here}.up_to: the last tier has no end; leave this out"

        if tier.up_to is not None and tier.up_to <= below:
            yield f"{here}.up_to: is not above that of the tier before"

        below = tier.up_to or below
