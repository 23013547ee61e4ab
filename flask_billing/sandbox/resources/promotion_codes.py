"""Promotion codes: what customers type to redeem a coupon."""

import re

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.engine import redemption
from flask_billing.sandbox.errors import invalid, missing_param, not_built
from flask_billing.sandbox.ids import new_id, random_text
from flask_billing.sandbox.lists import page, page_of
from flask_billing.sandbox.present import presents
from flask_billing.sandbox.resources import fields
from flask_billing.sandbox.router import Call, endpoint

_WRITTEN = re.compile(r"[A-Za-z0-9-]+")


@endpoint("POST", "/v1/promotion_codes", "PromotionCodeCreateParams")
def create(account: Account, call: Call) -> Body:
    """Create a code for a coupon; codes of active promotions are unique."""
    params = call.params
    coupon_id = params["promotion"].get("coupon")
    if coupon_id is None:
        raise missing_param("promotion[coupon]")

    coupon = account.require("coupon", coupon_id, param="promotion[coupon]")
    if params.get("customer"):
        account.require("customer", params["customer"], param="customer")

    own = redemption.limits(account, "promotion_code", params)
    _check_coupon(account, coupon, own)
    code = params.get("code") or random_text(8).upper()
    _check_code(account, code, params.get("customer"))
    promotion_code = account.add(
        {
            "id": new_id("promo"),
            "object": "promotion_code",
            "active": params.get("active", True),
            "code": code,
            "created": account.now,
            "customer": params.get("customer"),
            "customer_account": None,
            "livemode": False,
            "metadata": fields.new_metadata(params),
            "promotion": {"coupon": coupon["id"], "type": "coupon"},
            "restrictions": _restrictions(params.get("restrictions") or {}),
            **own,
            "_": {"folded": code.lower()},
        }
    )
    account.emit("promotion_code.created", promotion_code)
    return promotion_code


def _check_coupon(account: Account, coupon: Body, own: Body) -> None:
    if not redemption.is_open(account, coupon):
        raise invalid(f"Coupon expired: {coupon['id']}", "promotion[coupon]", "coupon_expired")

    for name, limit in (("expires_at", "redeem_by"), ("max_redemptions", "max_redemptions")):
        if own[name] is not None and coupon[limit] is not None and own[name] > coupon[limit]:
            raise invalid(
                f"`{name}` of a promotion code cannot exceed `{limit}` of its coupon.", name
            )


def _check_code(account: Account, code: str, customer: str | None) -> None:
    fields.not_longer({"code": code}, "code", 500)
    if not _WRITTEN.fullmatch(code):
        raise invalid("Promotion codes may only contain letters, digits and dashes.", "code")

    for twin in find(account, code):
        if twin["customer"] in {None, customer} and redemption.is_active(account, twin):
            raise invalid(f"An active promotion code with `code: {code}` already exists.", "code")


def find(account: Account, code: str) -> list[Body]:
    """The promotion codes that are written like this, in capitals or not."""
    return account.find("promotion_code", where=[("$._.folded", code.strip().lower())])


def _restrictions(asked: Body) -> Body:
    if "currency_options" in asked:
        raise not_built("minimum amounts in several currencies", "restrictions[currency_options]")

    least, currency = asked.get("minimum_amount"), asked.get("minimum_amount_currency")
    fields.at_least(asked, "minimum_amount", 1, inside="restrictions")

    if least is not None and currency is None:
        raise missing_param("restrictions[minimum_amount_currency]")
    if currency is not None and least is None:
        raise missing_param("restrictions[minimum_amount]")

    return {
        "first_time_transaction": asked.get("first_time_transaction", False),
        "minimum_amount": least,
        "minimum_amount_currency": currency,
    }


@presents("promotion_code")
def _shown(account: Account, code: Body) -> Body:
    code["active"] = redemption.is_active(account, code)
    return code


@endpoint("GET", "/v1/promotion_codes/{id}", "PromotionCodeRetrieveParams")
def retrieve(account: Account, call: Call) -> Body:
    """One code."""
    return _require(account, call.id)


def _require(account: Account, object_id: str) -> Body:
    return account.require("promotion_code", object_id, label="promotion code")


@endpoint("POST", "/v1/promotion_codes/{id}", "PromotionCodeUpdateParams")
def update(account: Account, call: Call) -> Body:
    """Switch a code on or off."""
    code = _require(account, call.id)
    if "restrictions" in call.params:
        raise not_built("minimum amounts in several currencies", "restrictions")

    with account.changing(code, "promotion_code.updated"):
        fields.assign(code, call.params, ("active",))
        fields.merge_metadata(code, call.params)
        if call.params.get("active") and not redemption.is_active(account, code):
            raise invalid(
                "This promotion code cannot be activated because it or its coupon is expired or "
                "used up.",
                "active",
            )
    return code


@endpoint("GET", "/v1/promotion_codes", "PromotionCodeListParams")
def list_(account: Account, call: Call) -> Body:
    """A page of codes, by code, coupon, activity, customer."""
    params = call.params
    where = [("$._.folded", params["code"].lower())] if "code" in params else []
    if params.get("coupon"):
        where.append(("$.promotion.coupon", params["coupon"]))
    if "active" not in params:
        return page(account, call, "promotion_code", customer=params.get("customer"), where=where)

    found = account.find(
        "promotion_code", customer=params.get("customer"), where=where, newest_first=True
    )
    shown = [account.show(code) for code in found]
    return page_of(call, [code for code in shown if code["active"] is params["active"]])
