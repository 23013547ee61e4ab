"""Objects that no answer shows, guessed from what the answers say of their effect."""

from __future__ import annotations

from ..cassettes import Body, Exchange


def price_behind(exchange: Exchange) -> Body:
    """A price nothing shows, from the total of the session that sells it."""
    body = exchange.body
    lines = exchange.params.get("line_items") or exchange.params.get("items") or [{}]
    quantity = int(lines[0].get("quantity", 1)) if len(lines) == 1 else 1
    total = body.get("amount_subtotal") or body.get("amount_total") or 1000
    is_recurring = body.get("mode") == "subscription" or "/subscriptions" in exchange.path
    return {
        "currency": body.get("currency") or "usd",
        "unit_amount_decimal": str(total // quantity),
        "recurring": {"interval": "month"} if is_recurring else None,
    }


def coupon_behind(exchange: Exchange) -> Body:
    """A coupon nothing shows, from what it took off."""
    body = exchange.body
    invoice = body.get("latest_invoice")
    shown = invoice if isinstance(invoice, dict) else body
    taken = shown.get("total_discount_amounts") or []
    amount = taken[0]["amount"] if taken else 100
    subtotal = shown.get("subtotal") or shown.get("amount_subtotal") or 0
    if subtotal and amount * 100 % subtotal == 0:
        return {"percent_off": amount * 100 // subtotal, "duration": "forever"}
    return {"amount_off": amount, "currency": shown.get("currency", "usd"), "duration": "forever"}
