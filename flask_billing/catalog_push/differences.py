"""How Stripe differs from the catalog, as the requests that would bring it in line.

Everything made here has a name that the catalog fixes: products and coupons their id, prices
their lookup key, meters their event. So Stripe itself says what exists, and a push that broke
off in the middle is simply repeated.
"""

from __future__ import annotations

import dataclasses

from ..catalog import Catalog, lookup_key
from .coupons import coupon_steps
from .meters import meter_steps
from .prices import (
    PushedPrice,
    active_prices,
    is_made_here,
    prices_by_lookup_key,
    pushed_price,
)
from .products import product_id, product_steps
from .steps import Body, Change, Step, get


@dataclasses.dataclass
class Difference:
    """Everything that differs, in the order in which it has to be done."""

    first: list[Step]
    prices: list[PushedPrice]

    @property
    def changes(self) -> list[Change]:
        """What differs, to show."""
        steps = [*self.first, *(step for pushed in self.prices for step in pushed.steps)]
        return [step.change for step in steps]


def difference(catalog: Catalog) -> Difference:
    """Compare the catalog with Stripe. Reads only.

    :raises StripeError: where Stripe could not be asked.
    """
    named = prices_by_lookup_key(catalog)
    first = [
        *meter_steps(catalog),
        *(step for offer in catalog.offers for step in coupon_steps(catalog, offer)),
    ]
    prices: list[PushedPrice] = []

    for plan in catalog.plans:
        active: list[Body] = []

        if any(is_made_here(price) for price in plan.prices):
            product = get(f"/v1/products/{product_id(plan)}")
            first += product_steps(plan, product)
            active = active_prices(product) if product else []

        for price in plan.prices:
            prices.append(pushed_price(plan, price, named.get(lookup_key(plan, price)), active))

    return Difference(first, prices)
