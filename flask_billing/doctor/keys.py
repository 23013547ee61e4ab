"""Do the keys work, and belong together?"""

from __future__ import annotations

import collections.abc as c
from urllib.parse import urlsplit

from flask import current_app

from ..config import is_live
from ..state import state
from ..stripe_gateway import API_VERSION, gateway
from .finding import Finding, failure, ok, warning


def check() -> c.Iterator[Finding]:
    """Ask Stripe for something with the configured key, and compare the modes."""
    config = current_app.config

    if state().stripe.sandbox:
        yield ok("keys", "This app runs on the offline sandbox; no money moves.")
        return

    gateway().get("/v1/customers", {"limit": 1})
    live = is_live(current_app)
    mode = "live" if live else "test"
    yield ok("keys", f"The secret key works, in {mode} mode, at API version {API_VERSION}.")
    publishable: str | None = config["BILLING_STRIPE_PUBLISHABLE_KEY"]

    if publishable is None:
        yield warning(
            "keys",
            "There is no publishable key, so cards cannot be entered on your pages.",
            "Set BILLING_STRIPE_PUBLISHABLE_KEY, or leave cards to Stripe's portal.",
        )
    elif publishable.startswith("pk_live_") is not live:
        yield failure(
            "keys",
            f"The publishable key is not of {mode} mode, as the secret key is.",
            "Copy both from the same page of Stripe's dashboard.",
        )

    base: str | None = config["BILLING_BASE_URL"]

    if live and base is not None and urlsplit(base).scheme != "https":
        yield failure("keys", "BILLING_BASE_URL is not https.", "Serve billing over https only.")
