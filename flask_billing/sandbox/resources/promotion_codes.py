"""Promotion codes: what customers type to redeem a coupon."""

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.errors import invalid
from flask_billing.sandbox.ids import new_id, random_text
from flask_billing.sandbox.lists import page
from flask_billing.sandbox.resources import fields
from flask_billing.sandbox.router import Call, endpoint


@endpoint("POST", "/v1/promotion_codes", "PromotionCodeCreateParams")
def create(account: Account, call: Call) -> Body:
    """Create a code for a coupon; codes of active promotions are unique."""
    params = call.params
    coupon = account.require("coupon", params["promotion"].get("coupon"), param="promotion[coupon]")
    code = params.get("code") or random_text(8).upper()
    if any(twin["active"] for twin in account.find("promotion_code", parent=code)):
        raise invalid(f"An active promotion code with `code: {code}` already exists.", "code")
    restrictions = params.get("restrictions") or {}
    promotion_code = account.add(
        {
            "id": new_id("promo"),
            "object": "promotion_code",
            "active": params.get("active", True),
            "code": code,
            "created": account.now,
            "customer": params.get("customer"),
            "customer_account": None,
            "expires_at": params.get("expires_at"),
            "livemode": False,
            "max_redemptions": params.get("max_redemptions"),
            "metadata": fields.new_metadata(params),
            "promotion": {"coupon": coupon["id"], "type": "coupon"},
            "restrictions": {
                "first_time_transaction": restrictions.get("first_time_transaction", False),
                "minimum_amount": restrictions.get("minimum_amount"),
                "minimum_amount_currency": restrictions.get("minimum_amount_currency"),
            },
            "times_redeemed": 0,
        }
    )
    account.emit("promotion_code.created", promotion_code)
    return promotion_code


@endpoint("GET", "/v1/promotion_codes/{id}")
def retrieve(account: Account, call: Call) -> Body:
    """One code."""
    return account.require("promotion_code", call.id, label="promotion code")


@endpoint("POST", "/v1/promotion_codes/{id}", "PromotionCodeUpdateParams")
def update(account: Account, call: Call) -> Body:
    """Switch a code on or off."""
    code = account.require("promotion_code", call.id, label="promotion code")
    with account.changing(code, "promotion_code.updated"):
        fields.assign(code, call.params, ("active",))
        fields.merge_metadata(code, call.params)
    return code


@endpoint("GET", "/v1/promotion_codes", "PromotionCodeListParams")
def list_(account: Account, call: Call) -> Body:
    """A page of codes, by code, coupon, activity, customer."""
    params = call.params
    where = [("$.active", params["active"])] if "active" in params else []
    if params.get("coupon"):
        where.append(("$.promotion.coupon", params["coupon"]))
    return page(
        account,
        call,
        "promotion_code",
        parent=params.get("code"),
        customer=params.get("customer"),
        where=where,
    )
