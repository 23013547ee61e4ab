"""What becomes of an automatic invoice after its draft hour: collected, sent, or closed."""

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.engine import collecting, invoices


def finish(account: Account, invoice: Body) -> None:
    """The draft hour is over."""
    if invoice["status"] != "draft":
        return
    subscription = invoices.subscription_of(account, invoice)
    invoices.finalize(account, invoice)
    if invoice["status"] == "paid":
        collecting.after_payment(account, invoice)
        return
    pause = subscription["pause_collection"] if subscription else None
    if pause and pause["behavior"] in {"void", "mark_uncollectible"}:
        status = "void" if pause["behavior"] == "void" else "uncollectible"
        invoices.close(account, invoice, status)
    elif invoice["collection_method"] == "send_invoice":
        account.emit("invoice.sent", invoice)
    else:
        collecting.collect(account, invoice)


def overdue(account: Account, invoice: Body) -> None:
    """An invoice that was sent is not paid in time."""
    if invoice["status"] != "open":
        return
    account.emit("invoice.overdue", invoice)
    subscription = invoices.subscription_of(account, invoice)
    if subscription and subscription["status"] == "active":
        with account.changing(subscription, "customer.subscription.updated"):
            subscription["status"] = "past_due"
