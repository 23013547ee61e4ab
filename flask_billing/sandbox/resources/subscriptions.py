"""Subscriptions."""

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.engine import (
    attributes,
    discounts,
    ending,
    final_invoice,
    pausing,
    resuming,
    starting,
    updating,
)
from flask_billing.sandbox.errors import ApiError, invalid, missing_object, missing_param, not_built
from flask_billing.sandbox.lists import page
from flask_billing.sandbox.resources import fields, test_clocks
from flask_billing.sandbox.router import Call, endpoint


@endpoint("POST", "/v1/subscriptions", "SubscriptionCreateParams")
def create(account: Account, call: Call) -> Body:
    """Start a subscription."""
    params = call.params
    if "trial_period_days" in params and params.get("trial_end"):
        raise invalid(
            "You may only specify one of these parameters: trial_end, trial_period_days.",
            "trial_end",
        )
    fields.new_metadata(params)
    attributes.check(params)
    if params.get("collection_method") == "send_invoice" and "days_until_due" not in params:
        raise missing_param("days_until_due")
    return starting.start(account, params)


@endpoint("GET", "/v1/subscriptions/{id}", "SubscriptionRetrieveParams")
def retrieve(account: Account, call: Call) -> Body:
    """One subscription."""
    return account.require("subscription", call.id)


@endpoint("POST", "/v1/subscriptions/{id}", "SubscriptionUpdateParams")
def update(account: Account, call: Call) -> Body:
    """Change a subscription."""
    subscription = account.require("subscription", call.id)
    if subscription["status"] in {"canceled", "incomplete_expired"}:
        _update_ended(account, subscription, call.params)
    else:
        attributes.check(call.params)
        updating.update(account, subscription, call.params)
    return subscription


def _update_ended(account: Account, subscription: Body, params: Body) -> None:
    if set(params) - {"metadata", "cancellation_details", "expand"}:
        attributes.check_is_live(subscription)
    with account.changing(subscription, "customer.subscription.updated"):
        fields.merge_metadata(subscription, params)
        fields.assign(
            subscription["cancellation_details"],
            params.get("cancellation_details") or {},
            ("comment", "feedback"),
        )


@endpoint("DELETE", "/v1/subscriptions/{id}", "SubscriptionCancelParams")
def cancel(account: Account, call: Call) -> Body:
    """End a subscription now."""
    subscription = account.require("subscription", call.id)
    if subscription["status"] in {"canceled", "incomplete_expired"}:
        raise missing_object("subscription", call.id, "id")
    fields.assign(
        subscription["cancellation_details"],
        call.params.get("cancellation_details") or {},
        ("comment", "feedback"),
    )
    final_invoice.bill(account, subscription, call.params)
    ending.cancel(account, subscription)
    return subscription


@endpoint("POST", "/v1/subscriptions/{id}/pause", "SubscriptionPauseParams")
def pause(account: Account, call: Call) -> Body:
    """Pause the subscription itself, not only its collection."""
    subscription = account.require("subscription", call.id)
    with account.changing(subscription, "customer.subscription.updated"):
        pausing.request(account, subscription, call.params)
    account.emit("customer.subscription.paused", subscription)
    return subscription


@endpoint("POST", "/v1/subscriptions/{id}/resume", "SubscriptionResumeParams")
def resume(account: Account, call: Call) -> Body:
    """Let a paused subscription run again."""
    subscription = account.require("subscription", call.id)
    resuming.resume(account, subscription, call.params)
    return subscription


@endpoint("DELETE", "/v1/subscriptions/{id}/discount", "SubscriptionDeleteDiscountParams")
def delete_discount(account: Account, call: Call) -> Body:
    """Take the discounts off."""
    subscription = account.require("subscription", call.id)
    gone = subscription["discounts"]
    if not gone:
        raise ApiError(
            404,
            f"No active discount for subscription: {call.id}",
            code="resource_missing",
        )
    last = account.anything(gone[-1])
    with account.changing(subscription, "customer.subscription.updated"):
        subscription["discounts"] = []
    discounts.announce(account, gone, [])
    return {**account.show(last or {}), "deleted": True}


@endpoint("GET", "/v1/subscriptions", "SubscriptionListParams")
def list_(account: Account, call: Call) -> Body:
    """A page of subscriptions; canceled ones only when asked for."""
    params = call.params
    status = params.get("status")
    ended = ("canceled", "incomplete_expired")
    one_of: tuple[str, tuple[str, ...]] | None = None
    if status == "ended":
        one_of = ("$.status", ended)
    elif status is not None and status != "all":
        one_of = ("$.status", (status,))
    where = []
    if "collection_method" in params:
        where.append(("$.collection_method", params["collection_method"]))
    for name in ("automatic_tax", "current_period_end", "current_period_start"):
        if name in params:
            raise not_built(f"lists of subscriptions by `{name}`", name)
    price = params.get("price") or params.get("plan")
    on_clock, none = test_clocks.filtered(call)
    return page(
        account,
        call,
        "subscription",
        customer=params.get("customer"),
        where=[*where, *on_clock],
        one_of=one_of,
        none_of=("$.status", ("canceled",)) if status is None else None,
        holds=("$.items.data", "$.price", price) if price else None,
        more=None if "customer" in params else none,
    )
