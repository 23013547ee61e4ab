"""Webhook endpoints; the secret is shown only when one is created."""

from collections.abc import Iterable

from flask_billing.sandbox import outgoing, signing_secrets
from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.errors import invalid
from flask_billing.sandbox.ids import new_id
from flask_billing.sandbox.lists import page
from flask_billing.sandbox.resources import fields
from flask_billing.sandbox.router import Call, endpoint


@endpoint("POST", "/v1/webhook_endpoints", "WebhookEndpointCreateParams")
def create(account: Account, call: Call) -> Body:
    """Register an endpoint."""
    params = call.params
    check_url(params["url"])
    body = new_webhook_endpoint(
        account,
        url=params["url"],
        enabled_events=params["enabled_events"],
        description=params.get("description") or None,
        metadata=fields.new_metadata(params),
        api_version=params.get("api_version"),
    )
    return {**body, "secret": body["_"]["secrets"][0]["secret"]}


def check_url(url: str, param: str = "url") -> None:
    """Refuse what nothing can be posted to."""
    if not url.startswith(("http://", "https://")):
        raise invalid(
            "Invalid URL: An explicit scheme (such as https) must be provided.",
            param,
            "url_invalid",
        )


def new_webhook_endpoint(
    account: Account,
    *,
    url: str,
    enabled_events: Iterable[str] = ("*",),
    object_id: str | None = None,
    description: str | None = None,
    metadata: Body | None = None,
    api_version: str | None = None,
) -> Body:
    """An endpoint that receives events from now on."""
    return account.add(
        {
            "id": object_id or new_id("we"),
            "object": "webhook_endpoint",
            "api_version": api_version,
            "application": None,
            "created": account.now,
            "description": description,
            "enabled_events": list(enabled_events),
            "livemode": False,
            "metadata": metadata or {},
            "status": "enabled",
            "url": url,
            "_": {"secrets": signing_secrets.first()},
        }
    )


@endpoint("GET", "/v1/webhook_endpoints/{id}", "WebhookEndpointRetrieveParams")
def retrieve(account: Account, call: Call) -> Body:
    """One endpoint, without its secret."""
    return account.require("webhook_endpoint", call.id, param="webhook_endpoint!")


@endpoint("POST", "/v1/webhook_endpoints/{id}", "WebhookEndpointUpdateParams")
def update(account: Account, call: Call) -> Body:
    """Change url, events, or switch it off."""
    body = account.require("webhook_endpoint", call.id, param="webhook_endpoint!")
    params = call.params
    if "url" in params:
        check_url(params["url"])
    fields.assign(body, params, ("url", "enabled_events", "description"))
    fields.merge_metadata(body, params)
    if "disabled" in params:
        body["status"] = "disabled" if params["disabled"] else "enabled"
    return account.save(body)


@endpoint("DELETE", "/v1/webhook_endpoints/{id}", "WebhookEndpointDeleteParams")
def delete(account: Account, call: Call) -> Body:
    """Remove an endpoint; what waits for it is dropped."""
    body = account.require("webhook_endpoint", call.id, param="webhook_endpoint!")
    account.forget(body)
    outgoing.drop(account, body["id"])
    return fields.deleted(body)


@endpoint("GET", "/v1/webhook_endpoints", "WebhookEndpointListParams")
def list_(account: Account, call: Call) -> Body:
    """A page of endpoints."""
    return page(account, call, "webhook_endpoint")
