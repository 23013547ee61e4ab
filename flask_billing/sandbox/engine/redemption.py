"""The limits coupons and promotion codes share: how often and until when they may be redeemed."""

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.errors import ApiError, invalid
from flask_billing.sandbox.resources import fields

#: The name of the last moment of each kind.
UNTIL = {"coupon": "redeem_by", "promotion_code": "expires_at"}


def limits(account: Account, kind: str, params: Body) -> Body:
    """The limits of a new coupon or code, with nothing redeemed yet."""
    fields.at_least(params, "max_redemptions", 1)
    fields.in_the_future(account, params, UNTIL[kind])

    return {
        "max_redemptions": params.get("max_redemptions"),
        UNTIL[kind]: params.get(UNTIL[kind]),
        "times_redeemed": 0,
    }


def is_open(account: Account, body: Body) -> bool:
    """May it be redeemed once more, as far as its own limits say?"""
    until, most = body[UNTIL[body["object"]]], body["max_redemptions"]
    return (until is None or until > account.now) and (
        most is None or body["times_redeemed"] < most
    )


def is_active(account: Account, code: Body) -> bool:
    """Is a promotion code switched on and open, and its coupon too?"""
    coupon = account.get("coupon", code["promotion"]["coupon"])
    return bool(code["active"] and is_open(account, code) and coupon and is_open(account, coupon))


def count(account: Account, *redeemed: Body | None) -> None:
    """Note one more redemption of a coupon and its code."""
    for body in redeemed:
        if body is not None:
            body["times_redeemed"] += 1
            account.save(body)


def check_restrictions(
    account: Account, code: Body, customer: str | None, subtotal: int | None
) -> None:
    """Refuse a code that is not for this customer or not for so small a purchase.

    ``subtotal`` is None where nothing is bought yet.
    """
    if code["customer"] is not None and code["customer"] != customer:
        raise _refused("customer_mismatch", "it is restricted to another customer")

    restrictions = code["restrictions"]

    if restrictions["first_time_transaction"] and customer and _has_bought(account, customer):
        raise _refused("not_first_time", "this customer has prior transactions")

    least = restrictions["minimum_amount"]

    if least is not None and subtotal is not None and subtotal < least:
        raise _refused("minimum_not_met", "the minimum amount is not reached")


def _has_bought(account: Account, customer: str) -> bool:
    paid = account.find("payment_intent", customer=customer, where=[("$.status", "succeeded")])
    invoiced = account.find("invoice", customer=customer)
    return bool(paid) or any(invoice["status"] in {"open", "paid"} for invoice in invoiced)


def _refused(code: str, why: str) -> ApiError:
    return invalid(
        f"This promotion code cannot be redeemed because {why}.",
        "promotion_code",
        f"promotion_code_{code}",
    )
