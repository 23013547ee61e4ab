"""Billing meters."""

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.errors import invalid
from flask_billing.sandbox.ids import new_id
from flask_billing.sandbox.lists import page
from flask_billing.sandbox.router import Call, endpoint
from flask_billing.sandbox.settings import DAY

_OLDEST, _NEWEST = 35 * DAY, 300


@endpoint("POST", "/v1/billing/meters", "billing.MeterCreateParams")
def create(account: Account, call: Call) -> Body:
    """Create a meter; one active meter per event name."""
    params = call.params
    name = params["event_name"]
    _refuse_twin(account, name)
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


def _refuse_twin(account: Account, name: str) -> None:
    for twin in account.find("billing.meter", where=[("$.event_name", name)]):
        if twin["status"] == "active":
            raise invalid(
                f"There is already an active meter with the event name {name}: {twin['id']}.",
                "event_name",
                "resource_already_exists",
            )


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
    """Stop a meter: events with its name are refused from now on."""
    meter = account.require("billing.meter", call.id)
    if meter["status"] == "inactive":
        raise invalid(f"The meter {meter['id']} is already inactive.")
    meter.update(status="inactive", updated=account.now)
    meter["status_transitions"]["deactivated_at"] = account.now
    account.save(meter)
    account.emit("billing.meter.deactivated", meter)
    return meter


@endpoint("POST", "/v1/billing/meters/{id}/reactivate", "billing.MeterReactivateParams")
def reactivate(account: Account, call: Call) -> Body:
    """Start a meter again, unless another took its event name."""
    meter = account.require("billing.meter", call.id)
    if meter["status"] == "active":
        raise invalid(f"The meter {meter['id']} is already active.")
    _refuse_twin(account, meter["event_name"])
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
