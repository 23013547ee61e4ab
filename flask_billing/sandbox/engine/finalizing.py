"""What becomes of an automatic invoice after its draft hour: collected, sent, or closed."""

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.engine import collecting, delinquency, invoices


def finish(account: Account, invoice: Body) -> None:
    """The draft hour is over."""
    if invoice["status"] != "draft":
        return
    subscription = invoices.subscription_of(account, invoice)
    if subscription and subscription["pause_collection"]:
        leave_uncollected(account, invoice, subscription["pause_collection"]["behavior"])
        return
    invoices.finalize(account, invoice)
    if invoice["status"] == "paid":
        collecting.after_payment(account, invoice)
    elif invoice["collection_method"] == "send_invoice":
        account.emit("invoice.sent", invoice)
    else:
        collecting.collect(account, invoice)


def leave_uncollected(account: Account, invoice: Body, behavior: str) -> None:
    """While collection is paused: keep a draft, or finalise the invoice and drop its debt."""
    if behavior == "keep_as_draft":
        invoice["auto_advance"] = False
        invoice["automatically_finalizes_at"] = None
        invoice["next_payment_attempt"] = None
        account.save(invoice)
        return
    invoices.finalize(account, invoice)
    if invoice["status"] == "open":
        invoices.close(account, invoice, "void" if behavior == "void" else "uncollectible")


def overdue(account: Account, invoice: Body) -> None:
    """An invoice that was sent is not paid in time."""
    if invoice["status"] != "open":
        return
    account.emit("invoice.overdue", invoice)
    delinquency.behind(account, invoice)
    subscription = invoices.subscription_of(account, invoice)
    if subscription and subscription["status"] == "active":
        with account.changing(subscription, "customer.subscription.updated"):
            subscription["status"] = "past_due"
