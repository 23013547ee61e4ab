"""Whose the fetched objects are, as they themselves tell."""

from __future__ import annotations

import typing as t

from .. import stripe_objects
from ..row_marks import CUSTOMER
from .fetch import Fetched


def payment_method(fetched: Fetched) -> stripe_objects.StripeObject | None:
    """The payment method that was asked for, or that came along with a subscription."""
    if "payment_method" in fetched:
        return fetched["payment_method"]

    subscription = fetched.get("subscription") or {}
    return stripe_objects.expanded(subscription.get("default_payment_method"))


def stripe_customer(fetched: Fetched) -> str | None:
    """The Stripe customer that the objects belong to."""
    if "customer" in fetched:
        return t.cast("str", fetched["customer"]["id"])

    for holder in (
        fetched.get("session"),
        fetched.get("invoice"),
        fetched.get("subscription"),
        fetched.get("payment_method"),
    ):
        found = stripe_objects.reference((holder or {}).get("customer"))

        if found is not None:
            return found

    return None


def is_gone(fetched: Fetched) -> bool:
    """Whether this is a customer deleted at Stripe, or a card taken off its customer."""
    customer = fetched.get("customer") or {}
    return bool(customer.get("deleted")) or stripe_customer(fetched) is None


def customer_hint(fetched: Fetched) -> int:
    """Our customer id as we wrote it on Stripe's side; 0 where it is not there.

    Metadata is written by who has the secret key. A ``client_reference_id`` may be anybody's: a
    Payment Link takes it from its address.
    """
    found = next((hint for held in metadata(fetched) if (hint := held.get(CUSTOMER))), "")
    return int(found) if str(found).isdecimal() and len(str(found)) < 19 else 0


def metadata(fetched: Fetched) -> list[stripe_objects.StripeObject]:
    """What was written on Stripe's side beside the objects."""
    holders = (fetched.get("session"), fetched.get("subscription"), fetched.get("customer"))
    return [(holder or {}).get("metadata") or {} for holder in holders]
