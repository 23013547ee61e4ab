"""Products."""

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.errors import invalid, not_built
from flask_billing.sandbox.ids import new_id
from flask_billing.sandbox.lists import page
from flask_billing.sandbox.resources import fields, prices
from flask_billing.sandbox.router import Call, endpoint


@endpoint("POST", "/v1/products", "ProductCreateParams")
def create(account: Account, call: Call) -> Body:
    """Create a product, with its default price if asked."""
    _check(call.params)
    product = new_product(account, call.params)
    if data := call.params.get("default_price_data"):
        price = prices.new_price(account, {**data, "product": product["id"]}, product)
        product["default_price"] = price["id"]
        account.save(product)
    return product


def _check(params: Body) -> None:
    fields.not_longer(params, "statement_descriptor", 22)
    fields.not_longer(params, "unit_label", 12)
    for name, most in (("images", 8), ("marketing_features", 15)):
        if len(params.get(name) or []) > most:
            raise invalid(f"Array {name} exceeded maximum {most} allowed elements.", name)
    if "tax_details" in params:
        raise not_built("`tax_details` of products", "tax_details")


def _check_default_price(account: Account, product: Body, price_id: str) -> None:
    price = account.require("price", price_id, param="default_price")
    if price["product"] != product["id"]:
        raise invalid(
            f"The price {price_id} belongs to another product than {product['id']}.",
            "default_price",
        )


def new_product(account: Account, params: Body) -> Body:
    """A product from its parameters."""
    object_id = params.get("id") or new_id("prod")
    if account.anything(object_id) is not None:
        raise invalid(f"Product already exists: {object_id}", "id", "resource_already_exists")
    product = account.add(_body(account, object_id, params))
    account.emit("product.created", product)
    return product


def made_up_product(account: Account) -> Body:
    """The archived product of a price that an invoice item's bare amount called for."""
    params = {"name": "Invoice item", "active": False}
    return account.add(_body(account, new_id("prod"), params))


def _body(account: Account, object_id: str, params: Body) -> Body:
    return {
        "id": object_id,
        "object": "product",
        "active": params.get("active", True),
        "created": account.now,
        "default_price": None,
        "description": params.get("description") or None,
        "images": params.get("images") or [],
        "livemode": False,
        "marketing_features": params.get("marketing_features") or [],
        "metadata": fields.new_metadata(params),
        "name": params["name"],
        "package_dimensions": params.get("package_dimensions") or None,
        "shippable": params.get("shippable"),
        "statement_descriptor": params.get("statement_descriptor"),
        "tax_code": params.get("tax_code") or None,
        "type": params.get("type", "service"),
        "unit_label": params.get("unit_label") or None,
        "updated": account.now,
        "url": params.get("url") or None,
    }


@endpoint("GET", "/v1/products/{id}", "ProductRetrieveParams")
def retrieve(account: Account, call: Call) -> Body:
    """One product."""
    return account.require("product", call.id)


@endpoint("POST", "/v1/products/{id}", "ProductUpdateParams")
def update(account: Account, call: Call) -> Body:
    """Change a product."""
    product = account.require("product", call.id)
    _check(call.params)
    if "default_price" in call.params:
        _check_default_price(account, product, call.params["default_price"])
    with account.changing(product, "product.updated"):
        fields.assign(
            product,
            call.params,
            (
                "active",
                "description",
                "name",
                "statement_descriptor",
                "tax_code",
                "unit_label",
                "url",
                "shippable",
                "default_price",
                "package_dimensions",
            ),
        )
        for name in ("images", "marketing_features"):
            if name in call.params:
                product[name] = call.params[name] or []
        fields.merge_metadata(product, call.params)
        product["updated"] = account.now
    return product


@endpoint("DELETE", "/v1/products/{id}", "ProductDeleteParams")
def delete(account: Account, call: Call) -> Body:
    """Delete a product that never had a price."""
    product = account.require("product", call.id)
    if account.find("price", parent=product["id"]):
        raise invalid(
            "This product cannot be deleted because it has one or more user-created prices."
        )
    account.emit("product.deleted", product)
    product["deleted"] = True
    account.save(product)
    return fields.deleted(product)


@endpoint("GET", "/v1/products", "ProductListParams")
def list_(account: Account, call: Call) -> Body:
    """A page of products."""
    params = call.params
    where = [(f"$.{name}", params[name]) for name in ("active", "url") if name in params]
    ids = params.get("ids")
    return page(
        account, call, "product", where=where, one_of=("$.id", ids) if ids is not None else None
    )
