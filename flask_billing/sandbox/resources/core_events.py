"""Thin events and where they can be fetched with their data: ``/v2/core/events``."""

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.errors import ApiError, invalid
from flask_billing.sandbox.router import Call, endpoint

_MOST = 100


@endpoint("GET", "/v2/core/events/{id}", "v2.core.EventRetrieveParams")
def retrieve(account: Account, call: Call) -> Body:
    """One event with its data."""
    event = account.get("v2.core.event", call.id)
    if event is None:
        raise ApiError(404, f"No such event: '{call.id}'", code="not_found")
    return event


@endpoint("GET", "/v2/core/events", "v2.core.EventListParams")
def list_(account: Account, call: Call) -> Body:
    """The newest thin events, of one object if it is named."""
    params = call.params
    limit = params.get("limit", 20)
    if not 1 <= limit <= _MOST:
        raise invalid(f"limit must be between 1 and {_MOST}", "limit")
    for name in ("created", "gt", "gte", "lt", "lte", "page"):
        if name in params:
            raise ApiError(404, f"The sandbox lists the newest events only, without {name}.")
    found = account.find("v2.core.event", newest_first=True)
    if "object_id" in params:
        related = params["object_id"]
        found = [event for event in found if event.get("related_object", {}).get("id") == related]
    if "types" in params:
        found = [event for event in found if event["type"] in params["types"]]
    return {
        "data": [account.show(event) for event in found[:limit]],
        "next_page_url": None,
        "previous_page_url": None,
    }
