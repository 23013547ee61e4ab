"""Coupons and promotion codes on a Checkout Session; they are redeemed at completion."""

from __future__ import annotations

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.checkout.amounts import add_up, full_price
from flask_billing.sandbox.engine import discounts, redemption
from flask_billing.sandbox.errors import ApiError, invalid
from flask_billing.sandbox.resources import promotion_codes


def redeem(account: Account, session: Body, entry: Body) -> None:
    """Put a coupon or promotion code on the session; it is redeemed at completion."""
    code = None
    if entry.get("promotion_code"):
        code = account.require(
            "promotion_code",
            entry["promotion_code"],
            param="discounts[0][promotion_code]",
            label="promotion code",
        )
    coupon_id = code["promotion"]["coupon"] if code else entry.get("coupon")
    coupon = account.require("coupon", coupon_id, param="discounts[0][coupon]")
    discounts.check_redeemable(
        account,
        coupon,
        code,
        session["customer"],
        subtotal=full_price(account, session),
        currency=session["currency"],
    )
    session["_"]["discount"] = {"promotion_code": code["id"]} if code else {"coupon": coupon["id"]}
    session["discounts"] = [
        {"coupon": None if code else coupon["id"], "promotion_code": code["id"] if code else None}
    ]
    session["_"]["coupon"] = coupon["id"]


def enter_code(account: Account, session: Body, text: str) -> None:
    """What a person types into the promotion code field."""
    if not session["allow_promotion_codes"]:
        raise invalid("This session takes no promotion codes.")
    found = [
        code
        for code in promotion_codes.find(account, text)
        if redemption.is_active(account, code) and code["customer"] in {None, session["customer"]}
    ]
    if not found:
        raise invalid("This code is invalid.", "promotion_code")
    try:
        redeem(account, session, {"promotion_code": found[0]["id"]})
    except ApiError:
        raise invalid("This code is invalid or has expired.", "promotion_code") from None
    add_up(account, session)
    account.save(session)


def remove_code(account: Account, session: Body) -> None:
    """Take the promotion code off again."""
    if session["allow_promotion_codes"] and session["discounts"]:
        session["discounts"] = []
        session["_"].update(discount=None, coupon=None)
        add_up(account, session)
        account.save(session)
