"""A plan, and what is used beyond it, as Stripe products."""

from __future__ import annotations

import collections.abc as c

from ..catalog import Meter, Plan
from .steps import Body, Step, create, differing, update


def product_id(plan: Plan) -> str:
    """The id of a plan's product at Stripe."""
    return f"billing_{plan.key}"


def usage_product_id(plan: Plan, meter: Meter) -> str:
    """The id of the product that a plan's use of a meter is at Stripe. No key has capitals."""
    return f"billing_{plan.key}_USAGE_{meter.key}"


def product_steps(plan: Plan, found: Body | None) -> c.Iterator[Step]:
    """What differs from the product Stripe has, if it has one."""
    wanted: Body = {"name": plan.name, "metadata": _product_metadata(plan)}

    if plan.description:
        wanted["description"] = plan.description

    return _steps(plan, plan.key, product_id(plan), wanted, found)


def usage_product_steps(plan: Plan, meter: Meter, found: Body | None) -> c.Iterator[Step]:
    """The same for what is used: a product of its own, as invoices call a line by its product."""
    wanted: Body = {"name": meter.name, "metadata": {"billing_plan": plan.key}}
    return _steps(plan, f"{plan.key} {meter.key}", usage_product_id(plan, meter), wanted, found)


def _steps(
    plan: Plan, name: str, product: str, wanted: Body, found: Body | None
) -> c.Iterator[Step]:
    if plan.tax_code:
        wanted["tax_code"] = plan.tax_code

    if found is None:
        yield create("product", name, "/v1/products", {"id": product, **wanted})
        return

    changed = differing(found, {"active": True, "description": "", **wanted})

    if changed:
        yield update("product", name, f"/v1/products/{found['id']}", changed)


def _product_metadata(plan: Plan) -> dict[str, str]:
    intervals = {price.interval for price in plan.prices}
    metadata = {"billing_plan": plan.key}
    return metadata | ({"billing_interval": intervals.pop()} if len(intervals) == 1 else {})
