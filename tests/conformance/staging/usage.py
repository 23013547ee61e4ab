"""Meters, which usage names by the name of its events."""

from __future__ import annotations

from ..cassettes import Exchange
from ..known import chosen
from .stage import Stage, makes, prepares


@makes("meter")
def meter(stage: Stage, object_id: str, exchange: Exchange) -> None:
    """A meter as an answer shows it, or one that sums events of its own."""
    shown = stage.known.find("billing.meter", object_id) or {}
    names = ("display_name", "event_name", "default_aggregation", "customer_mapping")
    params = {
        "display_name": "Usage",
        "event_name": object_id,
        "default_aggregation": {"formula": "sum"},
        **chosen(shown, (*names, "value_settings")),
    }
    stage.make("/v1/billing/meters", params, object_id)


@prepares
def meter_of_events(stage: Stage, exchange: Exchange) -> None:
    """The meter that took a recorded event."""
    name = exchange.params.get("event_name")
    taken = exchange.endpoint == "POST /v1/billing/meter_events" and exchange.status == 200
    meters = stage.wire.send("GET", "/v1/billing/meters", {})[1]["data"]
    if not taken or name in [made["event_name"] for made in meters]:
        return
    payload = exchange.params.get("payload") or {}
    customers = [key for key, value in payload.items() if str(value).startswith("cus_")]
    values = [key for key in payload if key not in customers]
    params = {
        "display_name": "Usage",
        "event_name": name,
        "default_aggregation": {"formula": "sum"},
        "customer_mapping": {"type": "by_id", "event_payload_key": customers[0]},
        "value_settings": {"event_payload_key": values[0]},
    }
    stage.make("/v1/billing/meters", params, f"meter of {name}")
