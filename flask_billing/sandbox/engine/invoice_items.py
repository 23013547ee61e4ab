"""Pending invoice items: one-time amounts and prorations that wait for the next invoice."""

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.engine import items, lines, pricing, taxes
from flask_billing.sandbox.ids import new_id
from flask_billing.sandbox.present import presents


def pending(
    account: Account, customer_id: str, subscription_id: str | None, currency: str
) -> list[Body]:
    """The items that wait: a subscription's own and those of no subscription, in a currency."""
    found = account.find("invoiceitem", customer=customer_id)
    return [
        item
        for item in found
        if item["invoice"] is None
        and item["currency"] == currency
        and item["_"].get("subscription") in {None, subscription_id}
    ]


def collect_pending(
    account: Account, customer_id: str, subscription_id: str | None, currency: str
) -> list[Body]:
    """The waiting items as invoice lines; they wait no longer."""
    found = pending(account, customer_id, subscription_id, currency)
    for item in found:
        item["_"]["waited"] = True
    return [taken(account, item) for item in found]


def taken(account: Account, item: Body) -> Body:
    """A waiting item as an invoice line."""
    line = lines.invoice_item_line(item)
    item["invoice"] = "taken"
    item["_"]["line"] = line["id"]
    account.save(item)
    return line


def new_invoice_item(
    account: Account,
    customer: Body,
    *,
    price: Body | None,
    amount: int,
    currency: str,
    quantity: int,
    description: str | None,
    subscription: str | None = None,
    discountable: bool = True,
    period: tuple[int, int] | None = None,
    metadata: Body | None = None,
    tax_rates: list[str] | None = None,
    unit_amount: str | None = None,
) -> Body:
    """A one-time amount on the customer's next invoice.

    ``unit_amount`` is the decimal amount of one unit where it is not the price's.
    """
    object_id = new_id("ii")
    start, end = period or (account.now, account.now)
    price = price or _price_of_amount(account, amount, currency)
    details = {
        "price_details": {"price": price["id"], "product": price["product"]},
        "type": "price_details",
        "unit_amount_decimal": unit_amount or price["unit_amount_decimal"],
    }
    return account.add(
        {
            "id": object_id,
            "object": "invoiceitem",
            "amount": amount,
            "currency": currency,
            "customer": customer["id"],
            "customer_account": None,
            "date": account.now,
            "description": description,
            "discountable": discountable,
            "discounts": [],
            "invoice": None,
            "livemode": False,
            "metadata": metadata or {},
            "parent": None,
            "period": {"end": end, "start": start},
            "pricing": details,
            "proration": False,
            "quantity": quantity,
            "quantity_decimal": str(quantity),
            "tax_rates": tax_rates or [],
            "test_clock": None,
            "_": {
                "subscription": subscription,
                "line_parent": {
                    "invoice_item_details": {
                        "invoice_item": object_id,
                        "proration": False,
                        "proration_details": {"credited_items": None},
                        "subscription": subscription,
                    },
                    "subscription_item_details": None,
                    "type": "invoice_item_details",
                },
            },
        }
    )


def _price_of_amount(account: Account, amount: int, currency: str) -> Body:
    """The price Stripe makes up for a bare amount: archived, and used again."""
    from flask_billing.sandbox.resources.prices import price_of_amount

    return price_of_amount(account, amount, currency)


def one_time(
    account: Account,
    entries: list[Body],
    customer: Body,
    *,
    subscription: str,
    period: tuple[int, int] | None = None,
    wait: bool = False,
) -> list[Body]:
    """``add_invoice_items`` as lines of the invoice being made, or of the next if they ``wait``."""
    from flask_billing.sandbox.resources.prices import inline_price

    found = []
    currency = account.require("subscription", subscription)["currency"]
    for index, entry in enumerate(entries):
        where = f"add_invoice_items[{index}]"
        if entry.get("price_data"):
            price = inline_price(account, entry["price_data"], f"{where}[price_data]")
        else:
            price = account.require("price", entry.get("price"), param=f"{where}[price]")
        items.check_currency(price, currency, where)
        quantity = entry.get("quantity") or 1
        item = new_invoice_item(
            account,
            customer,
            price=price,
            amount=pricing.amount(price, quantity),
            currency=price["currency"],
            quantity=quantity,
            description=pricing.product_name(account, price),
            subscription=subscription,
            period=period,
            tax_rates=taxes.checked(account, entry.get("tax_rates"), f"{where}[tax_rates]"),
        )
        if not wait:
            found.append(taken(account, item))
    return found


@presents("invoiceitem")
def _shown(account: Account, item: Body) -> Body:
    item["tax_rates"] = taxes.shown(account, item["tax_rates"])
    return item
