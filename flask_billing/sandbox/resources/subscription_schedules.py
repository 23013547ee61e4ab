"""Subscription schedules."""

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.engine import ending, final_invoice, planning, schedules
from flask_billing.sandbox.errors import invalid, not_built
from flask_billing.sandbox.lists import page
from flask_billing.sandbox.router import Call, endpoint

_KIND = "subscription_schedule"


def require(account: Account, object_id: str | None, param: str = "id") -> Body:
    """A schedule named in the path or in a parameter."""
    return account.require(_KIND, object_id, param=param, label="subscription schedule")


@endpoint("POST", "/v1/subscription_schedules", "SubscriptionScheduleCreateParams")
def create(account: Account, call: Call) -> Body:
    """Create a schedule for a subscription that runs, or for one to come."""
    params = call.params
    planning.refuse_pauses(params)
    if params.get("from_subscription"):
        for name in params:
            if name not in {"from_subscription", "expand"}:
                raise invalid(f"You cannot set `{name}` if `from_subscription` is set.", name)
        subscription = account.require(
            "subscription", params["from_subscription"], param="from_subscription"
        )
        return schedules.from_subscription(account, subscription)
    return planning.create(account, params)


@endpoint("GET", "/v1/subscription_schedules/{id}", "SubscriptionScheduleRetrieveParams")
def retrieve(account: Account, call: Call) -> Body:
    """One schedule."""
    return require(account, call.id)


@endpoint("POST", "/v1/subscription_schedules/{id}", "SubscriptionScheduleUpdateParams")
def update(account: Account, call: Call) -> Body:
    """Change what is still to come, and the current phase."""
    schedule = require(account, call.id)
    planning.change(account, schedule, call.params)
    return schedule


@endpoint("POST", "/v1/subscription_schedules/{id}/release", "SubscriptionScheduleReleaseParams")
def release(account: Account, call: Call) -> Body:
    """Let the subscription go its own way."""
    schedule = require(account, call.id)
    schedules.require_live(schedule, "release")
    keep = bool(call.params.get("preserve_cancel_date"))
    schedules.release(account, schedule, preserve_cancel_date=keep)
    return schedule


@endpoint("POST", "/v1/subscription_schedules/{id}/cancel", "SubscriptionScheduleCancelParams")
def cancel(account: Account, call: Call) -> Body:
    """End the schedule and its subscription; unused time is credited and invoiced by default."""
    schedule = require(account, call.id)
    schedules.require_live(schedule, "cancel")
    subscription = schedules.subscription_of(account, schedule)
    if subscription is None:
        schedules.cancel_unstarted(account, schedule)
        return schedule
    asked = {name: call.params.get(name, True) for name in ("prorate", "invoice_now")}
    final_invoice.bill(account, subscription, asked)
    ending.cancel(account, subscription)
    return schedule


@endpoint("GET", "/v1/subscription_schedules", "SubscriptionScheduleListParams")
def list_(account: Account, call: Call) -> Body:
    """A page of schedules; ``scheduled`` asks for those that have not started."""
    params = call.params
    for name in ("canceled_at", "completed_at", "released_at"):
        if name in params:
            raise not_built(f"lists of schedules by `{name}`", name)
    return page(
        account,
        call,
        _KIND,
        customer=params.get("customer"),
        where=[("$.status", "not_started")] if params.get("scheduled") else [],
    )
