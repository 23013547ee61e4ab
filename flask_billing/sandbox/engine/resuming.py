"""From ``paused`` back to ``active``: the resumption invoice and who waits for whom."""

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body, copy_of
from flask_billing.sandbox.engine import (
    changes,
    discounts,
    drafts,
    invoice_items,
    invoices,
    lines,
    payments,
)
from flask_billing.sandbox.engine import subscriptions as shape
from flask_billing.sandbox.errors import invalid

_FIELDS = ("items", "billing_cycle_anchor", "latest_invoice")


def resume(account: Account, subscription: Body, params: Body) -> None:
    """Apply the parameters of ``POST /v1/subscriptions/{id}/resume``."""
    if subscription["status"] != "paused":
        raise invalid("You can only resume a subscription if it is `paused`.")
    before = {name: copy_of({name: subscription[name]})[name] for name in _FIELDS}
    with account.changing(subscription, "customer.subscription.updated"):
        invoice = start_period(account, subscription, params)
        if invoice is None or params.get("payment_behavior") != "resume_on_payment_success":
            _activate(account, subscription)
            if invoice is not None:
                drafts.appoint(account, subscription, invoice)
        elif not _paid(account, subscription, invoice):
            subscription["_"]["resuming"] = {
                "invoice": invoice["id"],
                "fields": {name: subscription[name] for name in _FIELDS},
            }
            subscription.update(before, latest_invoice=invoice["id"])
        else:
            _activate(account, subscription)
    if subscription["status"] == "active":
        account.emit("customer.subscription.resumed", subscription)


def start_period(account: Account, subscription: Body, params: Body) -> Body | None:
    """Let the items' periods run again; the draft of what is due for them, if anything is."""
    anew = (params.get("billing_cycle_anchor") or {}).get("type", "now") == "now"
    moment = params.get("proration_date", account.now)
    behavior = params.get("proration_behavior", "create_prorations")
    if anew:
        subscription["billing_cycle_anchor"] = account.now
    charged = []
    for item in subscription["items"]["data"]:
        start, end = shape.period_of(account, subscription, item, account.now)
        shape.set_period(item, (max(start, account.now), end))
        price = shape.price_of(account, item)
        if anew and not shape.is_metered(price):
            charged += lines.period_lines(account, item, price, item["quantity"], (start, end))
    if not anew and behavior != "none":
        held = [changes.Change(None, item) for item in subscription["items"]["data"]]
        changes.prorate(account, subscription, held, moment)
    if not charged and behavior != "always_invoice":
        return None
    customer = account.get("customer", subscription["customer"])
    assert customer is not None
    waiting = invoice_items.collect_pending(
        account, customer["id"], subscription["id"], subscription["currency"]
    )
    if not charged and not waiting:
        return None
    invoice = invoices.draft(
        account,
        customer,
        reason="subscription_update",
        currency=subscription["currency"],
        lines=waiting + charged,
        period=(account.now, account.now),
        subscription=subscription,
        discount_ids=discounts.in_force(account, subscription["discounts"], account.now),
        collection_method=subscription["collection_method"],
        days_until_due=subscription["days_until_due"],
        auto_advance=True,
    )
    subscription["latest_invoice"] = invoice["id"]
    return invoice


def _paid(account: Account, subscription: Body, invoice: Body) -> bool:
    invoices.finalize(account, invoice, quiet=True)
    if invoice["status"] == "open":
        method = payments.payer_method(account, subscription["customer"], subscription)
        payments.pay_invoice(account, invoice, method, off_session=True)
    return bool(invoice["status"] == "paid")


def _activate(account: Account, subscription: Body) -> None:
    subscription["status"] = "active"
    subscription["status_details"] = None
    subscription["_"].pop("resuming", None)
    shape.appoint(account, subscription)


def waits_for(subscription: Body, invoice: Body) -> bool:
    """Is this the invoice that a paused subscription waits for?"""
    waiting = subscription["_"].get("resuming")
    return bool(waiting and waiting["invoice"] == invoice["id"])


def after_payment(account: Account, subscription: Body, invoice: Body) -> None:
    """The resumption invoice was paid later: now the subscription resumes."""
    if not waits_for(subscription, invoice):
        return
    with account.changing(subscription, "customer.subscription.updated"):
        subscription.update(subscription["_"]["resuming"]["fields"])
        _activate(account, subscription)
    account.emit("customer.subscription.resumed", subscription)
