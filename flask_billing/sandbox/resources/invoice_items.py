"""Invoice items: one-time amounts, for the next invoice or on a draft."""

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.engine import draft_lines, taxes
from flask_billing.sandbox.errors import invalid
from flask_billing.sandbox.lists import page
from flask_billing.sandbox.resources import fields
from flask_billing.sandbox.resources import invoice_item_params as item_params
from flask_billing.sandbox.router import Call, endpoint

_PRICING = (
    "amount",
    "quantity",
    "quantity_decimal",
    "pricing",
    "price_data",
    "unit_amount_decimal",
)


@endpoint("POST", "/v1/invoiceitems", "InvoiceItemCreateParams")
def create(account: Account, call: Call) -> Body:
    """Put an amount on the customer's next invoice, or on a draft that is named."""
    params = call.params
    invoice = _draft(account, params)
    owner = invoice["customer"] if invoice else None
    customer = account.require("customer", params.get("customer", owner), param="customer")
    if invoice and invoice["customer"] != customer["id"]:
        raise invalid("The invoice belongs to another customer.", "invoice")
    item = item_params.new_item(account, customer, params, invoice)
    if invoice is not None:
        item["invoice"] = invoice["id"]
    account.emit("invoiceitem.created", item)
    if invoice is not None:
        draft_lines.place(account, invoice, item)
    return item


def _draft(account: Account, params: Body) -> Body | None:
    if not params.get("invoice"):
        return None
    invoice = account.require("invoice", params["invoice"], param="invoice")
    _check_draft(invoice)
    return invoice


def _check_draft(invoice: Body | None) -> None:
    if invoice is not None and invoice["status"] != "draft":
        raise invalid(
            "The invoice item is on an invoice that is not a draft any more.",
            "invoice",
            "invoice_not_editable",
        )


@endpoint("GET", "/v1/invoiceitems/{id}", "InvoiceItemRetrieveParams")
def retrieve(account: Account, call: Call) -> Body:
    """One invoice item."""
    return account.require("invoiceitem", call.id)


@endpoint("POST", "/v1/invoiceitems/{id}", "InvoiceItemUpdateParams")
def update(account: Account, call: Call) -> Body:
    """Change an item that waits or is on a draft; the draft is added up again."""
    item, params = account.require("invoiceitem", call.id), call.params
    item_params.refuse_discounts(params)
    _check_draft(account.get("invoice", item["invoice"]))
    fields.assign(item, params, ("description", "discountable"))
    _reprice(account, item, params)
    if period := item_params.asked_period(params):
        item["period"] = {"end": period[1], "start": period[0]}
    if "tax_rates" in params:
        item["tax_rates"] = taxes.checked(account, params["tax_rates"], "tax_rates")
    fields.merge_metadata(item, params)
    account.save(item)
    draft_lines.replace(account, item)
    return item


def _reprice(account: Account, item: Body, params: Body) -> None:
    names = (
        "amount",
        "quantity",
        "quantity_decimal",
        "pricing",
        "price_data",
        "unit_amount_decimal",
    )
    if not any(params.get(name) is not None for name in names):
        return
    quantity = item_params.asked_quantity(params) or item["quantity"]
    price = item_params.asked_price(account, params)
    details = item["pricing"]
    if price is not None:
        details["price_details"] = {"price": price["id"], "product": price["product"]}
        details["unit_amount_decimal"] = price["unit_amount_decimal"]
    elif params.get("amount") is None and params.get("unit_amount_decimal") is None:
        price = account.require("price", details["price_details"]["price"], param="pricing")
    item["amount"] = item_params.asked_amount(price, params, quantity)
    item["quantity"], item["quantity_decimal"] = quantity, str(quantity)
    if price is None:
        details["unit_amount_decimal"] = params.get("unit_amount_decimal") or str(item["amount"])


@endpoint("DELETE", "/v1/invoiceitems/{id}", "InvoiceItemDeleteParams")
def delete(account: Account, call: Call) -> Body:
    """Remove an item that waits, or take it off its draft."""
    item = account.require("invoiceitem", call.id)
    _check_draft(account.get("invoice", item["invoice"]))
    account.emit("invoiceitem.deleted", item)
    draft_lines.remove(account, item)
    account.forget(item)
    return fields.deleted(item)


@endpoint("GET", "/v1/invoiceitems", "InvoiceItemListParams")
def list_(account: Account, call: Call) -> Body:
    """A page of invoice items, by customer and invoice; or the pending ones."""
    params = call.params
    where = [("$.invoice", params["invoice"])] if "invoice" in params else []
    waits = {True: "json_extract(body, '$.invoice') IS NULL", False: None}
    return page(
        account,
        call,
        "invoiceitem",
        customer=params.get("customer"),
        where=where,
        more=waits[params.get("pending", False)],
    )
