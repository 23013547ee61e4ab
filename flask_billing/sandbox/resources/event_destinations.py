"""Event destinations, to which thin events go: ``/v2/core/event_destinations``."""

from collections.abc import Iterable

from flask_billing.sandbox import outgoing, signing_secrets
from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.engine.meter_errors import moment
from flask_billing.sandbox.errors import ApiError, invalid, not_built
from flask_billing.sandbox.ids import new_id
from flask_billing.sandbox.outgoing import DESTINATION
from flask_billing.sandbox.resources import fields
from flask_billing.sandbox.resources.webhook_endpoints import check_url
from flask_billing.sandbox.router import Call, endpoint

_PATH = "/v2/core/event_destinations"
_URL, _SECRET = "webhook_endpoint.url", "webhook_endpoint.signing_secret"
_MOST = 100


@endpoint("POST", _PATH, "v2.core.EventDestinationCreateParams")
def create(account: Account, call: Call) -> Body:
    """Register a destination; its secret is shown now, if it is asked for, and never again."""
    params = call.params
    if params["type"] != "webhook_endpoint":
        raise not_built(f"event destinations of the type {params['type']}", "type")
    if params["event_payload"] != "thin":
        raise not_built("snapshot destinations (it has /v1/webhook_endpoints)", "event_payload")
    body = new_event_destination(
        account,
        url=_checked_url(params),
        enabled_events=params["enabled_events"],
        name=params["name"],
        description=params.get("description", ""),
        metadata=fields.new_metadata(params),
    )
    shown = _including(body, params)
    if _SECRET in params.get("include", ()):
        shown["webhook_endpoint"]["signing_secret"] = body["_"]["secrets"][0]["secret"]
    return shown


def new_event_destination(
    account: Account,
    *,
    url: str,
    enabled_events: Iterable[str] = ("*",),
    object_id: str | None = None,
    name: str = "Thin events",
    description: str = "",
    metadata: Body | None = None,
) -> Body:
    """A destination that receives thin events from now on."""
    return account.add(
        {
            "id": object_id or new_id("ed_test"),
            "object": DESTINATION,
            "amazon_eventbridge": None,
            "azure_event_grid": None,
            "created": moment(account.wall),
            "description": description,
            "enabled_events": list(enabled_events),
            "event_payload": "thin",
            "events_from": ["@self"],
            "livemode": False,
            "metadata": metadata or {},
            "name": name,
            "snapshot_api_version": None,
            "status": "enabled",
            "status_details": None,
            "type": "webhook_endpoint",
            "updated": moment(account.wall),
            "webhook_endpoint": {"signing_secret": None, "url": None},
            "_": {"secrets": signing_secrets.first(), "url": url},
        }
    )


@endpoint("GET", _PATH, "v2.core.EventDestinationListParams")
def list_(account: Account, call: Call) -> Body:
    """The destinations, the newest first."""
    limit = call.params.get("limit", 20)
    if not 1 <= limit <= _MOST:
        raise invalid(f"limit must be between 1 and {_MOST}", "limit")
    found = account.find(DESTINATION, newest_first=True)
    if len(found) > limit:
        raise ApiError(404, f"The sandbox lists {limit} destinations on one page and no second.")
    return {
        "data": [account.show(_including(body, call.params)) for body in found],
        "next_page_url": None,
        "previous_page_url": None,
    }


@endpoint("GET", _PATH + "/{id}", "v2.core.EventDestinationRetrieveParams")
def retrieve(account: Account, call: Call) -> Body:
    """One destination, with its address if that is asked for."""
    return _including(_found(account, call), call.params)


@endpoint("POST", _PATH + "/{id}", "v2.core.EventDestinationUpdateParams")
def update(account: Account, call: Call) -> Body:
    """Change address, events or name."""
    body = _found(account, call)
    params = call.params
    if "webhook_endpoint" in params:
        body["_"]["url"] = _checked_url(params)
    fields.assign(body, params, ("enabled_events", "name", "description"))
    fields.merge_metadata(body, params)
    return _including(_saved(account, body), params)


@endpoint("POST", _PATH + "/{id}/enable", "v2.core.EventDestinationEnableParams")
def enable(account: Account, call: Call) -> Body:
    """Deliver to it again."""
    body = _found(account, call)
    body.update(status="enabled", status_details=None)
    return _including(_saved(account, body), call.params)


@endpoint("POST", _PATH + "/{id}/disable", "v2.core.EventDestinationDisableParams")
def disable(account: Account, call: Call) -> Body:
    """Deliver nothing to it."""
    body = _found(account, call)
    body.update(status="disabled", status_details={"disabled": {"reason": "user"}})
    return _including(_saved(account, body), call.params)


@endpoint("DELETE", _PATH + "/{id}", "v2.core.EventDestinationDeleteParams")
def delete(account: Account, call: Call) -> Body:
    """Remove a destination; what waits for it is dropped."""
    body = _found(account, call)
    account.forget(body)
    outgoing.drop(account, body["id"])
    return {"id": body["id"], "object": DESTINATION}


def _found(account: Account, call: Call) -> Body:
    body = account.get(DESTINATION, call.id)
    if body is None:
        raise ApiError(404, f"No such event destination: '{call.id}'", code="not_found")
    return body


def _saved(account: Account, body: Body) -> Body:
    body["updated"] = moment(account.wall)
    return account.save(body)


def _checked_url(params: Body) -> str:
    url: str = (params.get("webhook_endpoint") or {}).get("url", "")
    check_url(url, "webhook_endpoint.url")
    return url


def _including(body: Body, params: Body) -> Body:
    """The destination with its address, where that is asked for."""
    url = outgoing.url_of(body) if _URL in params.get("include", ()) else None
    return {**body, "webhook_endpoint": {"signing_secret": None, "url": url}}
