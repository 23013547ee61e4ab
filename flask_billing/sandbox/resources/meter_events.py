"""Usage reported to meters, and taken back."""

from decimal import Decimal, InvalidOperation

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.engine import meter_errors
from flask_billing.sandbox.errors import invalid, missing_param
from flask_billing.sandbox.ids import random_text
from flask_billing.sandbox.router import Call, endpoint
from flask_billing.sandbox.settings import DAY

_OLDEST, _NEWEST = 35 * DAY, 300
_DIGITS = 15


@endpoint("POST", "/v1/billing/meter_events", "billing.MeterEventCreateParams")
def report(account: Account, call: Call) -> Body:
    """Report usage. Time and identifier are checked at once, everything else afterwards."""
    params = call.params
    _follow_customer(account, params)
    timestamp = params.get("timestamp", account.now)
    _check_time(account, timestamp)
    identifier = params.get("identifier") or random_text(32)
    _refuse_twin(account, identifier)
    event: Body = {
        "object": "billing.meter_event",
        "created": account.now,
        "event_name": params["event_name"],
        "identifier": identifier,
        "livemode": False,
        "payload": params["payload"],
        "timestamp": timestamp,
    }
    meter = _meter(account, params["event_name"])
    problem = _problem(account, meter, params["payload"])
    if problem is not None:
        meter_errors.note(account, *problem, identifier, meter)
    else:
        assert meter is not None
        customer = params["payload"][meter["customer_mapping"]["event_payload_key"]]
        account.add({"id": _object_id(identifier), "customer": customer, **event})
    return event


def _follow_customer(account: Account, params: Body) -> None:
    """The customer in the payload may live on a test clock."""
    for value in params["payload"].values():
        if isinstance(value, str) and value:
            account.get("customer", value)


def _check_time(account: Account, timestamp: int) -> None:
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


def _object_id(identifier: str) -> str:
    return f"mevent_{identifier}"


def _refuse_twin(account: Account, identifier: str) -> None:
    """An identifier is unique for 24 hours; then it may be used again."""
    earlier = account.anything(_object_id(identifier))
    if earlier is None:
        return
    if earlier["created"] > account.now - DAY:
        raise invalid(
            f"An event already exists with identifier {identifier}.",
            "identifier",
            "resource_already_exists",
        )
    account.connection.execute(
        "UPDATE objects SET id = id || ':' || seq WHERE id = ?", (earlier["id"],)
    )


def _meter(account: Account, event_name: str) -> Body | None:
    """The active meter of an event name, or else one that was."""
    found = account.find("billing.meter", where=[("$.event_name", event_name)], newest_first=True)
    active = [meter for meter in found if meter["status"] == "active"]
    return next(iter(active or found), None)


def _problem(account: Account, meter: Body | None, payload: Body) -> tuple[str, str] | None:
    """Why an event cannot be booked, as (code, message)."""
    if meter is None:
        return "no_meter", "No meter found for the event name."
    if meter["status"] != "active":
        return "archived_meter", f"The meter {meter['id']} is inactive."
    key = meter["customer_mapping"]["event_payload_key"]
    customer = payload.get(key)
    if not customer:
        return "meter_event_no_customer_defined", f"The payload has no customer: {key} is missing."
    if account.get("customer", customer) is None:
        return "meter_event_customer_not_found", f"No such customer: '{customer}'"
    if meter["default_aggregation"]["formula"] == "count":
        return None
    return _value_problem(payload.get(meter["value_settings"]["event_payload_key"]))


def _value_problem(value: str | None) -> tuple[str, str] | None:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or number != number.to_integral_value():
        return "meter_event_invalid_value", f"The value is no whole number: {value}"
    if len(number.as_tuple().digits) > _DIGITS:
        return "meter_event_value_too_many_digits", f"The value has too many digits: {value}"
    return None


@endpoint("POST", "/v1/billing/meter_event_adjustments", "billing.MeterEventAdjustmentCreateParams")
def adjust(account: Account, call: Call) -> Body:
    """Cancel a reported event by its identifier, within 24 hours."""
    params = call.params
    identifier = (params.get("cancel") or {}).get("identifier")
    if not identifier:
        raise missing_param("cancel[identifier]")
    event = account.get("billing.meter_event", _object_id(identifier))
    if event is None or event["event_name"] != params["event_name"]:
        raise invalid(
            f"No such meter event: '{identifier}'", "cancel[identifier]", "resource_missing"
        )
    if event["created"] <= account.now - DAY:
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
