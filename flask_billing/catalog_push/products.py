"""A plan as a Stripe product."""

from __future__ import annotations

import collections.abc as c

from ..catalog import Plan
from .steps import Body, Step, create, differing, update


def product_id(plan: Plan) -> str:
    """The id of a plan's product at Stripe."""
    return f"billing_{plan.key}"


def product_steps(plan: Plan, found: Body | None) -> c.Iterator[Step]:
    """What differs from the product Stripe has, if it has one."""
    wanted: Body = {"name": plan.name, "metadata": _product_metadata(plan)}

    if plan.description:
        wanted["description"] = plan.description

    if plan.tax_code:
        wanted["tax_code"] = plan.tax_code

    if found is None:
        yield create("product", plan.key, "/v1/products", {"id": product_id(plan), **wanted})
        return

    changed = differing(found, {"active": True, "description": "", **wanted})

    if changed:
        yield update("product", plan.key, f"/v1/products/{found['id']}", changed)


def _product_metadata(plan: Plan) -> dict[str, str]:
    intervals = {price.interval for price in plan.prices}
    metadata = {"billing_plan": plan.key}
    return metadata | ({"billing_interval": intervals.pop()} if len(intervals) == 1 else {})
