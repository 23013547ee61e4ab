"""Subscriptions and invoices."""

from __future__ import annotations

import typing as t

from ..cassettes import Body, Exchange
from ..known import chosen, id_of
from .stage import Stage, makes, prepares


@makes("subscription")
def subscription(stage: Stage, object_id: str, exchange: Exchange) -> None:
    """A subscription as it was before the change that an answer shows."""
    shown = stage.known.find("subscription", object_id)
    if shown is not None:
        _subscribe(stage, shown, exchange)


@makes("subscription_item")
def subscription_item(stage: Stage, object_id: str, exchange: Exchange) -> None:
    """The subscription around an item, or one like it if only the item is shown."""
    around = stage.known.subscription_with(object_id)
    item = stage.known.find("subscription_item", object_id)
    if around is not None:
        _subscribe(stage, around, exchange)
    elif item is not None and stage.customer is not None:
        shown = {"id": item["subscription"], "customer": stage.customer}
        shown.update(created=item["created"], items={"data": [item]})
        _subscribe(stage, shown, exchange)


def _subscribe(stage: Stage, shown: Body, exchange: Exchange) -> None:
    owner = str(id_of(shown["customer"]))
    stage.ensure("customer", owner, exchange)
    items = []
    for item in shown["items"]["data"]:
        price, quantity = _before(shown, item)
        stage.ensure("price", price, exchange)
        items.append({"price": stage.ids.ours(price), "quantity": quantity})
    stage.wait_until(shown["created"])
    params: Body = {"customer": stage.ids.ours(owner), "items": items}
    if (shown.get("trial_end") or 0) > stage.now:
        params["trial_end"] = shown["trial_end"]
    made = stage.make("/v1/subscriptions", params, shown["id"])
    for theirs, ours in zip(shown["items"]["data"], made["items"]["data"], strict=True):
        stage.ids.learn(theirs["id"], ours["id"])
    _learn_payment(stage, shown["id"], made["latest_invoice"])


def _before(shown: Body, item: Body) -> tuple[str, int | None]:
    """Price and quantity of an item before the change that an answer shows: what was credited."""
    invoice = shown.get("latest_invoice")
    for line in (invoice if isinstance(invoice, dict) else {}).get("lines", {}).get("data", []):
        parent = line["parent"].get("subscription_item_details") or {}
        if line["amount"] < 0 and parent.get("subscription_item") == item["id"]:
            return _priced(line)["price"], line["quantity"]
    return item["price"]["id"], item.get("quantity")


def _learn_payment(stage: Stage, recorded: str, ours: str | None) -> None:
    """The first invoice of a subscription, its payment intent and its charge."""
    theirs = stage.known.first_invoice(recorded)
    if theirs is None or ours is None:
        return
    stage.ids.learn(theirs, ours)
    listed = stage.wire.send("GET", "/v1/invoice_payments", {"invoice": ours})[1]["data"]
    intent = stage.known.intent_of(theirs)
    if not listed or intent is None:
        return
    paid_by = listed[0]["payment"]["payment_intent"]
    stage.ids.learn(intent["id"], paid_by)
    made = stage.wire.send("GET", f"/v1/payment_intents/{paid_by}", {})[1]
    charge = id_of(intent.get("latest_charge"))
    if charge and made["latest_charge"]:
        stage.ids.learn(charge, made["latest_charge"])


@makes("invoice")
def invoice(stage: Stage, object_id: str, exchange: Exchange) -> None:
    """A draft by hand, or the subscription that made the invoice."""
    shown = stage.known.find("invoice", object_id)
    if shown is None:
        return
    if (shown.get("parent") or {}).get("subscription_details"):
        billed = shown["parent"]["subscription_details"]["subscription"]
        stage.ensure("subscription", billed, exchange)
        return
    owner = str(id_of(shown["customer"]))
    stage.ensure("customer", owner, exchange)
    stage.wait_until(shown["created"])
    _make_items(stage, shown)
    names = ("collection_method", "description", "metadata", "footer", "statement_descriptor")
    params = {
        "customer": stage.ids.ours(owner),
        "currency": shown["currency"],
        "pending_invoice_items_behavior": "include",
        **chosen(shown, names),
    }
    if shown["collection_method"] == "send_invoice":
        params["days_until_due"] = 30
    stage.make("/v1/invoices", params, object_id)


@prepares
def waiting_items(stage: Stage, exchange: Exchange) -> None:
    """The items that a new invoice took up."""
    if exchange.params.get("pending_invoice_items_behavior") == "include":
        _make_items(stage, exchange.body)


def _make_items(stage: Stage, shown: Body) -> None:
    for line in (shown.get("lines") or {"data": []})["data"]:
        item = _invoice_item_of(line)
        if item is None or stage.ids.knows(item):
            continue
        stage.wait_until(line["period"]["start"])
        params = {
            "customer": stage.ids.ours(str(id_of(shown["customer"]))),
            "currency": line["currency"],
            "amount": line["amount"],
            **chosen(line, ("description", "metadata")),
        }
        made = stage.make("/v1/invoiceitems", params, item)
        for name in ("price", "product"):
            told, ours = _priced(line).get(name), _priced(made).get(name)
            if told and ours:
                stage.ids.learn(told, ours)


def _invoice_item_of(line: Body) -> str | None:
    details = (line.get("parent") or {}).get("invoice_item_details") or {}
    return t.cast(str | None, details.get("invoice_item"))


def _priced(line: Body) -> dict[str, str]:
    return (line.get("pricing") or {}).get("price_details") or {}
