"""The items of a subscription as a change leaves them: the plan's own, and those beside it."""

from __future__ import annotations

from .. import stripe_objects
from ..stripe_gateway import StripeObject
from .target import Target


def changed(subscription: stripe_objects.StripeObject, target: Target) -> list[StripeObject]:
    """The ``items`` of an update that brings a subscription to its target.

    Metered prices of the catalog go and come with the plan: Stripe bills what was used until a
    metered item goes, and of a new one what is used from then on, so no unit is billed twice.
    All other items stay as they are.
    """
    plan = stripe_objects.licensed_item(subscription)
    entries: list[StripeObject] = [
        {"id": plan["id"], "price": target.price, "quantity": target.quantity}
    ]

    if target.metered is None:
        return entries

    coming = list(target.metered)

    for item in beside(subscription):
        if item["price"]["id"] in coming:
            coming.remove(item["price"]["id"])
        elif stripe_objects.METER in (item["price"].get("metadata") or {}):
            entries.append({"id": item["id"], "deleted": True})

    return entries + [{"price": price} for price in coming]


def without_usage(
    subscription: stripe_objects.StripeObject, entries: list[StripeObject]
) -> list[StripeObject]:
    """The same change of the plan alone, with nothing that is billed by what was used."""
    metered = sorted(stripe_objects.metered_items(subscription))
    return [entries[0], *({"id": item, "deleted": True} for item in metered)]


def phase(
    subscription: stripe_objects.StripeObject,
    present: list[StripeObject],
    entries: list[StripeObject],
) -> list[StripeObject]:
    """The items of a schedule's phase after the given changes.

    :param present: the items of the phase before.
    """
    by_id = {item["id"]: item for item in stripe_objects.list_data(subscription.get("items"))}
    changes = {by_id[entry["id"]]["price"]["id"]: entry for entry in entries if "id" in entry}
    found = []

    for item in present:
        change = changes.get(stripe_objects.reference(item["price"]), {})

        if not change.get("deleted"):
            found.append({**item, **{k: v for k, v in change.items() if k != "id"}})

    return found + [entry for entry in entries if "id" not in entry]


def beside(subscription: stripe_objects.StripeObject) -> list[stripe_objects.StripeObject]:
    """The items that are not the plan itself."""
    plan = stripe_objects.licensed_item(subscription)
    return [
        item
        for item in stripe_objects.list_data(subscription.get("items"))
        if item["id"] != plan.get("id")
    ]
