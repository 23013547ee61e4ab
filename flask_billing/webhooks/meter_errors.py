"""Usage that Stripe took and could not book, which it reports some minutes later.

The report is a thin event: it says that there is something to be fetched, and not what
(docs.stripe.com/billing/subscriptions/usage-based/recording-usage-api#handle-errors).
"""

from __future__ import annotations

import logging

from ..metering import export_rows
from ..state import state
from ..stripe_gateway import gateway
from ..stripe_objects import StripeObject

log = logging.getLogger("flask_billing.webhooks")


def settle(event: StripeObject) -> None:
    """Let what could not be booked be reported again.

    A report names some of its failures. The others are found by Stripe's total of the period.

    :raises StripeError: where the report cannot be fetched.
    """
    report = gateway().get(f"/v2/core/events/{event['id']}")
    reason: StripeObject = (report.get("data") or {}).get("reason") or {}

    for kind in reason.get("error_types") or ():
        for sample in kind.get("sample_errors") or ():
            identifier = (sample.get("request") or {}).get("identifier")
            message = f"{kind.get('code')}: {sample.get('error_message')}"

            if identifier and export_rows.fail_reported(state(), identifier, message):
                log.error("Stripe could not book the usage %s: %s", identifier, message)
