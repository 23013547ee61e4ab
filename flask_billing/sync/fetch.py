"""Reads from Stripe: one request an object, with what belongs to it expanded."""

from __future__ import annotations

import typing as t

from .. import stripe_objects
from ..errors import StripeNotFoundError
from ..stripe_gateway import StripeObject, gateway

Kind = t.Literal["subscription", "invoice", "paid_invoice", "customer", "payment_method", "session"]


class Fetched(t.TypedDict, total=False):
    """What one request brought, by what it is."""

    subscription: StripeObject
    invoice: StripeObject
    customer: StripeObject
    payment_method: StripeObject
    session: StripeObject


_SUBSCRIPTION: t.Final = ("default_payment_method", "discounts")

_PATHS: t.Final[dict[Kind, tuple[str, tuple[str, ...]]]] = {
    "subscription": ("/v1/subscriptions", _SUBSCRIPTION),
    "invoice": ("/v1/invoices", ()),
    # A payment changes the subscription too, so one request brings both.
    "paid_invoice": (
        "/v1/invoices",
        (
            "parent.subscription_details.subscription",
            "parent.subscription_details.subscription.default_payment_method",
            "parent.subscription_details.subscription.discounts",
        ),
    ),
    "customer": ("/v1/customers", ()),
    "payment_method": ("/v1/payment_methods", ()),
    "session": (
        "/v1/checkout/sessions",
        ("subscription", *(f"subscription.{field}" for field in _SUBSCRIPTION)),
    ),
}


def fetch(kind: Kind, object_id: str) -> Fetched:
    """Read one object and what it carries.

    :raises StripeError: where Stripe does not know it or cannot be reached.
    """
    path, expand = _PATHS[kind]
    found = gateway().get(f"{path}/{object_id}", {"expand": list(expand)} if expand else None)

    if kind == "session":
        return _with_subscription({"session": found}, found.get("subscription"))

    if kind in ("invoice", "paid_invoice"):
        subscription = stripe_objects.invoice_subscription_object(found)
        return _with_subscription({"invoice": found}, subscription)

    if kind == "subscription":
        return {"subscription": found}

    return {"customer": found} if kind == "customer" else {"payment_method": found}


def fetch_or_gone(kind: Kind, object_id: str) -> Fetched | None:
    """Like :func:`fetch`, with None for what was deleted at Stripe."""
    try:
        return fetch(kind, object_id)
    except StripeNotFoundError:
        return None


def _with_subscription(fetched: Fetched, subscription: object) -> Fetched:
    if isinstance(subscription, dict):
        fetched["subscription"] = subscription

    return fetched
