"""Where a page's card form comes from: Stripe.js, or the sandbox's stand-in for it."""

from __future__ import annotations

import typing as t

from flask import current_app, request

from ..state import state

#: Stripe.js of the API's own train. Stripe allows no copies of it.
STRIPE: t.Final = "https://js.stripe.com/endive/stripe.js"
_STAND_IN: t.Final = "/endive/stripe.js"


class _Sandbox(t.Protocol):
    publishable_key: str


def url() -> str:
    """The address of the script."""
    if not state().stripe.sandbox:
        return STRIPE

    prefix: str = current_app.config["BILLING_SANDBOX_PREFIX"]
    return f"{request.root_path}{prefix}{_STAND_IN}"


def publishable_key() -> str | None:
    """The key a browser may have; None where none is configured."""
    current = state()

    if current.stripe.sandbox:
        return t.cast("_Sandbox", current.sandbox).publishable_key

    found: str | None = current_app.config["BILLING_STRIPE_PUBLISHABLE_KEY"]
    return found
