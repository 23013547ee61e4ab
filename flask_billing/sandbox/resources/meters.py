"""Billing meters and the usage reported to them."""

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.errors import invalid, missing_param
from flask_billing.sandbox.ids import new_id, random_text
from flask_billing.sandbox.lists import listing, page
from flask_billing.sandbox.router import Call, endpoint
from flask_billing.sandbox.settings import DAY

_OLDEST, _NEWEST = 35 * DAY, 300


@endpoint("POST", "/v1/billing/meters", "billing.MeterCreateParams")
def create(account: Account, call: Call) -> Body:
    """Create a meter; one active meter per event name."""
    params = call.params
    name = params["event_name"]
    for twin in account.find("billing.meter", where=[("$.event_name", name)]):
        if twin["status"] == "active":
            raise invalid(
                f"There is already an active meter with the event name {name}: {twin['id']}.",
                "event_name",
                "resource_already_exists",
            )
    mapping = params.get("customer_mapping") or {}
    settings = params.get("value_settings") or {}
    meter = account.add(
        {
            "id": new_id("mtr").replace("mtr_1", "mtr_test_61", 1),
            "object": "billing.meter",
            "created": account.now,
            "customer_mapping": {
                "event_payload_key": mapping.get("event_payload_key", "stripe_customer_id"),
                "type": "by_id",
            },
            "default_aggregation": {"formula": params["default_aggregation"]["formula"]},
            "display_name": params["display_name"],
            "event_name": name,
            "event_time_window": params.get("event_time_window"),
            "livemode": False,
            "status": "active",
            "status_transitions": {"deactivated_at": None},
            "updated": account.now,
            "value_settings": {"event_payload_key": settings.get("event_payload_key", "value")},
        }
    )
    account.emit("billing.meter.created", meter)
    return meter


@endpoint("GET", "/v1/billing/meters/{id}", "billing.MeterRetrieveParams")
def retrieve(account: Account, call: Call) -> Body:
    """One meter."""
    return account.require("billing.meter", call.id)


@endpoint("POST", "/v1/billing/meters/{id}", "billing.MeterUpdateParams")
def update(account: Account, call: Call) -> Body:
    """Change a meter's display name, the only thing that may change."""
    meter = account.require("billing.meter", call.id)
    with account.changing(meter, "billing.meter.updated"):
        meter["display_name"] = call.params.get("display_name", meter["display_name"])
        meter["updated"] = account.now
    return meter


@endpoint("POST", "/v1/billing/meters/{id}/deactivate", "billing.MeterDeactivateParams")
def deactivate(account: Account, call: Call) -> Body:
    """Stop a meter."""
    meter = account.require("billing.meter", call.id)
    meter.update(status="inactive", updated=account.now)
    meter["status_transitions"]["deactivated_at"] = account.now
    account.save(meter)
    account.emit("billing.meter.deactivated", meter)
    return meter


@endpoint("POST", "/v1/billing/meters/{id}/reactivate", "billing.MeterReactivateParams")
def reactivate(account: Account, call: Call) -> Body:
    """Start a meter again."""
    meter = account.require("billing.meter", call.id)
    meter.update(status="active", updated=account.now)
    meter["status_transitions"]["deactivated_at"] = None
    account.save(meter)
    account.emit("billing.meter.reactivated", meter)
    return meter


@endpoint("GET", "/v1/billing/meters", "billing.MeterListParams")
def list_(account: Account, call: Call) -> Body:
    """A page of meters, by status."""
    where = [("$.status", call.params["status"])] if "status" in call.params else []
    return page(account, call, "billing.meter", where=where)


@endpoint("POST", "/v1/billing/meter_events", "billing.MeterEventCreateParams")
def report(account: Account, call: Call) -> Body:
    """Report usage; an identifier that was used already within a day is refused."""
    params = call.params
    timestamp = params.get("timestamp", account.now)
    if timestamp < account.now - _OLDEST:
        raise invalid(
            "The timestamp must be within the past 35 calendar days.",
            "timestamp",
            "timestamp_too_far_in_past",
        )
    if timestamp > account.now + _NEWEST:
        raise invalid(
            "The timestamp must not be more than 5 minutes in the future.",
            "timestamp",
            "timestamp_in_future",
        )
    name = params["event_name"]
    meters = account.find("billing.meter", where=[("$.event_name", name), ("$.status", "active")])
    if not meters:
        raise invalid(f"No active meter found for event name {name}.", "event_name", "no_meter")
    meter = meters[0]
    payload = params["payload"]
    customer_key = meter["customer_mapping"]["event_payload_key"]
    if not payload.get(customer_key):
        raise missing_param(f"payload[{customer_key}]")
    identifier = params.get("identifier") or random_text(32)
    object_id = f"mevent_{identifier}"
    earlier = account.anything(object_id)
    if earlier is not None:
        raise invalid(
            f"An event already exists with identifier {identifier}.",
            "identifier",
            "resource_already_exists",
        )
    event = {
        "object": "billing.meter_event",
        "created": account.now,
        "event_name": name,
        "identifier": identifier,
        "livemode": False,
        "payload": payload,
        "timestamp": timestamp,
    }
    account.add({"id": object_id, "customer": payload[customer_key], **event})
    return event


@endpoint("POST", "/v1/billing/meter_event_adjustments", "billing.MeterEventAdjustmentCreateParams")
def adjust(account: Account, call: Call) -> Body:
    """Cancel a reported event by its identifier, within 24 hours."""
    params = call.params
    identifier = (params.get("cancel") or {}).get("identifier")
    if not identifier:
        raise missing_param("cancel[identifier]")
    event = account.require(
        "billing.meter_event", f"mevent_{identifier}", param="cancel[identifier]"
    )
    if event["created"] < account.now - DAY:
        raise invalid("Meter events can only be canceled within 24 hours.", "cancel[identifier]")
    event["canceled"] = True
    account.save(event)
    return {
        "object": "billing.meter_event_adjustment",
        "cancel": {"identifier": identifier},
        "event_name": params["event_name"],
        "livemode": False,
        "status": "pending",
        "type": "cancel",
    }


@endpoint("GET", "/v1/billing/meters/{id}/event_summaries", "billing.MeterEventSummaryListParams")
def summaries(account: Account, call: Call) -> Body:
    """Usage of a customer between two moments, whole or by hour or day."""
    meter = account.require("billing.meter", call.id)
    params = call.params
    start, end = params["start_time"], params["end_time"]
    window = {"hour": 3_600, "day": DAY}.get(params.get("value_grouping_window", ""))
    step = window or 60
    if start % step or end % step:
        raise invalid(
            "The start_time and end_time must be aligned with the grouping window.", "start_time"
        )
    parts = [(at, at + window) for at in range(start, end, window)] if window else [(start, end)]
    data = []
    for first, last in parts:
        data.append(
            {
                "id": new_id("mtrusg").replace("mtrusg_1", "mtrusg_test_61", 1),
                "object": "billing.meter_event_summary",
                "aggregated_value": usage(account, meter, params["customer"], first, last),
                "end_time": last,
                "livemode": False,
                "meter": meter["id"],
                "start_time": first,
            }
        )
    return listing("/" + call.path.strip("/"), list(reversed(data)))


def usage(account: Account, meter: Body, customer: str, start: int, end: int) -> float:
    """What was reported for a customer in [start, end), by the meter's formula."""
    key = meter["value_settings"]["event_payload_key"]
    values = [
        float(event["payload"].get(key) or 0)
        for event in account.find(
            "billing.meter_event", customer=customer, parent=meter["event_name"]
        )
        if start <= event["timestamp"] < end and not event.get("canceled")
    ]
    formula = meter["default_aggregation"]["formula"]
    if formula == "count":
        return float(len(values))
    if formula == "last":
        return values[-1] if values else 0.0
    return sum(values)
