"""Coupons and promotion codes redeemed as discounts, and what they take off an invoice."""

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.engine import redemption
from flask_billing.sandbox.engine.periods import boundary
from flask_billing.sandbox.errors import invalid
from flask_billing.sandbox.ids import new_id
from flask_billing.sandbox.inferred import discount_rounded


def redeem(
    account: Account,
    entries: list[Body],
    *,
    customer: str,
    subscription: str | None = None,
    keep: Sequence[str] = (),
    checkout_session: str | None = None,
    param: str = "discounts",
    subtotal: int | None = None,
    currency: str | None = None,
) -> list[str]:
    """Turn ``[{coupon|promotion_code|discount}]`` into discount ids, redeeming what is new.

    ``keep`` are the discounts already in force, which ``{discount: ...}`` may name. ``subtotal``
    and ``currency`` are of what is bought with them, where that is known.
    """
    ids = []
    for index, entry in enumerate(entries):
        where = f"{param}[{index}]"
        if kept := entry.get("discount"):
            if kept not in keep:
                raise invalid(
                    f"No such discount: '{kept}'", f"{where}[discount]", "resource_missing"
                )
            ids.append(kept)
            continue
        code = None
        if entry.get("promotion_code"):
            code = account.require(
                "promotion_code",
                entry["promotion_code"],
                param=f"{where}[promotion_code]",
                label="promotion code",
            )
            coupon_id = code["promotion"]["coupon"]
        elif entry.get("coupon"):
            coupon_id = entry["coupon"]
        else:
            continue
        coupon = account.require("coupon", coupon_id, param=f"{where}[coupon]")
        check_redeemable(account, coupon, code, customer, subtotal=subtotal, currency=currency)
        ids.append(_start(account, coupon, code, customer, subscription, checkout_session)["id"])
    return ids


def check_redeemable(
    account: Account,
    coupon: Body,
    code: Body | None,
    customer: str | None,
    *,
    subtotal: int | None = None,
    currency: str | None = None,
) -> None:
    """Refuse a coupon or code that is used up, expired or meant for something else."""
    if not redemption.is_open(account, coupon):
        raise invalid(f"Coupon expired: {coupon['id']}", "coupon", "coupon_expired")
    if coupon["amount_off"] and currency and coupon["currency"] != currency:
        raise invalid(
            f"The coupon {coupon['id']} takes off {coupon['currency']}, and this is in {currency}.",
            "coupon",
        )
    if code is None:
        return
    if not redemption.is_active(account, code):
        raise invalid(
            "This promotion code cannot be redeemed because it is expired or inactive.",
            "promotion_code",
            "promotion_code_expired",
        )
    redemption.check_restrictions(account, code, customer, subtotal)


def _start(
    account: Account,
    coupon: Body,
    code: Body | None,
    customer: str,
    subscription: str | None,
    checkout_session: str | None,
) -> Body:
    end = None
    if coupon["duration"] == "repeating":
        end = boundary(account.now, "month", coupon["duration_in_months"], 1)
    discount = account.add(
        {
            "id": new_id("di"),
            "object": "discount",
            "checkout_session": checkout_session,
            "customer": customer,
            "end": end,
            "invoice": None,
            "invoice_item": None,
            "promotion_code": code["id"] if code else None,
            "source": {"coupon": coupon["id"], "type": "coupon"},
            "start": account.now,
            "subscription": subscription,
            "subscription_item": None,
        }
    )
    redemption.count(account, coupon, code)
    return discount


def announce(account: Account, before: Sequence[str], after: Sequence[str]) -> None:
    """Emit what came and what went between two lists of discounts."""
    for event, ids, others in (("deleted", before, after), ("created", after, before)):
        for object_id in ids:
            discount = account.anything(object_id)
            if object_id not in others and discount is not None:
                account.emit(f"customer.discount.{event}", discount)


def coupon_of(account: Account, discount_id: str) -> Body:
    """The coupon a discount came from."""
    discount = account.anything(discount_id)
    assert discount is not None
    coupon = account.anything(discount["source"]["coupon"])
    assert coupon is not None
    return coupon


def in_force(account: Account, discount_ids: list[str], at: int) -> list[str]:
    """The discounts that still apply to an invoice created at a time."""
    found = []
    for object_id in discount_ids:
        discount = account.anything(object_id)
        if discount and (discount["end"] is None or discount["end"] > at):
            found.append(object_id)
    return found


def spent(account: Account, discount_ids: list[str]) -> list[str]:
    """The discounts that remain on a subscription after an invoice used them."""
    return [
        object_id
        for object_id in discount_ids
        if coupon_of(account, object_id)["duration"] != "once"
    ]


def net_share(account: Account, discount_ids: list[str]) -> Fraction:
    """The factor percentage discounts leave of a price, for prorations that include them."""
    factor = Fraction(1)
    for object_id in in_force(account, discount_ids, account.now):
        percent = coupon_of(account, object_id).get("percent_off")
        if percent:
            factor *= 1 - Fraction(Decimal(str(percent))) / 100
    return factor


def apply(account: Account, lines: list[Body], discount_ids: list[str]) -> list[Body]:
    """Write the discounts' share onto each line; the totals by discount."""
    totals = []
    for line in lines:
        line["discount_amounts"] = []
        line["pretax_credit_amounts"] = []
    for object_id in discount_ids:
        coupon = coupon_of(account, object_id)
        eligible = [line for line in lines if line["discountable"] and _applies(coupon, line)]
        parts = shares(coupon, [_left(line) for line in eligible])
        for line, amount in zip(eligible, parts, strict=True):
            line["discount_amounts"].append({"amount": amount, "discount": object_id})
            line["pretax_credit_amounts"].append(
                {"amount": amount, "discount": object_id, "type": "discount"}
            )
        totals.append({"amount": sum(parts), "discount": object_id})
    return totals


def _applies(coupon: Body, line: Body) -> bool:
    details: Any = (line.get("pricing") or {}).get("price_details") or {}
    return covers(coupon, details.get("product"))


def covers(coupon: Body, product: str | None) -> bool:
    """Is the coupon for this product? One that names none is for all."""
    products = (coupon.get("_") or {}).get("products")
    return not products or product in products


def _left(line: Body) -> int:
    taken = sum(entry["amount"] for entry in line["discount_amounts"])
    return int(max(line["amount"] - taken, 0))


def shares(coupon: Body, amounts: list[int]) -> list[int]:
    """What a coupon takes off each amount; a fixed sum is split, the rest on the last with room."""
    if coupon["percent_off"] is not None:
        percent = Fraction(Decimal(str(coupon["percent_off"]))) / 100
        return [discount_rounded(percent * amount) for amount in amounts]
    whole = sum(amounts)
    off = min(coupon["amount_off"], whole)
    if whole == 0:
        return [0] * len(amounts)
    parts = [off * amount // whole for amount in amounts]
    rest = off - sum(parts)
    for index in reversed(range(len(parts))):
        more = min(rest, amounts[index] - parts[index])
        parts[index] += more
        rest -= more
    return parts
