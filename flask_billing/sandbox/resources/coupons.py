"""Coupons."""

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.engine import discounts
from flask_billing.sandbox.errors import invalid, missing_param
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
    percent, amount = params.get("percent_off"), params.get("amount_off")
    if (percent in (None, "")) == (amount in (None, "")):
        raise invalid("Please specify either `amount_off` or `percent_off`.", "percent_off")
    if percent is not None and not 0 < percent <= 100:
        raise invalid("Percent_off must be greater than 0 and at most 100.", "percent_off")
    if amount and not params.get("currency"):
        raise missing_param("currency")
    duration = params.get("duration", "once")
    if duration == "repeating" and not params.get("duration_in_months"):
        raise missing_param("duration_in_months")
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
            "currency": params.get("currency") if amount else None,
            "duration": duration,
            "duration_in_months": params.get("duration_in_months"),
            "livemode": False,
            "max_redemptions": params.get("max_redemptions"),
            "metadata": fields.new_metadata(params),
            "name": params.get("name"),
            "percent_off": percent or None,
            "redeem_by": params.get("redeem_by"),
            "times_redeemed": 0,
            "_": {"products": (params.get("applies_to") or {}).get("products")},
        }
    )
    account.emit("coupon.created", coupon)
    return coupon


@presents("coupon")
def _shown(account: Account, coupon: Body) -> Body:
    coupon["valid"] = not coupon.get("deleted") and discounts.is_valid(account, coupon)
    return coupon


@on_request("coupon", "applies_to")
def _applies_to(account: Account, coupon: Body) -> Body | None:
    stored = account.anything(coupon["id"]) or {}
    products = stored.get("_", {}).get("products")
    return {"products": products} if products else None


@endpoint("GET", "/v1/coupons/{id}")
def retrieve(account: Account, call: Call) -> Body:
    """One coupon."""
    return account.require("coupon", call.id, param="coupon!")


@endpoint("POST", "/v1/coupons/{id}", "CouponUpdateParams")
def update(account: Account, call: Call) -> Body:
    """Change a coupon's name and metadata; nothing else may change."""
    coupon = account.require("coupon", call.id, param="coupon!")
    with account.changing(coupon, "coupon.updated"):
        fields.assign(coupon, call.params, ("name",))
        fields.merge_metadata(coupon, call.params)
    return coupon


@endpoint("DELETE", "/v1/coupons/{id}")
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
