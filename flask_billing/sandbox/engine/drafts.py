"""The hour in which an automatic invoice is a draft."""

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body


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
