"""The ``invoice_items`` of a preview: amounts that would wait for the invoice."""

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.engine import invoice_items, invoices
from flask_billing.sandbox.errors import not_built
from flask_billing.sandbox.resources import invoice_item_params


def add(account: Account, params: Body, customer_id: str | None) -> None:
    """Let the items wait, so that the previewed invoice takes them."""
    entries = params.get("invoice_items") or []
    if not entries:
        return
    customer = account.require("customer", customer_id, param="customer")
    for index, entry in enumerate(entries):
        if entry.get("invoiceitem"):
            where = f"invoice_items[{index}][invoiceitem]"
            raise not_built("changes of existing invoice items in a preview", where)
        asked = {"currency": params.get("currency"), **entry}
        if entry.get("price"):
            asked["pricing"] = {"price": entry["price"]}
        if entry.get("unit_amount") is not None:
            asked["unit_amount_decimal"] = str(entry["unit_amount"])
        invoice_item_params.new_item(account, customer, asked)


def alone(account: Account, params: Body) -> Body | None:
    """The invoice of what waits for a customer without a subscription."""
    customer = account.require("customer", params["customer"], param="customer")
    currency = params.get("currency") or customer["currency"] or account.settings.currency
    lines = invoice_items.collect_pending(account, customer["id"], None, currency)
    if not lines:
        return None
    return invoices.draft(
        account,
        customer,
        reason="upcoming",
        currency=currency,
        lines=lines,
        period=(account.now, account.now),
    )
