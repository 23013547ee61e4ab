"""The last invoice of a subscription: ``prorate`` and ``invoice_now`` of a cancellation."""

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.engine import changes, invoice_items, invoices, payments


def bill(account: Account, subscription: Body, params: Body) -> None:
    """Credit unused time if ``prorate``, and invoice what waits if ``invoice_now``."""
    if params.get("prorate") and subscription["status"] != "trialing":
        for item in subscription["items"]["data"]:
            changes.credit(account, subscription, item, account.now)
    if not params.get("invoice_now"):
        return
    customer = account.get("customer", subscription["customer"])
    assert customer is not None
    pending = invoice_items.collect_pending(account, customer["id"], subscription["id"])
    if not pending:
        return
    invoice = invoices.draft(
        account,
        customer,
        reason="subscription_update",
        currency=subscription["currency"],
        lines=pending,
        period=(account.now, account.now),
        subscription=subscription,
    )
    subscription["latest_invoice"] = invoice["id"]
    invoices.finalize(account, invoice, quiet=True)
    if invoice["status"] == "open":
        method = payments.payer_method(account, customer["id"], subscription)
        payments.pay_invoice(account, invoice, method, off_session=True)
