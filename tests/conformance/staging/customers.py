"""Customers and their cards."""

from __future__ import annotations

from ..cassettes import Body, Exchange
from ..known import chosen, id_of
from ..references import references
from .stage import Stage, makes

_CARDS = {
    "amex": "pm_card_amex",
    "diners": "pm_card_diners",
    "discover": "pm_card_discover",
    "jcb": "pm_card_jcb",
    "mastercard": "pm_card_mastercard",
    "visa": "pm_card_visa",
}


@makes("customer")
def customer(stage: Stage, object_id: str, exchange: Exchange) -> None:
    """A customer at the time it was made, with the default card it had before."""
    shown = stage.known.customer(object_id)
    stage.wait_until(shown.get("created"))
    names = ("email", "name", "phone", "description", "address", "shipping", "balance")
    more = ("metadata", "preferred_locales", "tax_exempt")
    made = stage.make("/v1/customers", chosen(shown, (*names, *more)), object_id)
    if shown.get("invoice_prefix"):
        stage.ids.learn(shown["invoice_prefix"], made["invoice_prefix"])
    card = stage.known.card_of(object_id)
    if card is not None:
        stage.ensure("payment_method", card, exchange)
        default = {"default_payment_method": stage.ids.ours(card)}
        stage.wire.send("POST", f"/v1/customers/{made['id']}", {"invoice_settings": default})


@makes("payment_method")
def payment_method(stage: Stage, object_id: str, exchange: Exchange) -> None:
    """A test card of the same brand, attached to whom it belongs."""
    shown = stage.known.find("payment_method", object_id) or {}
    stage.wait_until(shown.get("created"))
    token = _CARDS.get(stage.known.brand_of(object_id), "pm_card_visa")
    owner = _owner_of(shown, exchange)
    if owner is None:
        stage.make("/v1/payment_methods", {"payment_method": token}, object_id)
        return
    stage.ensure("customer", owner, exchange)
    if not stage.ids.knows(object_id):
        params = {"customer": stage.ids.ours(owner)}
        stage.make(f"/v1/payment_methods/{token}/attach", params, object_id)


def _owner_of(shown: Body, exchange: Exchange) -> str | None:
    """Whose it is: as an answer says, or whom the request is about."""
    named = (object_id for kind, object_id in references(exchange) if kind == "customer")
    return id_of(shown.get("customer")) or next(named, None) or id_of(exchange.body.get("customer"))
