"""Subscription items: the same changes as through their subscription, one item at a time."""

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.engine import attributes, updating
from flask_billing.sandbox.errors import missing_object
from flask_billing.sandbox.lists import page_of
from flask_billing.sandbox.router import Call, endpoint

_SHARED = ("proration_behavior", "proration_date", "payment_behavior")
_ENTRY = ("price", "plan", "price_data", "quantity", "metadata", "tax_rates", "discounts")


@endpoint("GET", "/v1/subscription_items", "SubscriptionItemListParams")
def list_(account: Account, call: Call) -> Body:
    """The items of a subscription."""
    subscription = account.require(
        "subscription", call.params["subscription"], param="subscription"
    )
    items = [account.show(item) for item in subscription["items"]["data"]]
    return page_of(call, items)


@endpoint("POST", "/v1/subscription_items", "SubscriptionItemCreateParams")
def create(account: Account, call: Call) -> Body:
    """Add an item."""
    params = dict(call.params)
    subscription = account.require("subscription", params["subscription"], param="subscription")
    attributes.check_is_live(subscription)
    known = {item["id"] for item in subscription["items"]["data"]}
    entry = {k: params[k] for k in _ENTRY if k in params}
    _update(account, subscription, params, entry)
    return next(item for item in subscription["items"]["data"] if item["id"] not in known)


@endpoint("GET", "/v1/subscription_items/{id}", "SubscriptionItemRetrieveParams")
def retrieve(account: Account, call: Call) -> Body:
    """One item."""
    return _find(account, call.id)[1]


@endpoint("POST", "/v1/subscription_items/{id}", "SubscriptionItemUpdateParams")
def update(account: Account, call: Call) -> Body:
    """Change an item."""
    subscription, _item = _find(account, call.id)
    attributes.check_is_live(subscription)
    params = dict(call.params)
    entry = {k: params[k] for k in _ENTRY if k in params}
    _update(account, subscription, params, {**entry, "id": call.id})
    return _find(account, call.id)[1]


@endpoint("DELETE", "/v1/subscription_items/{id}", "SubscriptionItemDeleteParams")
def delete(account: Account, call: Call) -> Body:
    """Remove an item."""
    subscription, item = _find(account, call.id)
    attributes.check_is_live(subscription)
    _update(account, subscription, call.params, {"id": item["id"], "deleted": True})
    return {"id": item["id"], "object": "subscription_item", "deleted": True}


def _update(account: Account, subscription: Body, params: Body, entry: Body) -> None:
    shared = {name: params[name] for name in _SHARED if name in params}
    change = {**shared, "items": [entry]}
    attributes.check(change)
    updating.update(account, subscription, change)


def _find(account: Account, object_id: str) -> tuple[Body, Body]:
    account.flush()
    row = account.connection.execute(
        "SELECT objects.id FROM objects, json_each(body, '$.items.data') AS item"
        " WHERE kind = 'subscription' AND json_extract(item.value, '$.id') = ?",
        (object_id,),
    ).fetchone()
    if row is None:
        raise missing_object("subscription_item", object_id, "id")
    subscription = account.require("subscription", row[0])
    for item in subscription["items"]["data"]:
        if item["id"] == object_id:
            return subscription, item
    raise missing_object("subscription_item", object_id, "id")
