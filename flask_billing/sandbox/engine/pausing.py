"""Status ``paused``: by request, after a trial without a card, or at the end of dunning."""

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.engine import changes, final_invoice, usage
from flask_billing.sandbox.engine import subscriptions as shape
from flask_billing.sandbox.errors import invalid


def request(account: Account, subscription: Body, params: Body) -> Body | None:
    """Pause on request: bill what was used, credit what was not; the invoice if one is due now."""
    _check(subscription)
    bill_for = params.get("bill_for") or {}
    used = (bill_for.get("outstanding_usage_through") or {}).get("type", "now")
    unused = (bill_for.get("unused_time_from") or {}).get("type", "now")
    for item in subscription["items"]["data"]:
        period = (item["current_period_start"], account.now)
        if used == "now":
            usage.wait_for_invoice(account, subscription, item, period)
        if unused != "none":
            start = period[0] if unused == "item_current_period_start" else account.now
            changes.credit(account, subscription, item, start)
    invoice = None
    if params.get("invoicing_behavior") == "invoice":
        invoice = final_invoice.of_pending(account, subscription)
    for item in subscription["items"]["data"]:
        shape.set_period(item, (item["current_period_start"], account.now))
    pause(account, subscription, "pause_requested")
    return invoice


def _check(subscription: Body) -> None:
    status = subscription["status"]
    if status not in {"active", "past_due", "unpaid"}:
        raise invalid(f"You cannot pause a subscription that is `{status}`.")
    if subscription["billing_mode"]["type"] != "flexible":
        raise invalid("You can only pause a subscription whose `billing_mode` is `flexible`.")
    if subscription["collection_method"] != "charge_automatically":
        raise invalid(
            "You can only pause a subscription whose `collection_method` is `charge_automatically`."
        )
    if subscription["schedule"]:
        raise invalid(
            "You cannot pause a subscription that is managed by the subscription schedule "
            f"`{subscription['schedule']}`."
        )


def pause(account: Account, subscription: Body, reason: str) -> None:
    """Stop all billing; ``reason`` is that of ``status_details``. The caller emits the events."""
    subscription["status"] = "paused"
    subscription["status_details"] = {
        "paused": {
            "subscription": {"type": reason},
            "transitioned_at": account.now,
            "type": "subscription",
        }
    }
    shape.appoint(account, subscription)
