"""Prices and their lookup keys."""

from decimal import Decimal

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.errors import invalid, missing_param
from flask_billing.sandbox.expand import on_request
from flask_billing.sandbox.ids import new_id
from flask_billing.sandbox.lists import page
from flask_billing.sandbox.resources import fields
from flask_billing.sandbox.router import Call, endpoint


@endpoint("POST", "/v1/prices", "PriceCreateParams")
def create(account: Account, call: Call) -> Body:
    """Create a price, with its product if ``product_data`` is given."""
    params = call.params
    if params.get("product_data"):
        from flask_billing.sandbox.resources.products import new_product

        product = new_product(account, params["product_data"])
    elif params.get("product"):
        product = account.require("product", params["product"], param="product")
    else:
        raise missing_param("product")
    return new_price(account, params, product)


def inline_price(account: Account, data: Body, param: str) -> Body:
    """The price made from ``price_data``."""
    product = account.require("product", data.get("product"), param=f"{param}[product]")
    return new_price(account, data, product)


def price_of_amount(account: Account, amount: int, currency: str) -> Body:
    """The archived price behind an invoice item that names an amount only."""
    where = [("$._.made_up", True), ("$.unit_amount", amount), ("$.currency", currency)]
    for known in account.find("price", where=where):
        return known
    price = _price_body(account, {"currency": currency, "unit_amount": abs(amount)}, new_id("prod"))
    price.update(active=False, unit_amount=amount, unit_amount_decimal=str(amount))
    price["_"]["made_up"] = True
    return account.add(price)


def new_price(account: Account, params: Body, product: Body) -> Body:
    """A price from its parameters."""
    price = _price_body(account, params, product["id"])
    if params.get("lookup_key"):
        _take_lookup_key(account, price, params)
    account.add(price)
    account.emit("price.created", price)
    return price


def _price_body(account: Account, params: Body, product_id: str) -> Body:
    recurring = _recurring(account, params.get("recurring"))
    amount, exact = _amounts(params)
    currency = str(params["currency"]).lower()
    if not (len(currency) == 3 and currency.isalpha()):
        raise invalid(f"Invalid currency: {currency}.", "currency")
    return {
        "id": new_id("price"),
        "object": "price",
        "active": params.get("active", True),
        "billing_scheme": params.get("billing_scheme", "per_unit"),
        "created": account.now,
        "currency": currency,
        "custom_unit_amount": None,
        "livemode": False,
        "lookup_key": None,
        "metadata": fields.new_metadata(params),
        "nickname": params.get("nickname"),
        "product": product_id,
        "recurring": recurring,
        "tax_behavior": params.get("tax_behavior", "unspecified"),
        "tiers_mode": params.get("tiers_mode"),
        "transform_quantity": params.get("transform_quantity"),
        "type": "recurring" if recurring else "one_time",
        "unit_amount": amount,
        "unit_amount_decimal": exact,
        "_": {"tiers": _tiers(params)},
    }


_LONGEST = {"day": 1_095, "week": 156, "month": 36, "year": 3}
_LARGEST_AMOUNT = 999_999_999_999


def _recurring(account: Account, asked: Body | None) -> Body | None:
    if not asked:
        return None
    meter = asked.get("meter")
    if meter:
        account.require("billing.meter", meter, param="recurring[meter]")
    if asked.get("usage_type") == "metered" and not meter:
        raise invalid("You must specify a meter when creating a metered price.", "recurring[meter]")
    count = asked.get("interval_count", 1)
    if not 1 <= count <= _LONGEST[asked["interval"]]:
        raise invalid(
            "Invalid interval_count: the interval cannot be longer than three years.",
            "recurring[interval_count]",
        )
    return {
        "interval": asked["interval"],
        "interval_count": count,
        "meter": meter,
        "trial_period_days": asked.get("trial_period_days"),
        "usage_type": asked.get("usage_type", "licensed"),
    }


def _amounts(params: Body) -> tuple[int | None, str | None]:
    if params.get("billing_scheme") == "tiered":
        if not params.get("tiers"):
            raise missing_param("tiers")
        return None, None
    if params.get("unit_amount_decimal") is not None:
        exact = Decimal(params["unit_amount_decimal"])
        whole = exact == exact.to_integral_value()
        return (int(exact) if whole else None), f"{exact.normalize():f}"
    amount = params.get("unit_amount")
    if amount is None:
        raise missing_param("unit_amount")
    if amount > _LARGEST_AMOUNT:
        raise invalid(
            "Amount must be no more than $9,999,999,999.99", "unit_amount", "amount_too_large"
        )
    if amount < 0:
        raise invalid(
            "This value must be greater than or equal to 0.",
            "unit_amount",
            "parameter_invalid_integer",
        )
    return amount, str(amount)


def _tiers(params: Body) -> list[Body] | None:
    asked = params.get("tiers")
    if not asked:
        return None
    tiers = []
    for tier in asked:
        up_to = tier["up_to"]
        tiers.append(
            {
                "flat_amount": tier.get("flat_amount"),
                "flat_amount_decimal": tier.get("flat_amount_decimal")
                or _text(tier.get("flat_amount")),
                "unit_amount": tier.get("unit_amount"),
                "unit_amount_decimal": tier.get("unit_amount_decimal")
                or _text(tier.get("unit_amount")),
                "up_to": None if up_to == "inf" else up_to,
            }
        )
    return tiers


def _text(amount: int | None) -> str | None:
    return None if amount is None else str(amount)


def _take_lookup_key(account: Account, price: Body, params: Body) -> None:
    key = params["lookup_key"]
    for holder in account.find("price", where=[("$.lookup_key", key)]):
        if holder["id"] == price["id"]:
            continue
        if not params.get("transfer_lookup_key"):
            raise invalid(
                f"A price (`{holder['id']}`) already uses that lookup key.",
                "lookup_key",
                "resource_already_exists",
            )
        with account.changing(holder, "price.updated"):
            holder["lookup_key"] = None
    price["lookup_key"] = key


@endpoint("GET", "/v1/prices/{id}", "PriceRetrieveParams")
def retrieve(account: Account, call: Call) -> Body:
    """One price."""
    return account.require("price", call.id)


@endpoint("POST", "/v1/prices/{id}", "PriceUpdateParams")
def update(account: Account, call: Call) -> Body:
    """Change what may change: amount, currency and interval may not."""
    price = account.require("price", call.id)
    params = call.params
    known = price["tax_behavior"]
    if known != "unspecified" and params.get("tax_behavior", known) != known:
        raise invalid(
            "You cannot change `tax_behavior` once it has been set to `exclusive` or `inclusive`.",
            "tax_behavior",
        )
    with account.changing(price, "price.updated"):
        fields.assign(price, params, ("active", "nickname", "tax_behavior"))
        fields.merge_metadata(price, params)
        if params.get("lookup_key"):
            _take_lookup_key(account, price, params)
        elif params.get("lookup_key") == "":
            price["lookup_key"] = None
    return price


@endpoint("GET", "/v1/prices", "PriceListParams")
def list_(account: Account, call: Call) -> Body:
    """A page of prices, by lookup keys, product, activity, type."""
    params = call.params
    where = [
        (f"$.{name}", params[name]) for name in ("active", "currency", "type") if name in params
    ]
    for name, value in (params.get("recurring") or {}).items():
        where.append((f"$.recurring.{name}", value))
    keys = params.get("lookup_keys")
    if keys is not None and len(keys) > 10:
        raise invalid("You may only pass up to 10 lookup keys.", "lookup_keys")
    return page(
        account,
        call,
        "price",
        parent=params.get("product"),
        where=where,
        one_of=("$.lookup_key", keys) if keys is not None else None,
    )


@on_request("price", "tiers")
def _tiers_field(account: Account, price: Body) -> list[Body] | None:
    stored = account.anything(price["id"])
    tiers: list[Body] | None = (stored or {}).get("_", {}).get("tiers")
    return tiers


@on_request("price", "currency_options")
def _currency_options(account: Account, price: Body) -> Body:
    return {
        price["currency"]: {
            "custom_unit_amount": None,
            "tax_behavior": price["tax_behavior"],
            "unit_amount": price["unit_amount"],
            "unit_amount_decimal": price["unit_amount_decimal"],
        }
    }
