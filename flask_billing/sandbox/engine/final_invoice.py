"""The last invoice of a subscription: unused time, usage and what else still waits."""

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.engine import changes, invoice_items, invoices, payments, usage


def bill(account: Account, subscription: Body, params: Body) -> None:
    """The ``prorate`` and ``invoice_now`` of a cancellation.

    With neither, prorations that wait are dropped; with ``prorate`` alone they go on waiting.
    """
    prorate, now = params.get("prorate"), params.get("invoice_now")
    if not prorate and not now:
        _drop_prorations(account, subscription)
        return
    if subscription["status"] not in {"trialing", "paused"}:
        for item in subscription["items"]["data"]:
            if now:
                usage.wait_for_invoice(
                    account, subscription, item, (item["current_period_start"], account.now)
                )
            if prorate:
                changes.credit(account, subscription, item, account.now)
    if now:
        of_pending(account, subscription)


def _drop_prorations(account: Account, subscription: Body) -> None:
    for item in invoice_items.pending(
        account, subscription["customer"], subscription["id"], subscription["currency"]
    ):
        if item["proration"] and item["_"].get("subscription") == subscription["id"]:
            account.emit("invoiceitem.deleted", item)
            account.forget(item)


def at_period_end(account: Account, subscription: Body, *, collect: bool = True) -> Body | None:
    """An appointed end: bill the usage of the last period, and what waits."""
    for item in subscription["items"]["data"]:
        period = (item["current_period_start"], min(item["current_period_end"], account.now))
        usage.wait_for_invoice(account, subscription, item, period)
        if account.now < item["current_period_end"] and subscription["_"].get("prorates_end"):
            changes.credit(account, subscription, item, account.now)
    waiting = invoice_items.pending(
        account, subscription["customer"], subscription["id"], subscription["currency"]
    )
    if any(item["_"].get("subscription") == subscription["id"] for item in waiting):
        return of_pending(account, subscription, collect=collect)
    return None


def of_pending(account: Account, subscription: Body, *, collect: bool = True) -> Body | None:
    """Invoice what waits, and collect it now unless told otherwise."""
    customer = account.get("customer", subscription["customer"])
    assert customer is not None
    pending = invoice_items.collect_pending(
        account, customer["id"], subscription["id"], subscription["currency"]
    )
    if not pending:
        return None
    invoice = invoices.draft(
        account,
        customer,
        reason="subscription_update",
        currency=subscription["currency"],
        lines=pending,
        period=(account.now, account.now),
        subscription=subscription,
        collection_method=subscription["collection_method"],
        days_until_due=subscription["days_until_due"],
    )
    subscription["latest_invoice"] = invoice["id"]
    if not collect:
        return invoice
    invoices.finalize(account, invoice, quiet=True)
    if invoice["status"] == "open" and invoice["collection_method"] == "charge_automatically":
        method = payments.payer_method(account, customer["id"], subscription)
        payments.pay_invoice(account, invoice, method, off_session=True)
    return invoice
