"""Invoice lines: subscription items for a period, prorations and invoice items."""

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.engine import pricing
from flask_billing.sandbox.ids import new_id


def _line(
    *,
    amount: int,
    currency: str,
    description: str | None,
    discountable: bool,
    parent: Body,
    period: tuple[int, int],
    pricing_: Body | None,
    quantity: int | None,
    metadata: Body | None = None,
) -> Body:
    return {
        "id": new_id("il"),
        "object": "line_item",
        "amount": amount,
        "currency": currency,
        "description": description,
        "discount_amounts": [],
        "discountable": discountable,
        "discounts": [],
        "invoice": None,
        "livemode": False,
        "metadata": metadata or {},
        "parent": parent,
        "period": {"end": period[1], "start": period[0]},
        "pretax_credit_amounts": [],
        "pricing": pricing_,
        "quantity": quantity,
        "quantity_decimal": None if quantity is None else str(quantity),
        "subtotal": amount,
        "taxes": [],
    }


def _price_details(price: Body, unit_amount_decimal: str | None) -> Body:
    return {
        "price_details": {"price": price["id"], "product": price["product"]},
        "type": "price_details",
        "unit_amount_decimal": unit_amount_decimal,
    }


def _item_parent(item: Body, *, proration: bool, invoice_item: str | None = None) -> Body:
    return {
        "invoice_item_details": None,
        "subscription_item_details": {
            "invoice_item": invoice_item,
            "proration": proration,
            "proration_details": {"credited_items": None},
            "subscription": item["subscription"],
            "subscription_item": item["id"],
        },
        "type": "subscription_item_details",
    }


def period_lines(
    account: Account, item: Body, price: Body, quantity: int, period: tuple[int, int]
) -> list[Body]:
    """An item's price for a whole period: one line, or those of its tiers."""
    return [
        _line(
            amount=part.amount,
            currency=price["currency"],
            description=pricing.description(account, price, part),
            discountable=True,
            parent=_item_parent(item, proration=False),
            period=period,
            pricing_=_price_details(price, f"{part.each.normalize():f}"),
            quantity=part.quantity,
            metadata=dict(item["metadata"]),
        )
        for part in pricing.parts(price, quantity)
    ]


def trial_line(account: Account, item: Body, price: Body, period: tuple[int, int]) -> Body:
    """The free line of a trial: ``Free trial for 1 × Pro``."""
    quantity = item.get("quantity") or 1
    name = pricing.units(account, price, quantity) + pricing.product_name(account, price)
    return _line(
        amount=0,
        currency=price["currency"],
        description=f"Free trial for {name}",
        discountable=True,
        parent=_item_parent(item, proration=False),
        period=period,
        pricing_=_price_details(price, "0"),
        quantity=quantity,
    )


def invoice_item_line(invoice_item: Body) -> Body:
    """The line of a pending invoice item, a proration among them."""
    parent = invoice_item["_"]["line_parent"]
    return _line(
        amount=invoice_item["amount"],
        currency=invoice_item["currency"],
        description=invoice_item["description"],
        discountable=invoice_item["discountable"],
        parent=parent,
        period=(invoice_item["period"]["start"], invoice_item["period"]["end"]),
        pricing_=invoice_item["pricing"],
        quantity=invoice_item["quantity"],
        metadata=dict(invoice_item["metadata"]),
    )


def proration_item(
    account: Account,
    item: Body,
    price: Body,
    *,
    customer: str,
    amount: int,
    quantity: int,
    description: str,
    period: tuple[int, int],
    credited: Body | None = None,
) -> Body:
    """A pending invoice item for unused or remaining time."""
    object_id = new_id("ii")
    parent = _item_parent(item, proration=True, invoice_item=object_id)
    parent["subscription_item_details"]["proration_details"]["credited_items"] = credited
    return account.add(
        {
            "id": object_id,
            "object": "invoiceitem",
            "amount": amount,
            "currency": price["currency"],
            "customer": customer,
            "customer_account": None,
            "date": account.now,
            "description": description,
            "discountable": False,
            "discounts": [],
            "invoice": None,
            "livemode": False,
            "metadata": {},
            "net_amount": amount,
            "parent": {
                "subscription_details": {
                    "subscription": item["subscription"],
                    "subscription_item": item["id"],
                },
                "type": "subscription_details",
            },
            "period": {"end": period[1], "start": period[0]},
            "pricing": _price_details(price, None),
            "proration": True,
            "proration_details": {"discount_amounts": []},
            "quantity": quantity,
            "quantity_decimal": str(quantity),
            "tax_rates": [],
            "test_clock": None,
            "_": {"line_parent": parent, "subscription": item["subscription"]},
        }
    )
