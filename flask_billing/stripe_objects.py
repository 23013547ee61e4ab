"""Where a fact sits in a Stripe object, in one place.

Each accessor reads today's shape (2026-10-28) and the ones before, because endpoints render
events in the version they were registered at: periods moved from the subscription to its
items in 2025-03-31, an invoice's subscription moved below ``parent``, and a discount's coupon
below ``source`` in 2025-09-30.
"""

from __future__ import annotations

import collections.abc as c
import typing as t
from datetime import datetime

from .clock import from_timestamp

StripeObject = c.Mapping[str, t.Any]

#: Metadata of a metered price: the key of the meter it is for, beside ``billing_plan``.
METER: t.Final = "billing_meter"


def reference(value: object) -> str | None:
    """The id of something that may be expanded, given as an id, or missing."""
    if isinstance(value, dict):
        value = value.get("id")

    return value if isinstance(value, str) else None


def expanded(value: object) -> StripeObject | None:
    """The object itself where it was expanded, else None."""
    return value if isinstance(value, dict) else None


def list_data(value: object) -> c.Sequence[StripeObject]:
    """The entries of a Stripe list, or of a plain array."""
    if isinstance(value, dict):
        value = value.get("data")

    return value if isinstance(value, list) else []


def licensed_item(subscription: StripeObject) -> StripeObject:
    """The item that carries the plan: the first that is not metered."""
    items = list_data(subscription.get("items"))
    licensed = (item for item in items if not is_metered(item.get("price") or item.get("plan")))
    return next(licensed, items[0] if items else {})


def is_metered(price: StripeObject | None) -> bool:
    """Whether a price, or a plan of old, is billed by what was used."""
    price = price or {}
    usage_type = (price.get("recurring") or price).get("usage_type")
    return usage_type == "metered"


def metered_items(subscription: StripeObject) -> frozenset[str]:
    """The ids of the items that are billed by what was used."""
    return frozenset(
        item["id"] for item in list_data(subscription.get("items")) if is_metered(item.get("price"))
    )


def billed_meters(subscription: StripeObject) -> set[str]:
    """Keys of the meters that prices of a catalog, of now or before, bill the use of."""
    prices = (item.get("price") or {} for item in list_data(subscription.get("items")))
    return {meter for price in prices if (meter := (price.get("metadata") or {}).get(METER))}


def metered_prices(subscription: StripeObject) -> frozenset[str]:
    """The ids of the prices that a subscription is billed at by what was used."""
    prices = (item.get("price") or {} for item in list_data(subscription.get("items")))
    return frozenset(price["id"] for price in prices if is_metered(price))


def line_price(line: StripeObject) -> str | None:
    """The id of the price that an invoice's line is charged at."""
    details = (line.get("pricing") or {}).get("price_details") or {}
    return reference(details.get("price") or line.get("price"))


def line_item(line: StripeObject) -> str | None:
    """The id of the subscription item that an invoice's line is for."""
    parent = line.get("parent") or {}
    details = parent.get("subscription_item_details") or {}
    return reference(details.get("subscription_item") or line.get("subscription_item"))


def price_of(subscription: StripeObject) -> StripeObject:
    """The price the subscription's plan is charged at."""
    item = licensed_item(subscription)
    return item.get("price") or item.get("plan") or subscription.get("plan") or {}


def period(subscription: StripeObject) -> tuple[datetime | None, datetime | None]:
    """Start and end of the current billing period."""
    item = licensed_item(subscription)
    holder = item if item.get("current_period_end") is not None else subscription
    return (
        from_timestamp(holder.get("current_period_start")),
        from_timestamp(holder.get("current_period_end")),
    )


def cancels_at(subscription: StripeObject) -> datetime | None:
    """When the subscription is going to end, if it is."""
    moment = from_timestamp(subscription.get("cancel_at"))

    if moment is None and subscription.get("cancel_at_period_end"):
        return period(subscription)[1]

    return moment


def discounts(holder: StripeObject) -> c.Sequence[StripeObject]:
    """The expanded discounts of a subscription, invoice or customer."""
    found = [entry for entry in list_data(holder.get("discounts")) if isinstance(entry, dict)]

    if not found and isinstance(single := holder.get("discount"), dict):
        found = [single]

    return found


def coupon_of(discount: StripeObject) -> str | None:
    """The id of a discount's coupon."""
    source = discount.get("source")
    return reference((source or {}).get("coupon")) or reference(discount.get("coupon"))


def invoice_subscription(invoice: StripeObject) -> str | None:
    """The id of the subscription an invoice is for."""
    return reference(_invoice_subscription(invoice))


def invoice_subscription_object(invoice: StripeObject) -> StripeObject | None:
    """The subscription of an invoice where it was expanded."""
    return expanded(_invoice_subscription(invoice))


def amount_refunded(payment: StripeObject) -> int:
    """What of an invoice payment went back, its payment intent and charge being expanded."""
    paid_by = payment.get("payment") or {}
    intent = expanded(paid_by.get("payment_intent")) or {}
    charge = expanded(intent.get("latest_charge")) or expanded(paid_by.get("charge")) or {}
    return int(charge.get("amount_refunded") or 0)


def default_payment_method(customer: StripeObject) -> str | None:
    """The customer's default payment method for invoices."""
    settings = customer.get("invoice_settings") or {}
    return reference(settings.get("default_payment_method")) or reference(
        customer.get("default_source")
    )


def product_of(price: StripeObject) -> StripeObject | None:
    """The price's product, where it was expanded."""
    return expanded(price.get("product"))


def _invoice_subscription(invoice: StripeObject) -> object:
    parent = invoice.get("parent") or {}
    details = parent.get("subscription_details") or {}
    return details.get("subscription") or invoice.get("subscription")
