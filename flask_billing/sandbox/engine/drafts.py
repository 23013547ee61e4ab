"""The hour in which an automatic invoice is a draft, and what follows it."""

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.engine import collecting, invoices


def appoint(account: Account, subscription: Body, invoice: Body) -> None:
    """Let a draft become final by itself, unless its subscription makes no money now."""
    pause = subscription["pause_collection"]
    stays_draft = subscription["status"] == "unpaid" or (
        pause and pause["behavior"] == "keep_as_draft"
    )
    if stays_draft:
        invoice["auto_advance"] = False
    else:
        wait = account.settings.draft_seconds
        invoice["automatically_finalizes_at"] = account.now + wait + 1
        if invoice["collection_method"] == "charge_automatically":
            invoice["next_payment_attempt"] = account.now + wait
        account.schedule(account.now + wait, "invoice.finalize", invoice["id"])
    account.save(invoice)


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
        account.schedule(invoice["due_date"], "invoice.overdue", invoice["id"])
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
