"""What a request names: prices, customers, invoices, by their recorded ids."""

from __future__ import annotations

import collections.abc as c
import itertools
import typing as t

from .cassettes import Exchange, objects_in
from .known import Known

_KINDS = {
    "price": "price",
    "plan": "price",
    "product": "product",
    "coupon": "coupon",
    "promotion_code": "promotion_code",
    "customer": "customer",
    "default_payment_method": "payment_method",
    "payment_method": "payment_method",
    "invoice": "invoice",
    "subscription": "subscription",
    "payment_intent": "payment_intent",
    "charge": "charge",
    "setup_intent": "setup_intent",
    "default_tax_rates": "tax_rate",
    "tax_rates": "tax_rate",
    "meter": "meter",
}
_NOUNS = {
    "prices": "price",
    "plans": "price",
    "products": "product",
    "coupons": "coupon",
    "promotion_codes": "promotion_code",
    "customers": "customer",
    "payment_methods": "payment_method",
    "invoices": "invoice",
    "subscriptions": "subscription",
    "payment_intents": "payment_intent",
    "charges": "charge",
    "setup_intents": "setup_intent",
    "sessions": "checkout_session",
    "subscription_items": "subscription_item",
    "tax_rates": "tax_rate",
    "meters": "meter",
}
_CATALOG = {"price", "product", "coupon", "promotion_code", "tax_rate"}


def references(exchange: Exchange) -> c.Iterator[tuple[str, str]]:
    """The kind and id of what a request names, in its path and parameters."""
    parts = exchange.path.strip("/").split("/")
    for noun, part in itertools.pairwise(parts):
        if noun in _NOUNS and part not in {"search", "create_preview"}:
            yield _NOUNS[noun], part
    yield from _named(exchange.params, "")


def _named(node: t.Any, key: str) -> c.Iterator[tuple[str, str]]:
    if isinstance(node, dict):
        for name, value in node.items():
            yield from _named(value, name)
    elif isinstance(node, list):
        for value in node:
            yield from _named(value, key)
    elif isinstance(node, str) and node and key in _KINDS:
        yield _KINDS[key], node


def catalog_of(
    exchanges: c.Iterable[Exchange], known: Known, before: int
) -> list[tuple[int, str, str]]:
    """What of the catalog a cassette names or shows, made ``before`` it began: the oldest first."""
    found: dict[tuple[str, str], int] = {}
    for exchange in exchanges:
        for kind, object_id in (*references(exchange), *_shown(exchange)):
            shown = known.price(object_id) if kind == "price" else known.find(kind, object_id)
            if kind in _CATALOG and shown is not None and shown.get("created", 0) < before:
                found.setdefault((kind, object_id), shown.get("created") or 0)
    return sorted((created, kind, object_id) for (kind, object_id), created in found.items())


def _shown(exchange: Exchange) -> c.Iterator[tuple[str, str]]:
    for found in objects_in(exchange.body):
        if found["object"] in _CATALOG and not found.get("deleted"):
            yield found["object"], found["id"]
