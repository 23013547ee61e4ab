"""Coupons."""

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.engine import redemption
from flask_billing.sandbox.errors import invalid, missing_param, not_built
from flask_billing.sandbox.expand import on_request
from flask_billing.sandbox.ids import random_text
from flask_billing.sandbox.lists import page
from flask_billing.sandbox.present import presents
from flask_billing.sandbox.resources import fields
from flask_billing.sandbox.router import Call, endpoint


@endpoint("POST", "/v1/coupons", "CouponCreateParams")
def create(account: Account, call: Call) -> Body:
    """Create a coupon."""
    params = call.params
    _check(account, params)
    percent, amount = params.get("percent_off"), params.get("amount_off")
    object_id = params.get("id") or random_text(8)
    namesake = account.anything(object_id)
    if namesake is not None:
        if not namesake.get("deleted"):
            raise invalid("Coupon already exists.", "id", "resource_already_exists")
        account.forget(namesake)
    coupon = account.add(
        {
            "id": object_id,
            "object": "coupon",
            "amount_off": amount or None,
            "created": account.now,
            "currency": params["currency"].lower() if amount else None,
            "duration": params.get("duration", "once"),
            "duration_in_months": params.get("duration_in_months"),
            "livemode": False,
            "metadata": fields.new_metadata(params),
            "name": params.get("name"),
            "percent_off": percent or None,
            **redemption.limits(account, "coupon", params),
            "_": {"products": (params.get("applies_to") or {}).get("products")},
        }
    )
    account.emit("coupon.created", coupon)
    return coupon


def _check(account: Account, params: Body) -> None:
    if "currency_options" in params:
        raise not_built("coupons in several currencies", "currency_options")

    percent, amount = params.get("percent_off"), params.get("amount_off")

    if percent is None and amount is None:
        raise missing_param("percent_off")
    if percent is not None and amount is not None:
        raise invalid("You may only specify one of these parameters: amount_off, percent_off.")
    if percent is not None and not 0 < percent <= 100:
        raise invalid("Invalid percent_off: must be greater than 0 and at most 100.", "percent_off")
    if amount is not None and not params.get("currency"):
        raise missing_param("currency")

    fields.at_least(params, "amount_off", 1)
    fields.not_longer(params, "name", 40)
    months = params.get("duration_in_months")

    if params.get("duration") == "repeating":
        if months is None:
            raise missing_param("duration_in_months")
        fields.at_least(params, "duration_in_months", 1)
    elif months is not None:
        raise invalid(
            "`duration_in_months` may only be given when `duration` is `repeating`.",
            "duration_in_months",
        )

    products = (params.get("applies_to") or {}).get("products") or []

    for index, product in enumerate(products):
        account.require("product", product, param=f"applies_to[products][{index}]")


@presents("coupon")
def _shown(account: Account, coupon: Body) -> Body:
    coupon["valid"] = not coupon.get("deleted") and redemption.is_open(account, coupon)
    return coupon


@on_request("coupon", "applies_to")
def _applies_to(account: Account, coupon: Body) -> Body | None:
    stored = account.anything(coupon["id"]) or {}
    products = stored.get("_", {}).get("products")
    return {"products": products} if products else None


@endpoint("GET", "/v1/coupons/{id}", "CouponRetrieveParams")
def retrieve(account: Account, call: Call) -> Body:
    """One coupon."""
    return account.require("coupon", call.id, param="coupon!")


@endpoint("POST", "/v1/coupons/{id}", "CouponUpdateParams")
def update(account: Account, call: Call) -> Body:
    """Change a coupon's name and metadata; nothing else may change."""
    coupon = account.require("coupon", call.id, param="coupon!")
    if "currency_options" in call.params:
        raise not_built("coupons in several currencies", "currency_options")
    fields.not_longer(call.params, "name", 40)
    with account.changing(coupon, "coupon.updated"):
        fields.assign(coupon, call.params, ("name",))
        fields.merge_metadata(coupon, call.params)
    return coupon


@endpoint("DELETE", "/v1/coupons/{id}", "CouponDeleteParams")
def delete(account: Account, call: Call) -> Body:
    """Delete a coupon; discounts it gave stay in force."""
    coupon = account.require("coupon", call.id, param="coupon!")
    account.emit("coupon.deleted", coupon)
    coupon["deleted"] = True
    account.save(coupon)
    return fields.deleted(coupon)


@endpoint("GET", "/v1/coupons", "CouponListParams")
def list_(account: Account, call: Call) -> Body:
    """A page of coupons."""
    return page(account, call, "coupon")
