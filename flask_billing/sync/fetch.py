"""Reads from Stripe: one request an object, with what belongs to it expanded."""

from __future__ import annotations

import contextlib
import typing as t

from .. import stripe_objects
from ..errors import StripeNotFoundError
from ..stripe_gateway import StripeObject, gateway
from . import plans

Kind = t.Literal["subscription", "invoice", "paid_invoice", "customer", "payment_method", "session"]


class Fetched(t.TypedDict, total=False):
    """What one request brought, by what it is."""

    subscription: StripeObject
    invoice: StripeObject
    customer: StripeObject
    payment_method: StripeObject
    session: StripeObject


_PATHS: t.Final[dict[Kind, tuple[str, tuple[str, ...]]]] = {
    "subscription": ("/v1/subscriptions", ("default_payment_method", "discounts")),
    "invoice": ("/v1/invoices", ()),
    # A payment changes the subscription too, so one request brings both.
    "paid_invoice": (
        "/v1/invoices",
        (
            "parent.subscription_details.subscription",
            "parent.subscription_details.subscription.discounts",
        ),
    ),
    "customer": ("/v1/customers", ()),
    "payment_method": ("/v1/payment_methods", ()),
    "session": ("/v1/checkout/sessions", ("subscription", "subscription.discounts")),
}


def fetch(kind: Kind, object_id: str) -> Fetched:
    """Read one object and what it carries.

    :raises StripeError: where Stripe does not know it or cannot be reached.
    """
    fetched = _read(kind, object_id)

    if subscription := fetched.get("subscription"):
        _add_product(subscription)

    return fetched


def _read(kind: Kind, object_id: str) -> Fetched:
    path, expand = _PATHS[kind]
    found = gateway().get(f"{path}/{object_id}", {"expand": list(expand)} if expand else None)

    match kind:
        case "session":
            return _with_subscription({"session": found}, found.get("subscription"))
        case "paid_invoice":
            subscription = stripe_objects.invoice_subscription(found)
            expanded = stripe_objects.invoice_subscription_object(found)
            return _with_subscription({"invoice": found}, expanded or subscription)
        case "invoice":
            return {"invoice": found}
        case "subscription":
            return {"subscription": found}
        case "customer":
            return {"customer": found}
        case "payment_method":
            return {"payment_method": found}


def _with_subscription(fetched: Fetched, subscription: object) -> Fetched:
    if isinstance(subscription, str):  # where it could not be expanded
        return {**fetched, **_read("subscription", subscription)}

    if isinstance(subscription, dict):
        fetched["subscription"] = subscription

    return fetched


def _add_product(subscription: StripeObject) -> None:
    """Read the product of a price that nothing else tells the plan of."""
    price = t.cast("StripeObject", stripe_objects.price_of(subscription))
    product = price.get("product")

    if not isinstance(product, str) or plans.is_known(price):
        return

    with contextlib.suppress(StripeNotFoundError):
        price["product"] = gateway().get(f"/v1/products/{product}")
