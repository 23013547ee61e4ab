"""Does Stripe tell this app which of the usage it took it could not book?

It tells so in thin events only, which go to an event destination beside the webhook endpoint and
are signed with a secret of its own (docs.stripe.com/event-destinations).
"""

from __future__ import annotations

import collections.abc as c
import typing as t

from ..errors import BillingError
from ..state import state
from ..stripe_gateway import StripeObject, gateway
from ..webhooks.verify import THIN_TYPES
from .endpoint import FIX, is_ours, url
from .finding import Finding, failure, ok, warning

_PATH: t.Final = "/v2/core/event_destinations"
_WITH_URL: t.Final = {"include": ["webhook_endpoint.url"]}


def check() -> c.Iterator[Finding]:
    """Look for the destination of thin events, their types and its secret."""
    if not is_wanted():
        yield ok("destination", "No meter is billed by Stripe, so none can fail there.")
        return

    found = _ours()

    if not found:
        yield failure(
            "destination",
            "Stripe has no event destination for this app, so usage that it could not book is "
            "found a day later, and may miss its invoice.",
            FIX,
        )
        return

    if len(set(state().stripe.webhook_secrets)) < 2:
        yield failure(
            "destination",
            "There is one signing secret, and endpoint and destination have one each.",
            "List both in BILLING_STRIPE_WEBHOOK_SECRETS. Stripe's dashboard shows them.",
        )

    if len(found) > 1:
        yield warning(
            "destination",
            f"{len(found)} event destinations post to this app, so each event comes as often.",
            "Delete all but one in Stripe's dashboard.",
        )

    for destination in found:
        yield _about(destination)


def is_wanted() -> bool:
    """Whether any usage is reported to Stripe."""
    return any(meter.stripe_event for meter in state().catalog.meters)


def mend() -> str | None:
    """Create the destination, or let an existing one send both types.

    :returns: the signing secret of a new destination, which Stripe tells this once.
    :raises BillingError: where the app's own address is not configured.
    """
    found = _ours()

    for destination in found:
        _mend(destination)

    if found:
        return None

    own = url()

    if own is None:
        raise BillingError(
            "BILLING_BASE_URL is not set, so Stripe cannot be told where to post thin events. No "
            "event destination was created. Set it to this app's public address."
        )

    made = gateway().post(
        _PATH,
        {
            "name": "Flask-Billing: usage that could not be booked",
            "type": "webhook_endpoint",
            "event_payload": "thin",
            "enabled_events": list(THIN_TYPES),
            "webhook_endpoint": {"url": own},
            "include": ["webhook_endpoint.signing_secret"],
        },
    )
    return str(made["webhook_endpoint"]["signing_secret"])


def _mend(destination: StripeObject) -> None:
    path = f"{_PATH}/{destination['id']}"

    if missing := _missing(destination):
        gateway().post(path, {"enabled_events": [*destination["enabled_events"], *missing]})

    if destination["status"] != "enabled":
        gateway().post(f"{path}/enable")


def _ours() -> list[StripeObject]:
    """The destinations that post thin events to this app."""
    return [
        found
        for found in gateway().list(_PATH, _WITH_URL)
        if found["event_payload"] == "thin"
        and is_ours((found.get("webhook_endpoint") or {}).get("url") or "")
    ]


def _missing(destination: StripeObject) -> list[str]:
    enabled = destination["enabled_events"]
    return [] if "*" in enabled else [kind for kind in THIN_TYPES if kind not in enabled]


def _about(destination: StripeObject) -> Finding:
    name = destination["id"]

    if destination["status"] != "enabled":
        return failure("destination", f"The event destination {name} is disabled.", FIX)

    if missing := _missing(destination):
        text = f"The event destination {name} does not send {', '.join(missing)}."
        return failure("destination", text, FIX)

    return ok("destination", f"The event destination {name} tells of usage that was not booked.")
