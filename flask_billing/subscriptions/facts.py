"""What of a subscription a change was made for, to see whether it still is so."""

from __future__ import annotations

import collections.abc as c
import typing as t

from .. import stripe_objects

Facts = dict[str, t.Any]


def of(subscription: stripe_objects.StripeObject) -> Facts:
    """The facts that decide what a change costs and means; plain JSON."""
    item = stripe_objects.licensed_item(subscription)
    start, _ = stripe_objects.period(subscription)
    return {
        "item": item.get("id"),
        "price": stripe_objects.price_of(subscription).get("id"),
        "quantity": item.get("quantity"),
        "period_start": None if start is None else int(start.timestamp()),
        "status": subscription["status"],
        "ends": subscription.get("cancel_at") is not None,
        "discounts": sorted(
            stripe_objects.reference(one) or ""
            for one in stripe_objects.list_data(subscription.get("discounts"))
        ),
    }


def is_at(subscription: stripe_objects.StripeObject, asked: c.Mapping[str, t.Any]) -> bool:
    """Whether a subscription is what a change wanted of it.

    :param asked: the change's ``request``.
    """
    on_trial = subscription["status"] == "trialing"
    return has_items(subscription.get("items"), asked) and not (asked["ends_trial"] and on_trial)


def has_items(items: object, asked: c.Mapping[str, t.Any]) -> bool:
    """Whether these are the items that a change wanted, trial or not."""
    found = next(
        (item for item in stripe_objects.list_data(items) if item.get("id") == asked["item"]), None
    )

    if found is None:
        return False

    price = stripe_objects.reference(found.get("price"))
    return (price, found.get("quantity")) == (asked["price"], asked["quantity"])
