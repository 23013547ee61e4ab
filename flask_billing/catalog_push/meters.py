"""Meters whose usage Stripe bills."""

from __future__ import annotations

import collections.abc as c

from ..catalog import Catalog, Meter
from ..metering.stripe_meters import FORMULA
from ..stripe_gateway import gateway
from .steps import Body, Step, conflict, create, update


def active_meters(catalog: Catalog) -> dict[str, Body]:
    """The meters Stripe has, by event name; not asked for where the catalog has none."""
    if not any(meter.stripe_event for meter in catalog.meters):
        return {}

    active = gateway().list("/v1/billing/meters", {"status": "active"})
    return {there["event_name"]: there for there in active}


def meter_steps(catalog: Catalog, active: c.Mapping[str, Body]) -> c.Iterator[Step]:
    """What differs from the active meters Stripe has."""
    for meter in catalog.meters:
        if meter.stripe_event:
            yield from _meter(meter, active.get(meter.stripe_event))


def _meter(meter: Meter, found: Body | None) -> c.Iterator[Step]:
    if found is None:
        yield create(
            "meter",
            meter.key,
            "/v1/billing/meters",
            {
                "display_name": meter.name,
                "event_name": meter.stripe_event,
                "default_aggregation": {"formula": FORMULA},
                "customer_mapping": {
                    "type": "by_id",
                    "event_payload_key": "stripe_customer_id",
                },
                "value_settings": {"event_payload_key": "value"},
            },
        )
        return

    formula = found["default_aggregation"]["formula"]

    if formula != FORMULA:
        yield conflict(
            "meter",
            meter.key,
            f"it adds up by {formula!r} at Stripe, where usage that is reported in parts needs "
            f"{FORMULA!r}, and Stripe never changes that; deactivate it there or choose another "
            "stripe_event",
        )

    if found["display_name"] != meter.name:
        path = f"/v1/billing/meters/{found['id']}"
        yield update("meter", meter.key, path, {"display_name": meter.name})
