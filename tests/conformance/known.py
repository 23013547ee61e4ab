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
        for cassette in cassettes:
            for exchange in cassette.exchanges:
                self._read(exchange.body)

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


def _filled(body: Body) -> Body:
    return {name: value for name, value in body.items() if value not in (None, "", [], {})}


def chosen(body: Body, names: t.Iterable[str]) -> Body:
    """The fields of an object that its create parameters take, without the empty ones."""
    return _filled({name: body.get(name) for name in names})
