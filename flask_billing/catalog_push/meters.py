"""Meters whose usage Stripe bills."""

from __future__ import annotations

import collections.abc as c

from ..catalog import Catalog, Meter
from ..stripe_gateway import gateway
from .steps import Body, Step, conflict, create, update


def meter_steps(catalog: Catalog) -> c.Iterator[Step]:
    """What differs from the active meters Stripe has."""
    events = {meter.stripe_event: meter for meter in catalog.meters if meter.stripe_event}

    if events:
        active = gateway().list("/v1/billing/meters", {"status": "active"})
        found = {there["event_name"]: there for there in active}

        for event, meter in events.items():
            yield from _meter(meter, found.get(event))


def _meter(meter: Meter, found: Body | None) -> c.Iterator[Step]:
    if found is None:
        yield create(
            "meter",
            meter.key,
            "/v1/billing/meters",
            {
                "display_name": meter.name,
                "event_name": meter.stripe_event,
                "default_aggregation": {"formula": meter.aggregation},
                "customer_mapping": {
                    "type": "by_id",
                    "event_payload_key": "stripe_customer_id",
                },
                "value_settings": {"event_payload_key": "value"},
            },
        )
        return

    formula = found["default_aggregation"]["formula"]

    if formula != meter.aggregation:
        yield conflict(
            "meter",
            meter.key,
            f"it adds up by {formula!r} at Stripe and {meter.aggregation!r} in the catalog, and "
            "Stripe never changes that; deactivate it there or choose another stripe_event",
        )

    if found["display_name"] != meter.name:
        path = f"/v1/billing/meters/{found['id']}"
        yield update("meter", meter.key, path, {"display_name": meter.name})
