"""Invoice items: one-time amounts for the next invoice."""

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.engine import invoice_items, pricing
from flask_billing.sandbox.errors import invalid
from flask_billing.sandbox.lists import page
from flask_billing.sandbox.resources import fields
from flask_billing.sandbox.router import Call, endpoint


@endpoint("POST", "/v1/invoiceitems", "InvoiceItemCreateParams")
def create(account: Account, call: Call) -> Body:
    """Put an amount on the customer's next invoice."""
    params = call.params
    customer = account.require("customer", params.get("customer"), param="customer")
    quantity = params.get("quantity") or 1
    price = None
    amount = params.get("amount")
    chosen = (params.get("pricing") or {}).get("price")
    if chosen:
        price = account.require("price", chosen, param="pricing[price]")
        amount = pricing.amount(price, quantity)
    if amount is None:
        raise invalid("You must provide `amount` or `pricing`.", "amount", "parameter_missing")
    item = invoice_items.new_invoice_item(
        account,
        customer,
        price=price,
        amount=amount,
        currency=params.get("currency")
        or (price["currency"] if price else customer["currency"] or account.settings.currency),
        quantity=quantity,
        description=params.get("description")
        or (pricing.product_name(account, price) if price else None),
        subscription=params.get("subscription"),
        discountable=params.get("discountable", True),
        metadata=fields.new_metadata(params),
    )
    account.emit("invoiceitem.created", item)
    return item


@endpoint("GET", "/v1/invoiceitems/{id}", "InvoiceItemRetrieveParams")
def retrieve(account: Account, call: Call) -> Body:
    """One invoice item."""
    return account.require("invoiceitem", call.id)


@endpoint("DELETE", "/v1/invoiceitems/{id}", "InvoiceItemDeleteParams")
def delete(account: Account, call: Call) -> Body:
    """Remove an item that is on no finalised invoice."""
    item = account.require("invoiceitem", call.id)
    account.emit("invoiceitem.deleted", item)
    account.forget(item)
    return fields.deleted(item)


@endpoint("GET", "/v1/invoiceitems", "InvoiceItemListParams")
def list_(account: Account, call: Call) -> Body:
    """A page of invoice items, by customer and invoice; or the pending ones."""
    params = call.params
    where = [("$.invoice", params["invoice"])] if "invoice" in params else []
    return page(account, call, "invoiceitem", customer=params.get("customer"), where=where)
