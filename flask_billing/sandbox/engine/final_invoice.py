"""The last invoice of a subscription: unused time, usage and what else still waits."""

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.engine import (
    changes,
    discounts,
    invoice_items,
    invoices,
    payments,
    usage,
)
from flask_billing.sandbox.engine import subscriptions as shape


def bill(account: Account, subscription: Body, params: Body) -> None:
    """The ``prorate`` and ``invoice_now`` of a cancellation.

    With neither, prorations that wait are dropped; with ``prorate`` alone they go on waiting.
    """
    prorate, now = params.get("prorate"), params.get("invoice_now")
    if not prorate and not now:
        _drop_prorations(account, subscription)
        return
    used = []
    if subscription["status"] not in {"trialing", "paused"}:
        for item in subscription["items"]["data"]:
            if now:
                used += _used(account, subscription, item, account.now)
            if prorate:
                changes.credit(account, subscription, item, account.now)
    if now:
        _last(account, subscription, used)


def _drop_prorations(account: Account, subscription: Body) -> None:
    for item in invoice_items.pending(
        account, subscription["customer"], subscription["id"], subscription["currency"]
    ):
        if item["proration"] and item["_"].get("subscription") == subscription["id"]:
            account.emit("invoiceitem.deleted", item)
            account.forget(item)


def at_period_end(account: Account, subscription: Body) -> Body | None:
    """An appointed end: bill the usage of the last period, and what waits."""
    used = []
    for item in subscription["items"]["data"]:
        end = min(item["current_period_end"], account.now)
        used += _used(account, subscription, item, end)
        if account.now < item["current_period_end"] and subscription["_"].get("prorates_end"):
            changes.credit(account, subscription, item, account.now)
    waiting = invoice_items.pending(
        account, subscription["customer"], subscription["id"], subscription["currency"]
    )
    if used or any(item["_"].get("subscription") == subscription["id"] for item in waiting):
        return _last(account, subscription, used)
    return None


def _used(account: Account, subscription: Body, item: Body, until: int) -> list[Body]:
    """What was used of an item, as lines that are counted again when they become final."""
    price = shape.price_of(account, item)
    if not shape.is_metered(price):
        return []
    period = (item["current_period_start"], until)
    found = usage.lines_of(account, subscription, item, price, period)
    return [line for line in found if line["quantity"] or line["amount"]]


def _last(account: Account, subscription: Body, used: list[Body]) -> Body | None:
    """Draft an invoice that is not collected by itself, because its subscription ends."""
    in_force = discounts.in_force(account, subscription["discounts"], account.now)
    return _draft(account, subscription, used, in_force)


def of_pending(account: Account, subscription: Body) -> Body | None:
    """Invoice what waits, and collect it now."""
    invoice = _draft(account, subscription, [], [])
    if invoice is None:
        return None
    invoices.finalize(account, invoice, quiet=True)
    if invoice["status"] == "open" and invoice["collection_method"] == "charge_automatically":
        method = payments.payer_method(account, invoice["customer"], subscription)
        payments.pay_invoice(account, invoice, method, off_session=True)
    return invoice


def _draft(
    account: Account, subscription: Body, used: list[Body], discount_ids: list[str]
) -> Body | None:
    """An invoice of what was used and of what waits; None where there is nothing."""
    customer = account.get("customer", subscription["customer"])
    assert customer is not None
    pending = invoice_items.collect_pending(
        account, customer["id"], subscription["id"], subscription["currency"]
    )
    if not used and not pending:
        return None
    invoice = invoices.draft(
        account,
        customer,
        reason="subscription_update",
        currency=subscription["currency"],
        lines=[*pending, *used],
        period=(account.now, account.now),
        subscription=subscription,
        discount_ids=discount_ids,
        collection_method=subscription["collection_method"],
        days_until_due=subscription["days_until_due"],
        more=lambda draft: usage.go_on_counting(account, draft),
    )
    subscription["latest_invoice"] = invoice["id"]
    return invoice
