"""A subscription's shape: the object, its items, its appointments."""

from typing import Any

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.engine import taxes
from flask_billing.sandbox.engine.periods import period_containing
from flask_billing.sandbox.errors import invalid
from flask_billing.sandbox.ids import new_id
from flask_billing.sandbox.present import presents
from flask_billing.sandbox.resources import fields
from flask_billing.sandbox.settings import DAY

_LONGEST_TRIAL = 731 * DAY


def trial_settings(params: Body, before: Body | None = None) -> Body:
    """How a trial ends, with what was not said as it was."""
    asked = (params.get("trial_settings") or {}).get("end_behavior") or {}
    known = before["end_behavior"] if before else {"missing_payment_method": "create_invoice"}
    return {"end_behavior": {**known, **asked}}


def new_subscription(account: Account, customer: Body, currency: str, params: Body) -> Body:
    """The object without its items."""
    settings = fields.unset(params.get("payment_settings") or {})
    return {
        "id": new_id("sub"),
        "object": "subscription",
        "application": None,
        "application_fee_percent": None,
        "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
        "billing_cycle_anchor": account.now,
        "billing_cycle_anchor_config": None,
        "billing_schedules": [],
        "billing_mode": billing_mode(params.get("billing_mode") or {}, account.now),
        "billing_thresholds": None,
        "cancel_at": None,
        "cancel_at_period_end": False,
        "canceled_at": None,
        "cancellation_details": {"comment": None, "feedback": None, "reason": None},
        "collection_method": params.get("collection_method", "charge_automatically"),
        "created": account.now,
        "currency": currency,
        "customer": customer["id"],
        "customer_account": None,
        "days_until_due": params.get("days_until_due") or None,
        "default_payment_method": params.get("default_payment_method") or None,
        "default_source": None,
        "default_tax_rates": taxes.checked(
            account, params.get("default_tax_rates"), "default_tax_rates"
        ),
        "description": params.get("description") or None,
        "discounts": [],
        "ended_at": None,
        "invoice_settings": {"account_tax_ids": None, "issuer": {"type": "self"}},
        "items": {"data": []},
        "latest_invoice": None,
        "livemode": False,
        "metadata": {k: v for k, v in (params.get("metadata") or {}).items() if v != ""},
        "next_pending_invoice_item_invoice": None,
        "on_behalf_of": None,
        "pause_collection": None,
        "payment_settings": {
            "payment_method_options": settings.get("payment_method_options") or None,
            "payment_method_types": settings.get("payment_method_types") or None,
            "save_default_payment_method": settings.get("save_default_payment_method", "off"),
        },
        "pending_invoice_item_interval": None,
        "pending_setup_intent": None,
        "pending_update": None,
        "schedule": None,
        "start_date": account.now,
        "status": "active",
        "status_details": None,
        "test_clock": None,
        "transfer_data": None,
        "trial_end": None,
        "trial_settings": trial_settings(params),
        "trial_start": None,
        "_": {},
    }


def billing_mode(asked: Body, now: int) -> Body:
    """Flexible, unless classic is asked for."""
    if asked.get("type") == "classic":
        return {"flexible": None, "type": "classic"}
    flexible = {"proration_discounts": "included", **(asked.get("flexible") or {})}
    return {"flexible": flexible, "type": "flexible", "updated_at": now}


def checked_trial_end(account: Account, end: int) -> int:
    """The end of a trial: in the future, within two years."""
    if end <= account.now:
        raise invalid(
            "Invalid timestamp: must be an integer Unix timestamp in the future.", "trial_end"
        )
    if end > account.now + _LONGEST_TRIAL:
        raise invalid("The maximum number of trial days is 730 (2 years).", "trial_end")
    return end


def price_of(account: Account, item: Body) -> Body:
    """The price of an item."""
    price = account.anything(item["price"])
    assert price is not None
    return price


def is_metered(price: Body) -> bool:
    """Is the price billed by usage, after the period?"""
    return bool(price["recurring"]["usage_type"] == "metered")


def period_of(account: Account, subscription: Body, item: Body, moment: int) -> tuple[int, int]:
    """The item's billing period that holds a moment."""
    recurring = price_of(account, item)["recurring"]
    return period_containing(
        subscription["billing_cycle_anchor"],
        recurring["interval"],
        recurring["interval_count"],
        moment,
    )


def set_period(item: Body, period: tuple[int, int]) -> None:
    """Write an item's current period."""
    item["current_period_start"], item["current_period_end"] = period


def next_turn(subscription: Body) -> int:
    """When the next period ends, or the subscription itself."""
    ends = [item["current_period_end"] for item in subscription["items"]["data"]]
    if subscription["cancel_at"] is not None:
        ends.append(subscription["cancel_at"])
    return int(min(ends))


def appoint(account: Account, subscription: Body) -> None:
    """Schedule what will happen to the subscription by itself."""
    object_id, status = subscription["id"], subscription["status"]
    if status in {"active", "past_due", "trialing", "unpaid"}:
        turn = next_turn(subscription)
        account.schedule(turn, "subscription.turn", object_id)
        if subscription["cancel_at"] is None and status != "trialing":
            notice = turn - account.settings.upcoming_days * DAY
            if notice > account.now:
                account.schedule(notice, "subscription.upcoming", object_id)
        else:
            account.unschedule("subscription.upcoming", object_id)
    elif status == "paused":
        _appoint_paused(account, subscription)
    elif status == "incomplete":
        account.schedule(
            account.now + account.settings.incomplete_seconds, "subscription.incomplete", object_id
        )
    if status == "trialing":
        reminder = subscription["trial_end"] - account.settings.trial_reminder_days * DAY
        account.schedule(max(reminder, account.now), "subscription.trial_will_end", object_id)
    else:
        account.unschedule("subscription.trial_will_end", object_id)


def _appoint_paused(account: Account, subscription: Body) -> None:
    """Nothing is billed while paused; an appointed end still comes."""
    if subscription["cancel_at"] is None:
        account.unschedule("subscription.turn", subscription["id"])
    else:
        account.schedule(subscription["cancel_at"], "subscription.turn", subscription["id"])
    account.unschedule("subscription.upcoming", subscription["id"])


@presents("subscription")
def _shown(account: Account, subscription: Body) -> Body:
    items = [account.show(item) for item in subscription["items"]["data"]]
    subscription["items"] = {
        "object": "list",
        "data": items,
        "has_more": False,
        "total_count": len(items),
        "url": f"/v1/subscription_items?subscription={subscription['id']}",
    }
    subscription["default_tax_rates"] = taxes.shown(account, subscription["default_tax_rates"])
    subscription["plan"] = items[0]["plan"] if len(items) == 1 else None
    subscription["quantity"] = items[0].get("quantity") if len(items) == 1 else None
    return subscription


@presents("subscription_item")
def _shown_item(account: Account, item: Body) -> Body:
    price = account.anything(item["price"])
    assert price is not None
    item["price"] = account.show(price)
    item["plan"] = legacy_plan(account, price)
    item["tax_rates"] = taxes.shown(account, item["tax_rates"])
    if item["quantity"] is None:
        del item["quantity"]
    return item


def legacy_plan(account: Account, price: Body) -> Body:
    """The ``plan`` that items still carry beside the price."""
    recurring: Any = price["recurring"]
    return {
        "id": price["id"],
        "object": "plan",
        "active": price["active"],
        "amount": price["unit_amount"],
        "amount_decimal": price["unit_amount_decimal"],
        "billing_scheme": price["billing_scheme"],
        "created": price["created"],
        "currency": price["currency"],
        "interval": recurring["interval"],
        "interval_count": recurring["interval_count"],
        "livemode": False,
        "metadata": price["metadata"],
        "meter": recurring["meter"],
        "nickname": price["nickname"],
        "product": price["product"],
        "tiers_mode": price["tiers_mode"],
        "transform_usage": price["transform_quantity"],
        "trial_period_days": recurring["trial_period_days"],
        "usage_type": recurring["usage_type"],
    }
