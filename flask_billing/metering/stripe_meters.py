"""Which Stripe Billing Meter counts one of ours."""

from __future__ import annotations

import logging
import time
import typing as t

from ..catalog import Meter
from ..errors import BillingError
from ..state import state
from ..stripe_gateway import gateway

log = logging.getLogger("flask_billing.metering")

#: How Stripe adds up what is reported: in parts, each of many units, whatever one is.
FORMULA: t.Final = "sum"
#: How long an answer, or the lack of one, is kept.
_KEPT_SECONDS: t.Final = 300.0


def meter_id(meter: Meter) -> str | None:
    """The id of a meter at Stripe; None where it has none, or Stripe does not answer."""
    if meter.stripe_event is None:
        return None

    asked_at, known = state().caches.get("metering.stripe_meters", (None, {}))

    if asked_at is None or time.monotonic() - asked_at > _KEPT_SECONDS:
        known = _ask() or known
        state().caches["metering.stripe_meters"] = (time.monotonic(), known)

    found: str | None = known.get(meter.stripe_event)
    return found


def _ask() -> dict[str, str]:
    try:
        active = gateway().list("/v1/billing/meters", {"status": "active"})
        return {
            found["event_name"]: found["id"]
            for found in active
            if found["default_aggregation"]["formula"] == FORMULA
        }
    except BillingError as error:
        log.warning("The meters at Stripe are not known just now: %s", error)
        return {}
