"""Prices and their lookup keys."""

from flask_billing.sandbox import currencies
from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.errors import invalid, missing_param, not_built
from flask_billing.sandbox.expand import on_request
from flask_billing.sandbox.ids import new_id
from flask_billing.sandbox.lists import page
from flask_billing.sandbox.resources import fields
from flask_billing.sandbox.resources.price_terms import terms
from flask_billing.sandbox.router import Call, endpoint


@endpoint("POST", "/v1/prices", "PriceCreateParams")
def create(account: Account, call: Call) -> Body:
    """Create a price, with its product if ``product_data`` is given."""
    return new_price(account, call.params, _product(account, call.params))


def _product(account: Account, params: Body, prefix: str = "") -> Body:
    from flask_billing.sandbox.resources.products import new_product

    name = f"{prefix}[product]" if prefix else "product"
    if params.get("product") and params.get("product_data"):
        raise invalid("You may only specify one of these parameters: product, product_data.", name)
    if params.get("product_data"):
        return new_product(account, params["product_data"])
    if not params.get("product"):
        raise missing_param(name)
    return account.require("product", params["product"], param=name)


def inline_price(account: Account, data: Body, param: str) -> Body:
    """The price made from ``price_data``."""
    return new_price(account, data, _product(account, data, param))


def price_of_amount(account: Account, amount: int, currency: str) -> Body:
    """The archived price behind an invoice item that names an amount only."""
    where = [("$._.made_up", True), ("$.unit_amount", amount), ("$.currency", currency)]
    for known in account.find("price", where=where):
        return known
    from flask_billing.sandbox.resources.products import made_up_product

    product = made_up_product(account)
    price = _price_body(account, {"currency": currency, "unit_amount": abs(amount)}, product["id"])
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
    return {
        "id": new_id("price"),
        "object": "price",
        "active": params.get("active", True),
        "created": account.now,
        "livemode": False,
        "lookup_key": None,
        "metadata": fields.new_metadata(params),
        "nickname": params.get("nickname"),
        "product": product_id,
        "tax_behavior": params.get("tax_behavior", "unspecified"),
        **terms(account, params),
    }


def _take_lookup_key(account: Account, price: Body, params: Body) -> None:
    key = params["lookup_key"]
    fields.not_longer(params, "lookup_key", 200)
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
    if "currency_options" in params:
        raise not_built("prices with `currency_options`", "currency_options")
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
    where = [(f"$.{name}", params[name]) for name in ("active", "type") if name in params]
    if "currency" in params:
        where.append(("$.currency", currencies.known(params["currency"])))
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
