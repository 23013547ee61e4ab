"""What the parameters of an invoice item say: price, amount, period, tax."""

from decimal import Decimal
from fractions import Fraction

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.engine import invoice_items, pricing, proration, taxes
from flask_billing.sandbox.errors import invalid, not_built
from flask_billing.sandbox.resources import fields
from flask_billing.sandbox.resources.prices import inline_price


def new_item(account: Account, customer: Body, params: Body, invoice: Body | None = None) -> Body:
    """An item that waits for the next invoice, or is meant for this draft."""
    refuse_discounts(params)
    if params.get("subscription"):
        account.require("subscription", params["subscription"], param="subscription")
    quantity = asked_quantity(params) or 1
    price = asked_price(account, params)
    currency = (
        params.get("currency")
        or (price and price["currency"])
        or (invoice and invoice["currency"])
        or customer["currency"]
        or account.settings.currency
    ).lower()
    if (price and price["currency"] != currency) or (invoice and invoice["currency"] != currency):
        raise invalid(f"The currency of price and invoice must be `{currency}`.", "currency")
    return invoice_items.new_invoice_item(
        account,
        customer,
        price=price,
        amount=asked_amount(price, params, quantity),
        currency=currency,
        quantity=quantity,
        description=params.get("description")
        or (pricing.product_name(account, price) if price else None),
        subscription=params.get("subscription"),
        discountable=params.get("discountable", True),
        period=asked_period(params),
        metadata=fields.new_metadata(params),
        tax_rates=taxes.checked(account, params.get("tax_rates"), "tax_rates"),
        unit_amount=params.get("unit_amount_decimal"),
    )


def refuse_discounts(params: Body) -> None:
    """Discounts of single items are not built."""
    if params.get("discounts"):
        raise not_built("discounts of single invoice items", "discounts")


def asked_quantity(params: Body) -> int | None:
    """The quantity, whole numbers only."""
    exact = params.get("quantity_decimal")
    if exact is None:
        quantity: int | None = params.get("quantity")
        return quantity
    if Decimal(exact) != int(Decimal(exact)):
        raise not_built("quantities that are not whole", "quantity_decimal")
    return int(Decimal(exact))


def asked_price(account: Account, params: Body) -> Body | None:
    """The price that is named or described, a one-time one."""
    if params.get("price_data"):
        return inline_price(account, params["price_data"], "price_data")
    chosen = (params.get("pricing") or {}).get("price")
    if not chosen:
        return None
    price = account.require("price", chosen, param="pricing[price]")
    if price["recurring"] is not None:
        raise invalid(
            "The price specified is set to `type=recurring` but this field only accepts prices "
            "with `type=one_time`.",
            "pricing[price]",
        )
    return price


def asked_amount(price: Body | None, params: Body, quantity: int) -> int:
    """What the item comes to."""
    if price is not None:
        return pricing.amount(price, quantity)
    if params.get("unit_amount_decimal") is not None:
        exact = Fraction(Decimal(params["unit_amount_decimal"])) * quantity
        return proration.rounded(exact)
    if params.get("amount") is None:
        raise invalid("You must provide `amount` or `pricing`.", "amount", "parameter_missing")
    amount: int = params["amount"]
    return amount


def asked_period(params: Body) -> tuple[int, int] | None:
    """Start and end of the period, if one is given."""
    period = params.get("period")
    if not period:
        return None
    if period["end"] < period["start"]:
        raise invalid("`period[end]` must be on or after `period[start]`.", "period[end]")
    return period["start"], period["end"]
