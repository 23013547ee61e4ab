"""Stripe's Billing Portal: for what an app leaves to it, and the way out where ours fails."""

from __future__ import annotations

import typing as t

from . import lost_at_stripe
from .errors import StripeRejectedError
from .models import Customer
from .state import state
from .stripe_customers import ensure_stripe_customer
from .stripe_gateway import gateway

_ACTION: t.Final = "Opening Stripe's billing portal"
_SESSIONS: t.Final = "/v1/billing_portal/sessions"

#: A step that the portal may begin with, as its ``flow_data`` names it.
Flow = t.Literal["payment_method_update"]


def is_left_to_portal(feature: str) -> bool:
    """Whether the app has the portal do that, and shows no page of ours for it."""
    return feature in state().app.config["BILLING_PORTAL_FEATURES"]


def open_session(customer: Customer, *, return_url: str, flow: Flow | None = None) -> str:
    """The address of a portal session of the customer. It is theirs alone, and short-lived.

    :param flow: what it begins with, and is over after; None is the portal's first page.
    :raises StripeError: where Stripe refused or did not answer. Nothing was changed.
    """
    params: dict[str, t.Any] = {
        "customer": ensure_stripe_customer(customer, _ACTION),
        "return_url": return_url,
    }
    configuration = state().app.config["BILLING_PORTAL_CONFIGURATION"]

    if configuration is not None:
        params["configuration"] = configuration

    if flow is not None:
        params["flow_data"] = {
            "type": flow,
            "after_completion": {"type": "redirect", "redirect": {"return_url": return_url}},
        }

    try:
        found = gateway().post(_SESSIONS, params)
    except StripeRejectedError as error:
        if not lost_at_stripe.let_go(error, customer, "", _ACTION):
            raise

        customer_id = ensure_stripe_customer(customer, _ACTION)
        found = gateway().post(_SESSIONS, {**params, "customer": customer_id})

    url: str = found["url"]
    return url
