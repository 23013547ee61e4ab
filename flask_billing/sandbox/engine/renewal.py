"""The turn of a period: renewal, the end of a trial, an appointed cancellation."""

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.engine import (
    discounts,
    drafts,
    ending,
    final_invoice,
    invoice_items,
    invoices,
    lines,
    pausing,
    payments,
    phase_change,
    usage,
)
from flask_billing.sandbox.engine import subscriptions as shape


def turn(account: Account, subscription: Body) -> None:
    """A period of the subscription is over."""
    if subscription["cancel_at"] is not None and subscription["cancel_at"] <= account.now:
        if subscription["status"] in {"active", "past_due"}:
            final_invoice.at_period_end(account, subscription)
        ending.cancel(account, subscription)
        return
    if subscription["status"] == "paused":
        return
    phase_change.advance(account, subscription)
    if shape.next_turn(subscription) > account.now:
        shape.appoint(account, subscription)
        return
    trial_over = subscription["status"] == "trialing"
    if trial_over and _without_method(account, subscription):
        return
    renew(account, subscription)
    shape.appoint(account, subscription)


def _without_method(account: Account, subscription: Body) -> bool:
    """A trial ended and there is nothing to charge: cancel or pause if so configured."""
    if payments.payer_method(account, subscription["customer"], subscription) is not None:
        return False
    behavior = subscription["trial_settings"]["end_behavior"]["missing_payment_method"]
    if behavior == "cancel":
        ending.cancel(account, subscription)
        return True
    if behavior == "pause":
        with account.changing(subscription, "customer.subscription.updated"):
            pausing.pause(account, subscription, "trial_end_without_payment_method")
        account.emit("customer.subscription.paused", subscription)
        return True
    return False


def renew(account: Account, subscription: Body) -> Body:
    """Start the next period of the items whose period is over, and draft its invoice."""
    customer = account.get("customer", subscription["customer"])
    assert customer is not None
    with account.changing(subscription, "customer.subscription.updated"):
        trial_over = subscription["status"] == "trialing"
        if trial_over:
            subscription["status"] = "active"
        over = [
            item
            for item in subscription["items"]["data"]
            if item["current_period_end"] <= account.now
        ]
        start = min(item["current_period_start"] for item in over)
        found = invoice_items.collect_pending(
            account, customer["id"], subscription["id"], subscription["currency"]
        )
        for item in over:
            found += _item_lines(account, subscription, item, trial_over)
        invoice = invoices.draft(
            account,
            customer,
            reason="subscription_cycle",
            currency=subscription["currency"],
            lines=found,
            period=(start, account.now),
            subscription=subscription,
            discount_ids=discounts.in_force(account, subscription["discounts"], account.now),
            collection_method=subscription["collection_method"],
            days_until_due=subscription["days_until_due"],
            auto_advance=True,
            more=lambda draft: usage.go_on_counting(account, draft),
        )
        subscription["latest_invoice"] = invoice["id"]
        used = discounts.spent(account, subscription["discounts"])
        subscription["discounts"] = discounts.in_force(account, used, account.now)
        discounts.announce(account, used, subscription["discounts"])
    drafts.appoint(account, subscription, invoice)
    return invoice


def _item_lines(account: Account, subscription: Body, item: Body, trial_over: bool) -> list[Body]:
    price = shape.price_of(account, item)
    old = (item["current_period_start"], item["current_period_end"])
    new = shape.period_of(account, subscription, item, account.now)
    shape.set_period(item, (max(new[0], old[1]) if trial_over else new[0], new[1]))
    if not shape.is_metered(price):
        return lines.period_lines(account, item, price, item["quantity"], new)
    return [] if trial_over else usage.lines_of(account, subscription, item, price, old)


def remind_of_trial_end(account: Account, subscription: Body) -> None:
    """Three days before a trial ends, or at once when it is shorter."""
    if subscription["status"] == "trialing":
        account.emit("customer.subscription.trial_will_end", subscription)
