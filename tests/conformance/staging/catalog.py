"""Products, prices, coupons, promotion codes and tax rates."""

from __future__ import annotations

from ..cassettes import Body, Exchange
from ..known import chosen, id_of
from .guesses import coupon_behind, price_behind
from .stage import Stage, makes


@makes("product")
def product(stage: Stage, object_id: str, exchange: Exchange) -> None:
    """A product under its own id, named as invoice lines name it."""
    shown = stage.known.product(object_id)
    names = ("name", "unit_label", "description", "metadata", "tax_code", "url", "active")
    stage.make("/v1/products", {"id": object_id, **chosen(shown, names)}, object_id)


@makes("price")
def price(stage: Stage, object_id: str, exchange: Exchange) -> None:
    """A price with its product and meter."""
    shown = stage.known.price(object_id) or price_behind(exchange)
    sold = id_of(shown.get("product")) or f"prod_of_{object_id}"
    stage.ensure("product", sold, exchange)
    names = ("currency", "nickname", "lookup_key", "tax_behavior", "metadata", "billing_scheme")
    params = {"product": stage.ids.ours(sold), **chosen(shown, names)}
    if shown.get("recurring"):
        recurring = {name: value for name, value in shown["recurring"].items() if value is not None}
        if recurring.get("meter"):
            stage.ensure("meter", recurring["meter"], exchange)
            recurring["meter"] = stage.ids.ours(recurring["meter"])
        params["recurring"] = recurring
    if shown.get("billing_scheme") == "tiered":
        params["tiers_mode"] = shown["tiers_mode"]
        params["tiers"] = _tiers(shown)
    else:
        params["unit_amount_decimal"] = shown["unit_amount_decimal"]
    stage.make("/v1/prices", params, object_id)


def _tiers(shown: Body) -> list[Body]:
    names = ("flat_amount_decimal", "unit_amount_decimal")
    tiers = shown.get("tiers") or [{"up_to": None, "unit_amount_decimal": "0"}]
    return [{"up_to": tier["up_to"] or "inf", **chosen(tier, names)} for tier in tiers]


@makes("coupon")
def coupon(stage: Stage, object_id: str, exchange: Exchange) -> None:
    """A coupon under its own id."""
    shown = stage.known.find("coupon", object_id) or coupon_behind(exchange)
    names = ("percent_off", "amount_off", "currency", "duration", "duration_in_months")
    more = ("name", "max_redemptions", "redeem_by", "metadata")
    stage.make("/v1/coupons", {"id": object_id, **chosen(shown, (*names, *more))}, object_id)


@makes("promotion_code")
def promotion_code(stage: Stage, object_id: str, exchange: Exchange) -> None:
    """A promotion code with its coupon."""
    shown = stage.known.find("promotion_code", object_id) or {}
    of = id_of((shown.get("promotion") or {}).get("coupon")) or f"coupon_of_{object_id}"
    stage.ensure("coupon", of, exchange)
    promotion = {"type": "coupon", "coupon": stage.ids.ours(of)}
    params = {"promotion": promotion, **chosen(shown, ("code", "max_redemptions", "metadata"))}
    stage.make("/v1/promotion_codes", params, object_id)


@makes("tax_rate")
def tax_rate(stage: Stage, object_id: str, exchange: Exchange) -> None:
    """A tax rate as a subscription or invoice shows it."""
    shown = stage.known.find("tax_rate", object_id) or {"percentage": 0}
    names = ("display_name", "description", "jurisdiction", "country", "state", "tax_type")
    params = {"display_name": "Tax", **chosen(shown, names), "percentage": shown["percentage"]}
    params["inclusive"] = bool(shown.get("inclusive"))
    stage.make("/v1/tax_rates", params, object_id)
