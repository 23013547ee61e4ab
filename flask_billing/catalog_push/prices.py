"""The prices of a plan at Stripe.

Stripe never changes the amount of a price. So another amount is another price, which takes
over the lookup key; the old one is archived, and subscriptions on it stay as they are.
"""

from __future__ import annotations

import collections.abc as c
import dataclasses

from ..catalog import Catalog, Plan, Price, lookup_key, metered_lookup_key
from ..stripe_gateway import gateway
from ..stripe_metered import by_lookup_keys
from ..stripe_objects import METER
from .products import product_id
from .steps import Body, Change, Step, conflict, differing, get, idempotency_key, update


@dataclasses.dataclass
class PushedPrice:
    """A price of the catalog, what Stripe has for it, and what is to be done."""

    plan: Plan
    price: Price
    found: Body | None
    steps: list[Step] = dataclasses.field(default_factory=list)
    #: Prices at Stripe that another took, or takes, the place of.
    former: list[Body] = dataclasses.field(default_factory=list)


def is_made_here(price: Price) -> bool:
    """Whether push creates it, rather than checking one that was made at Stripe."""
    return price.stripe_price is None and price.amount is not None


def pushed_price(
    plan: Plan, price: Price, by_lookup_key: Body | None, active: list[Body]
) -> PushedPrice:
    """Compare a price of the catalog with Stripe.

    :param by_lookup_key: the price that holds its lookup key.
    :param active: all active prices of the plan's product.
    """
    if price.stripe_price is not None:
        found = get(f"/v1/prices/{price.stripe_price}")
        return PushedPrice(plan, price, found, list(_checked(plan, price, found)))

    if price.amount is None:
        return PushedPrice(plan, price, by_lookup_key, list(_checked(plan, price, by_lookup_key)))

    return _made_price(plan, price, by_lookup_key, active)


def _checked(plan: Plan, price: Price, found: Body | None) -> c.Iterator[Step]:
    """Say what is wrong with a price that was made at Stripe."""
    name = _price_name(plan, price)
    called = price.stripe_price or f"with the lookup key {price.lookup_key}"

    if found is None:
        yield conflict("price", name, f"Stripe has no price {called}")
        return

    wrong = [
        f"{what} is {there!r} at Stripe and {here!r} in the catalog"
        for what, here, there in _terms(price, found)
        if here is not None and here != there
    ]

    if not found["active"]:
        wrong.append("it is archived at Stripe")

    if wrong:
        yield conflict("price", name, "; ".join(wrong))


def _made_price(plan: Plan, price: Price, found: Body | None, active: list[Body]) -> PushedPrice:
    name = _price_name(plan, price)
    twins = [there for there in active if _stands_for(plan, price, there)]
    replaced = found if found is not None and _replaces(plan, price, found) else None

    if found is None or replaced is not None:
        pushed = PushedPrice(plan, price, None, [_new_price(plan, price, replaced)])
    else:
        pushed = PushedPrice(plan, price, found, list(_updated_price(plan, price, found)))

    # A push that broke off may have left a replaced price for sale.
    kept = pushed.found["id"] if pushed.found else None
    former = {there["id"]: there for there in [*twins, *([replaced] if replaced else [])]}
    former.pop(kept, None)
    pushed.former = list(former.values())

    for there in pushed.former:
        if there["active"]:
            archive = Change("archive", "price", name, f"{there['id']}, replaced")
            pushed.steps.append(Step(archive, f"/v1/prices/{there['id']}", {"active": False}))

    return pushed


def _stands_for(plan: Plan, price: Price, there: Body) -> bool:
    metadata = there.get("metadata") or {}
    ours = _price_metadata(plan, price).items() <= metadata.items()
    return ours and METER not in metadata and there["currency"] == price.currency


def _updated_price(plan: Plan, price: Price, found: Body) -> c.Iterator[Step]:
    wanted: Body = {"active": True, "metadata": _price_metadata(plan, price)}

    if price.tax_behavior != "unspecified":
        wanted["tax_behavior"] = price.tax_behavior

    if changed := differing(found, wanted):
        yield update("price", _price_name(plan, price), f"/v1/prices/{found['id']}", changed)


def _replaces(plan: Plan, price: Price, found: Body) -> bool:
    """Whether something differs that Stripe never changes on a price."""
    if any(here != there for _, here, there in _terms(price, found)):
        return True

    if found["product"] != product_id(plan):
        return True

    return price.tax_behavior != "unspecified" and found.get("tax_behavior") not in (
        None,
        "unspecified",
        price.tax_behavior,
    )


def _terms(price: Price, found: Body) -> list[tuple[str, object, object]]:
    """Amount, currency and interval, in the catalog and at Stripe."""
    recurring = found.get("recurring") or {}
    every = recurring.get("interval_count", 1)
    interval = recurring.get("interval") if every == 1 else f"{every} {recurring['interval']}s"
    return [
        ("amount", price.amount, found.get("unit_amount")),
        ("currency", price.currency, found["currency"]),
        ("interval", price.interval, interval),
        ("usage type", "licensed", recurring.get("usage_type", "licensed")),
    ]


def _new_price(plan: Plan, price: Price, replaced: Body | None) -> Step:
    params: Body = {
        "product": product_id(plan),
        "currency": price.currency,
        "unit_amount": price.amount,
        "recurring": {"interval": price.interval},
        "lookup_key": lookup_key(plan, price),
        "transfer_lookup_key": True,
        "metadata": _price_metadata(plan, price),
    }

    if price.tax_behavior != "unspecified":
        params["tax_behavior"] = price.tax_behavior

    before = f", was {replaced.get('unit_amount')}" if replaced else ""
    change = Change("create", "price", _price_name(plan, price), f"{price.amount}{before}")
    # The price it replaces is part of the key: an amount may come back within a day.
    key = idempotency_key("price", {**params, "replaces": replaced["id"] if replaced else None})
    return Step(change, "/v1/prices", params, key)


def _price_metadata(plan: Plan, price: Price) -> dict[str, str]:
    return {"billing_plan": plan.key, "billing_interval": price.interval}


def _price_name(plan: Plan, price: Price) -> str:
    return f"{plan.key} {price.interval} {price.currency}"


def prices_by_lookup_key(catalog: Catalog) -> dict[str, Body]:
    """The prices at Stripe that hold the catalog's lookup keys, with their tiers."""
    keys = [
        lookup_key(plan, price)
        for plan in catalog.plans
        for price in plan.prices
        if price.stripe_price is None
    ]
    keys += [
        metered_lookup_key(plan, price, metered)
        for plan in catalog.plans
        for price in plan.prices
        for metered in price.metered
    ]
    return by_lookup_keys(keys)


def active_prices(product: Body) -> list[Body]:
    """The prices a product is for sale at."""
    return list(gateway().list("/v1/prices", {"product": product["id"], "active": True}))
