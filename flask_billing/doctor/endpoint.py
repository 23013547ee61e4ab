"""Does Stripe know where to post its events, and post all of them?"""

from __future__ import annotations

import collections.abc as c
from urllib.parse import urlsplit

from flask import current_app

from ..errors import BillingError
from ..state import state
from ..stripe_gateway import API_VERSION, StripeObject, gateway
from ..webhooks.handlers import HANDLERS
from ..webhooks.verify import THIN_TYPES
from .finding import Finding, failure, ok, warning

#: Types that an endpoint can be asked for.
_TYPES = [kind for kind in HANDLERS if kind not in THIN_TYPES]
FIX = "Run 'flask billing doctor --fix'."


def check() -> c.Iterator[Finding]:
    """Look for this app's endpoint, its event types, API version and secret."""
    if not state().stripe.webhook_secrets:
        yield failure(
            "endpoint",
            "There is no signing secret, so every delivery is refused.",
            "Set BILLING_STRIPE_WEBHOOK_SECRETS to the endpoint's secret (whsec_…). " + FIX,
        )

    found = _ours()

    if not found:
        yield failure(
            "endpoint",
            f"Stripe has no endpoint for {url() or state().webhook_path}, so it tells this app "
            "nothing.",
            FIX,
        )
        return

    if len(found) > 1:
        yield warning(
            "endpoint",
            f"{len(found)} endpoints post to this app, so each event comes as often.",
            "Delete all but one in Stripe's dashboard.",
        )

    for endpoint in found:
        yield from _about(endpoint)


def mend() -> str | None:
    """Register the endpoint, or let an existing one send every type this app handles.

    :returns: the signing secret of a new endpoint, which Stripe tells this once.
    :raises BillingError: where the app's own address is not configured.
    """
    found = _ours()

    if found:
        for endpoint in found:
            gateway().post(
                f"/v1/webhook_endpoints/{endpoint['id']}",
                {"enabled_events": list(_TYPES), "disabled": False},
            )

        return None

    own = url()

    if own is None:
        raise BillingError(
            "BILLING_BASE_URL is not set, so Stripe cannot be told where to post. Nothing was "
            "changed. Set it to this app's public address."
        )

    made = gateway().post(
        "/v1/webhook_endpoints",
        {"url": own, "enabled_events": list(_TYPES), "api_version": API_VERSION},
    )
    return str(made["secret"])


def url() -> str | None:
    """Where Stripe has to post to; None where the app's own address is not configured."""
    base: str | None = current_app.config["BILLING_BASE_URL"]
    return None if base is None else base.rstrip("/") + state().webhook_path


def is_ours(address: str) -> bool:
    """Whether what is posted to an address comes to this app.

    By its path alone where its own is unset, and on the app's sandbox, which hands events over.
    """
    own = url()

    if own is None or current_app.config["BILLING_SANDBOX"]:
        return urlsplit(address).path.endswith(state().webhook_path)

    return address == own


def _ours() -> list[StripeObject]:
    """The endpoints that post to this app."""
    return [found for found in gateway().list("/v1/webhook_endpoints") if is_ours(found["url"])]


def _about(endpoint: StripeObject) -> c.Iterator[Finding]:
    name = endpoint["id"]

    if endpoint.get("status") != "enabled":
        yield failure("endpoint", f"The endpoint {name} is disabled.", FIX)
        return

    enabled = set(endpoint.get("enabled_events") or ())
    missing = [] if "*" in enabled else [kind for kind in _TYPES if kind not in enabled]

    if missing:
        yield failure("endpoint", f"The endpoint {name} does not send {', '.join(missing)}.", FIX)

    version = endpoint.get("api_version")

    if version not in (None, API_VERSION):
        yield warning(
            "endpoint",
            f"The endpoint {name} sends events of API version {version}, this app reads "
            f"{API_VERSION}.",
            "Objects are fetched anew, so this works; register a new endpoint at the next chance.",
        )

    if not missing:
        yield ok("endpoint", f"The endpoint {name} is enabled and sends all that is handled.")
