"""How Stripe differs from the catalog, as the requests that would bring it in line.

Everything made here has a name that the catalog fixes: products their id, prices their
lookup key, meters their event. So Stripe itself says what exists, and a push that broke
off in the middle is simply repeated.
"""

from __future__ import annotations

import dataclasses

from ..catalog import Catalog, Meter, Plan, lookup_key
from .metered import metered_steps
from .meters import active_meters, meter_steps
from .prices import (
    PushedPrice,
    active_prices,
    is_made_here,
    prices_by_lookup_key,
    pushed_price,
)
from .products import product_id, product_steps, usage_product_id, usage_product_steps
from .steps import Body, Change, Step, get


@dataclasses.dataclass
class Difference:
    """Everything that differs, in the order in which it has to be done."""

    first: list[Step]
    prices: list[PushedPrice]
    metered: list[Step]

    @property
    def changes(self) -> list[Change]:
        """What differs, to show."""
        prices = [step for pushed in self.prices for step in pushed.steps]
        return [step.change for step in (*self.first, *prices, *self.metered)]


def difference(catalog: Catalog) -> Difference:
    """Compare the catalog with Stripe. Reads only.

    :raises StripeError: where Stripe could not be asked.
    """
    meters = active_meters(catalog)
    first = [*meter_steps(catalog, meters)]
    active: dict[str, list[Body]] = {}

    for plan in catalog.plans:
        if any(is_made_here(price) for price in plan.prices):
            product = get(f"/v1/products/{product_id(plan)}")
            first += product_steps(plan, product)
            active[product_id(plan)] = active_prices(product) if product else []

        for meter in _billed(catalog, plan):
            usage = usage_product_id(plan, meter)
            product = get(f"/v1/products/{usage}")
            first += usage_product_steps(plan, meter, product)
            active[usage] = active_prices(product) if product else []

    # Asked last: a price that another push makes meanwhile is then known by its name, or not at
    # all, and never taken for one that was replaced.
    named = prices_by_lookup_key(catalog)
    prices: list[PushedPrice] = []
    metered: list[Step] = []

    for plan in catalog.plans:
        mine = active.get(product_id(plan), [])

        for price in plan.prices:
            prices.append(pushed_price(plan, price, named.get(lookup_key(plan, price)), mine))

        for meter in _billed(catalog, plan):
            used = active[usage_product_id(plan, meter)]
            metered += metered_steps(catalog, plan, meter, named, used, meters)

    return Difference(first, prices, metered)


def _billed(catalog: Catalog, plan: Plan) -> list[Meter]:
    """The meters whose use beyond the plan Stripe bills."""
    return [meter for meter in catalog.meters if plan.bills(meter.key)]
