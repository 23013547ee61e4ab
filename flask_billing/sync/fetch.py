"""Reads from Stripe: one request an object, with what belongs to it expanded."""

from __future__ import annotations

import contextlib
import typing as t

from .. import stripe_objects
from ..errors import StripeNotFoundError
from ..stripe_gateway import StripeObject, gateway
from . import plans

Kind = t.Literal[
    "subscription",
    "invoice",
    "paid_invoice",
    "credited_invoice",
    "customer",
    "payment_method",
    "session",
]


class GivenBack(t.NamedTuple):
    """What went back of an invoice.

    :param refunded: minor units, of all its payments.
    """

    refunded: int
    credit_notes: list[StripeObject]


class Fetched(t.TypedDict, total=False):
    """What one request brought, by what it is."""

    subscription: StripeObject
    invoice: StripeObject
    customer: StripeObject
    payment_method: StripeObject
    session: StripeObject
    given_back: GivenBack


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
    # No invoice tells what was refunded, so this one takes two requests more.
    "credited_invoice": ("/v1/invoices", ()),
    "customer": ("/v1/customers", ("tax_ids",)),
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
        case "credited_invoice":
            return {"invoice": found, "given_back": _given_back(object_id)}
        case "subscription":
            return {"subscription": found}
        case "customer":
            return {"customer": found}
        case "payment_method":
            return {"payment_method": found}


def invoice_of_payment(payment_intent: str) -> str | None:
    """The id of the invoice that a payment intent paid; None where it paid none."""
    paid_by = {"type": "payment_intent", "payment_intent": payment_intent}
    found = next(gateway().list("/v1/invoice_payments", {"payment": paid_by}), None)
    return None if found is None else stripe_objects.reference(found.get("invoice"))


def _given_back(invoice_id: str) -> GivenBack:
    of_invoice: dict[str, object] = {"invoice": invoice_id}
    charges = ["data.payment.payment_intent.latest_charge", "data.payment.charge"]
    payments = gateway().list("/v1/invoice_payments", {**of_invoice, "expand": charges})
    refunded = sum(stripe_objects.amount_refunded(payment) for payment in payments)
    return GivenBack(refunded, list(gateway().list("/v1/credit_notes", of_invoice)))


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
