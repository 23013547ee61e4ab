"""Items as parameters name them: their price, their quantity, and the item made of both."""

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.engine import subscriptions as shape
from flask_billing.sandbox.engine import taxes
from flask_billing.sandbox.errors import ApiError, invalid, missing_param
from flask_billing.sandbox.ids import new_id

MOST_ITEMS = 20


def read(account: Account, asked: list[Body], param: str = "items") -> list[Body]:
    """The entries of an ``items`` parameter, each with the id of its price and its quantity."""
    entries = []
    for index, entry in enumerate(asked):
        where = f"{param}[{index}]"
        entries.append(checked(account, entry, asked_price(account, entry, where), where))
    if not entries:
        raise missing_param(param)
    refuse_twins(entries)
    return entries


def check_currency(price: Body, currency: str, where: str) -> None:
    """Refuse a price in another currency than the subscription's."""
    if price["currency"] != currency:
        raise invalid(
            f"The price specified only supports `{price['currency']}`. This doesn't match the "
            f"expected currency: `{currency}`.",
            f"{where}[price]",
        )


def one_currency(account: Account, entries: list[Body], param: str = "items") -> str:
    """The currency that all prices share."""
    currencies = {shape.price_of(account, entry)["currency"] for entry in entries}
    if len(currencies) > 1:
        raise invalid("All prices on a subscription must use the same currency.", param)
    currency: str = currencies.pop()
    return currency


def asked_price(account: Account, entry: Body, where: str) -> Body:
    """The price an entry names as ``price``, ``plan`` or ``price_data``.

    A ``planned`` one was checked when the plan was made, and may have been archived since.
    """
    if entry.get("price_data"):
        from flask_billing.sandbox.resources.prices import inline_price

        price = inline_price(account, entry["price_data"], f"{where}[price_data]")
        return _checked_price(account, price["id"], f"{where}[price_data]")
    for name in ("price", "plan"):
        if entry.get(name):
            if entry.get("planned"):
                return account.require("price", entry[name])
            return _checked_price(account, entry[name], f"{where}[{name}]")
    raise missing_param(f"{where}[price]")


def _checked_price(account: Account, object_id: str | None, param: str) -> Body:
    """A recurring, active price named in the parameters."""
    price = account.require("price", object_id, param=param)
    if price["recurring"] is None:
        raise invalid(
            "The price specified is set to `type=one_time` but this field only accepts prices "
            "with `type=recurring`.",
            param,
        )
    if not price["active"]:
        raise invalid(
            "The price specified is inactive. This field only accepts active prices.", param
        )
    return price


def checked(account: Account, entry: Body, price: Body, param: str) -> Body:
    """An item's parameters with the quantity that its price wants."""
    taxes.checked(account, entry.get("tax_rates"), f"{param}[tax_rates]")
    quantity = entry.get("quantity")
    if shape.is_metered(price):
        if quantity is not None:
            raise invalid(
                "You cannot set a quantity on an item with a metered price.", f"{param}[quantity]"
            )
        return {**entry, "price": price["id"], "quantity": None}
    if quantity is not None and quantity < 0:
        raise invalid(
            "This value must be greater than or equal to 0.",
            f"{param}[quantity]",
            "parameter_invalid_integer",
        )
    return {**entry, "price": price["id"], "quantity": 1 if quantity is None else quantity}


def refuse_twins(items: list[Body]) -> None:
    """A price may stand on a subscription only once, and twenty items in all."""
    if len(items) > MOST_ITEMS:
        raise invalid(
            f"A subscription can have at most {MOST_ITEMS} items; {len(items)} were given.",
            "items",
        )
    prices = [item["price"] for item in items]
    for object_id in prices:
        if prices.count(object_id) > 1:
            raise ApiError(
                400,
                f"Cannot add multiple subscription items with the same plan: {object_id}",
                param="plan",
            )


def new_item(account: Account, subscription: Body, entry: Body) -> Body:
    """A subscription item, still without its period."""
    return {
        "id": new_id("si"),
        "object": "subscription_item",
        "billing_thresholds": None,
        "created": account.now,
        "current_period_end": account.now,
        "current_period_start": account.now,
        "discounts": [],
        "metadata": {k: v for k, v in (entry.get("metadata") or {}).items() if v != ""},
        "price": entry["price"],
        "quantity": entry.get("quantity"),
        "subscription": subscription["id"],
        "tax_rates": list(entry.get("tax_rates") or []),
    }
