"""Events of the last 30 days."""

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.errors import invalid, missing_object
from flask_billing.sandbox.lists import page
from flask_billing.sandbox.router import Call, endpoint


@endpoint("GET", "/v1/events/{id}", "EventRetrieveParams")
def retrieve(account: Account, call: Call) -> Body:
    """One event."""
    event = account.get("event", call.id)
    if event is None:
        raise missing_object("event", call.id, "id")
    return event


@endpoint("GET", "/v1/events", "EventListParams")
def list_(account: Account, call: Call) -> Body:
    """A page of events, newest first, by type."""
    params = call.params
    types = params.get("types")
    if types is not None and "type" in params:
        raise invalid("You may only specify one of these parameters: type, types.", "types")
    wanted = params.get("type")
    if wanted and "*" in wanted:
        rows = account.connection.execute(
            "SELECT DISTINCT parent FROM objects WHERE kind = 'event' AND parent GLOB ?", (wanted,)
        ).fetchall()
        types, wanted = [row[0] for row in rows], None
    return page(
        account,
        call,
        "event",
        parent=wanted,
        one_of=("$.type", types) if types is not None else None,
    )
