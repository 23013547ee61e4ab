"""The end of a subscription: canceled at once, at an appointed time, or never started."""

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.engine import intents, invoices, schedules

_TASKS = (
    "subscription.turn",
    "subscription.trial_will_end",
    "subscription.upcoming",
    "subscription.incomplete",
    "subscription.pending_update",
    "subscription.resume_collection",
)


def cancel(account: Account, subscription: Body, *, reason: str = "cancellation_requested") -> None:
    """End a subscription now; emits ``customer.subscription.deleted``."""
    subscription["status"] = "canceled"
    subscription["ended_at"] = account.now
    if subscription["canceled_at"] is None:
        subscription["canceled_at"] = account.now
    subscription["cancel_at"] = None
    subscription["cancel_at_period_end"] = False
    if subscription["cancellation_details"]["reason"] is None:
        subscription["cancellation_details"]["reason"] = reason
    _stop(account, subscription)
    account.emit("customer.subscription.deleted", subscription)
    schedules.close(account, subscription, delinquent=reason == "payment_failed")


def expire_incomplete(account: Account, subscription: Body) -> None:
    """The first payment never came: void its invoice, end the subscription for good."""
    if subscription["status"] != "incomplete":
        return
    invoice = account.get("invoice", subscription["latest_invoice"])
    if invoice and invoice["status"] == "open":
        invoices.close(account, invoice, "void")
    with account.changing(subscription, "customer.subscription.updated"):
        subscription["status"] = "incomplete_expired"
        subscription["ended_at"] = account.now
    _stop(account, subscription)


def _stop(account: Account, subscription: Body) -> None:
    account.save(subscription)
    for task in _TASKS:
        account.unschedule(task, subscription["id"])
    invoice = account.get("invoice", subscription["latest_invoice"])
    if invoice and invoice["status"] in {"draft", "open"}:
        with account.changing(invoice, "invoice.updated"):
            invoice["auto_advance"] = False
            invoice["next_payment_attempt"] = None
            invoice["automatically_finalizes_at"] = None
        account.unschedule("invoice.finalize", invoice["id"])
        account.unschedule("invoice.collect", invoice["id"])


def void_latest(account: Account, subscription: Body) -> None:
    """Drop what an ended subscription still owes."""
    invoice = account.get("invoice", subscription["latest_invoice"])
    if invoice and invoice["status"] == "open":
        intents.cancel_for(account, invoice)
