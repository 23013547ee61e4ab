"""Events of the last 30 days."""

from dataclasses import replace

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.errors import invalid, missing_object
from flask_billing.sandbox.lists import page
from flask_billing.sandbox.present import presents
from flask_billing.sandbox.router import Call, endpoint
from flask_billing.sandbox.settings import DAY

_KEPT = 30 * DAY

_FAILING = (
    "EXISTS (SELECT 1 FROM deliveries d WHERE d.event = objects.id AND d.state != 'delivered')"
)
_DELIVERED: dict[bool | None, str] = {False: _FAILING, True: f"NOT {_FAILING}"}


@endpoint("GET", "/v1/events/{id}", "EventRetrieveParams")
def retrieve(account: Account, call: Call) -> Body:
    """One event."""
    event = account.get("event", call.id)
    if event is None or event["created"] < account.now - _KEPT:
        raise missing_object("event", call.id, "id")
    return event


@endpoint("GET", "/v1/events", "EventListParams")
def list_(account: Account, call: Call) -> Body:
    """A page of events, newest first, by type and by whether they reached every endpoint."""
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
        _of_the_last_days(account, call),
        "event",
        parent=wanted,
        one_of=("$.type", types) if types is not None else None,
        more=_DELIVERED.get(params.get("delivery_success")),
    )


def _of_the_last_days(account: Account, call: Call) -> Call:
    """The call with a limit to how old an event may be."""
    created = call.params.get("created", {})
    asked = dict.fromkeys(("gte", "lte"), created) if isinstance(created, int) else dict(created)
    asked["gte"] = max(asked.get("gte", 0), account.now - _KEPT)
    return replace(call, params={**call.params, "created": asked})


@presents("event")
def _shown(account: Account, event: Body) -> Body:
    """``pending_webhooks`` counts the endpoints that did not answer well yet."""
    row = account.connection.execute(
        "SELECT count(DISTINCT endpoint) FROM deliveries WHERE event = ? AND endpoint NOT IN"
        " (SELECT endpoint FROM deliveries WHERE event = ? AND state = 'delivered')",
        (event["id"], event["id"]),
    ).fetchone()
    event["pending_webhooks"] = row[0]
    return event
