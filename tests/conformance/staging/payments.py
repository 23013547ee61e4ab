"""Payment intents, charges, setup intents and Checkout Sessions."""

from __future__ import annotations

from ..cassettes import Body, Exchange
from ..known import chosen, id_of
from .guesses import price_behind
from .stage import Stage, makes


@makes("payment_intent")
def payment_intent(stage: Stage, object_id: str, exchange: Exchange) -> None:
    """A payment, or the subscription whose first invoice it paid."""
    shown = stage.known.find("payment_intent", object_id)
    if shown is None:
        return
    billed = stage.known.subscription_of(shown)
    if billed is not None:
        stage.ensure("subscription", billed, exchange)
        return
    names = ("amount", "currency", "capture_method", "description", "metadata", "shipping")
    params = chosen(shown, names)
    params.update(_whose(stage, shown, exchange))
    if "payment_method" in params:
        params.update(confirm=True, return_url="https://example.com/")
    stage.wait_until(shown["created"])
    made = stage.make("/v1/payment_intents", params, object_id)
    charge = id_of(shown.get("latest_charge"))
    if charge and made.get("latest_charge"):
        stage.ids.learn(charge, made["latest_charge"])


@makes("charge")
def charge(stage: Stage, object_id: str, exchange: Exchange) -> None:
    """The payment intent behind a charge."""
    shown = stage.known.find("charge", object_id) or {}
    intent = id_of(shown.get("payment_intent") or exchange.body.get("payment_intent"))
    if intent is not None:
        stage.ensure("payment_intent", intent, exchange)


@makes("setup_intent")
def setup_intent(stage: Stage, object_id: str, exchange: Exchange) -> None:
    """A setup intent, confirmed if it succeeded."""
    shown = stage.known.find("setup_intent", object_id)
    if shown is None:
        return
    params = {**chosen(shown, ("usage", "metadata")), **_whose(stage, shown, exchange)}
    if shown["status"] == "succeeded" and "payment_method" in params:
        params.update(confirm=True, return_url="https://example.com/")
    stage.wait_until(shown["created"])
    stage.make("/v1/setup_intents", params, object_id)


@makes("checkout_session")
def checkout_session(stage: Stage, object_id: str, exchange: Exchange) -> None:
    """An open session, paid if it was complete; over one line with its total."""
    shown = stage.known.find("checkout.session", object_id)
    if shown is None:
        return
    names = ("mode", "success_url", "cancel_url", "client_reference_id", "metadata")
    params = {**chosen(shown, names), **_whose(stage, shown, exchange)}
    if shown["mode"] == "setup":
        params["currency"] = shown.get("currency") or "usd"
    else:
        guess = price_behind(exchange)
        guess["product_data"] = {"name": "Product"}
        params["line_items"] = [{"price_data": guess, "quantity": 1}]
    stage.wait_until(shown["created"])
    made = stage.make("/v1/checkout/sessions", params, object_id)
    if shown["status"] == "complete":
        stage.sandbox.checkout(made["id"]).pay()


def _whose(stage: Stage, shown: Body, exchange: Exchange) -> Body:
    """The customer and payment method something names, made here."""
    params: Body = {}
    for kind in ("customer", "payment_method"):
        named = id_of(shown.get(kind))
        if named is not None:
            stage.ensure(kind, named, exchange)
            params[kind] = stage.ids.ours(named)
    return params
