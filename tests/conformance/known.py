"""What recordings tell about the objects in them: each at its most detailed."""

from __future__ import annotations

import collections.abc as c
import re
import typing as t

from .cassettes import Body, Cassette, objects_in

_LINE = re.compile(
    r"^(?:Free trial for )?(?:(?P<quantity>\d+) (?:(?P<unit>\S+) )?× )?"
    r"(?P<name>.+?)(?: \(at .+\)| after \d+ \w+ \d{4})?$"
)
_PRORATION = re.compile(r"^(?:Unused|Remaining) time on (?:\d+ (?:\S+ )?× )?")


class Known:
    """Objects by their recorded id: those of this cassette first, then of its neighbours."""

    def __init__(self, cassettes: c.Iterable[Cassette]) -> None:
        self._objects: dict[tuple[str, str], Body] = {}
        self._products: dict[str, Body] = {}
        self._once: dict[str, Body] = {}
        self._made: set[str] = set()
        for cassette in cassettes:
            for exchange in cassette.exchanges:
                self._read(exchange.body)
                if exchange.method == "POST" and exchange.body.get("id", "/") not in exchange.path:
                    self._made.add(exchange.body["id"])

    def _read(self, body: Body) -> None:
        for found in objects_in(body):
            if "id" in found and not found.get("deleted"):
                self._objects.setdefault((found["object"], found["id"]), found)
            if found["object"] in {"line_item", "invoiceitem"}:
                self._read_line(found)

    def _read_line(self, line: Body) -> None:
        details = (line.get("pricing") or {}).get("price_details") or {}
        product, price = details.get("product"), details.get("price")
        text = line.get("description") or ""
        match = _LINE.match(_PRORATION.sub("", text))
        if not isinstance(product, str) or match is None:
            return
        known = self._products.setdefault(product, {})
        known.setdefault("name", match["name"])
        if match["unit"]:
            known.setdefault("unit_label", match["unit"])
        exact = line["pricing"].get("unit_amount_decimal")
        if exact is not None and isinstance(price, str):
            self._once.setdefault(
                price,
                {"product": product, "currency": line["currency"], "unit_amount_decimal": exact},
            )

    def find(self, kind: str, object_id: str) -> Body | None:
        """An object as an answer showed it."""
        return self._objects.get((kind, object_id))

    def product(self, object_id: str) -> Body:
        """What is known of a product: at least a name."""
        shown = self.find("product", object_id) or {}
        return {"name": "Product", **self._products.get(object_id, {}), **_filled(shown)}

    def price(self, object_id: str) -> Body | None:
        """A price as an item or an invoice line shows it."""
        return self.find("price", object_id) or self._once.get(object_id)

    def card_of(self, customer: str) -> str | None:
        """A customer's default card, if it had one when an answer first told of it."""
        shown = self.find("customer", customer)
        if shown is not None:
            default = (shown.get("invoice_settings") or {}).get("default_payment_method")
            cards = [id_of(default)]
        else:
            cards = [id_of(one["payment_method"]) for one in self._of(customer, "charge")]
        return next((card for card in cards if card and card not in self._made), None)

    def customer(self, object_id: str) -> Body:
        """A customer as an answer showed it, or as its invoices name it."""
        shown = self.find("customer", object_id)
        if shown is not None:
            return shown
        for invoice in self._of(object_id, "invoice"):
            names = ("address", "email", "name", "phone", "shipping", "tax_exempt")
            return {name: invoice.get(f"customer_{name}") for name in names}
        for session in self._of(object_id, "checkout.session"):
            return dict(session.get("customer_details") or {})
        return {}

    def brand_of(self, method: str) -> str:
        """The brand of a card, as it or what it paid shows it."""
        shown = self.find("payment_method", method) or {}
        for (kind, _), body in self._objects.items():
            if kind == "charge" and body["payment_method"] == method:
                shown = shown or body["payment_method_details"]
        return str((shown.get("card") or {"brand": "visa"})["brand"])

    def _of(self, customer: str, wanted: str) -> c.Iterator[Body]:
        for (kind, _), body in self._objects.items():
            if kind == wanted and id_of(body.get("customer")) == customer:
                yield body

    def subscription_with(self, item: str) -> Body | None:
        """The subscription around an item."""
        for (kind, _), body in self._objects.items():
            items = body["items"]["data"] if kind == "subscription" else []
            if item in [one["id"] for one in items]:
                return body
        return None

    def first_invoice(self, subscription: str) -> str | None:
        """The invoice a subscription began with."""
        for (kind, object_id), body in self._objects.items():
            told = kind == "invoice" and body["billing_reason"] == "subscription_create"
            if told and body["parent"]["subscription_details"]["subscription"] == subscription:
                return object_id
        return None

    def intent_of(self, invoice: str) -> Body | None:
        """The payment intent that paid an invoice: it names the start of the invoice's id."""
        for (kind, _), body in self._objects.items():
            if kind == "payment_intent" and _ordered(body) and invoice.startswith(_ordered(body)):
                return body
        return None

    def subscription_of(self, intent: Body) -> str | None:
        """The subscription whose first invoice a payment intent paid."""
        for (kind, object_id), body in self._objects.items():
            told = kind == "invoice" and body["billing_reason"] == "subscription_create"
            if told and _ordered(intent) and object_id.startswith(_ordered(intent)):
                return str(body["parent"]["subscription_details"]["subscription"])
        return None


def _ordered(intent: Body) -> str:
    return (intent.get("payment_details") or {}).get("order_reference") or ""


def _filled(body: Body) -> Body:
    return {name: value for name, value in body.items() if value not in (None, "", [], {})}


def id_of(value: t.Any) -> str | None:
    """The id of an object, expanded or not."""
    found: str | None = value["id"] if isinstance(value, dict) else value
    return found


def chosen(body: Body, names: t.Iterable[str]) -> Body:
    """The fields of an object that its create parameters take, without the empty ones."""
    return _filled({name: body.get(name) for name in names})
