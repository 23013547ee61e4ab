"""What the recorded account held before a cassette began, made in the sandbox.

A request may name a price, a coupon, a customer or an invoice that no earlier answer of the
cassette created. What any answer shows of it is enough to make the like of it here.
"""

from __future__ import annotations

import collections.abc as c
import typing as t
from datetime import UTC, datetime

from flask_billing.sandbox import Sandbox

from .cassettes import Body, Exchange
from .guesses import coupon_behind, price_behind
from .ids import Ids
from .known import Known, chosen
from .references import references
from .wire import Wire

#: Seconds after which a recorder's clock is not believed: tests travel in time, Stripe does not.
_TRAVELLED = 3_600

_CARDS = {
    "amex": "pm_card_amex",
    "diners": "pm_card_diners",
    "discover": "pm_card_discover",
    "jcb": "pm_card_jcb",
    "mastercard": "pm_card_mastercard",
    "visa": "pm_card_visa",
}


class NotStagedError(Exception):
    """The sandbox refused to make what a request needs."""


class Stage:
    """Makes what is missing, and remembers which of our ids stands for which."""

    def __init__(self, sandbox: Sandbox, wire: Wire, ids: Ids, known: Known) -> None:
        self._sandbox = sandbox
        self._wire = wire
        self._ids = ids
        self._known = known

    def prepare(self, exchange: Exchange) -> None:
        """Make what this request names and nothing made so far."""
        for kind, object_id in references(exchange):
            self.ensure(kind, object_id, exchange)
        if exchange.params.get("pending_invoice_items_behavior") == "include":
            self._make_invoice_items(exchange.body, exchange)

    def ensure(self, kind: str, object_id: str, exchange: Exchange) -> None:
        """Make one object unless it is here, or the recorded account had none either."""
        if self._ids.knows(object_id) or object_id.startswith(("pm_card_", "tok_")):
            return
        if exchange.status >= 400 and self._was_refused(object_id, exchange):
            return
        maker: c.Callable[[str, Exchange], None] | None = getattr(self, f"_make_{kind}", None)
        if maker is not None:
            maker(object_id, exchange)

    @staticmethod
    def _was_refused(object_id: str, exchange: Exchange) -> bool:
        message = (exchange.body.get("error") or {}).get("message") or ""
        return f"'{object_id}'" in message

    def _make(self, path: str, params: Body, object_id: str) -> Body:
        status, body = self._wire.send("POST", path, params)
        if status != 200:
            raise NotStagedError(f"{object_id}: {body['error']['message']}")
        self._ids.learn(object_id, body["id"])
        return body

    def wait_until(self, moment: int | None) -> None:
        """Let the sandbox's clock go on to a moment; one that is past changes nothing."""
        if moment is not None and moment > self._sandbox.clock.now().timestamp():
            self._sandbox.clock.advance(to=datetime.fromtimestamp(moment, UTC))

    def follow(self, told: int | None, recorded_at: datetime) -> None:
        """Go to the moment an answer tells, else to the recorder's, unless that is far off."""
        if told is None:
            told = int(recorded_at.timestamp())
            if told - self._sandbox.clock.now().timestamp() > _TRAVELLED:
                return
        self.wait_until(told)

    # catalog

    def _make_product(self, object_id: str, exchange: Exchange) -> None:
        shown = self._known.product(object_id)
        names = ("name", "unit_label", "description", "metadata", "tax_code", "url", "active")
        self._make("/v1/products", {"id": object_id, **chosen(shown, names)}, object_id)

    def _make_price(self, object_id: str, exchange: Exchange) -> None:
        shown = self._known.price(object_id) or price_behind(exchange)
        product = shown.get("product") or f"prod_of_{object_id}"
        product = product["id"] if isinstance(product, dict) else product
        self.ensure("product", product, exchange)
        params = chosen(
            shown,
            ("currency", "nickname", "lookup_key", "tax_behavior", "metadata", "billing_scheme"),
        )
        if shown.get("recurring"):
            params["recurring"] = {
                name: value for name, value in shown["recurring"].items() if value is not None
            }
        params["unit_amount_decimal"] = shown["unit_amount_decimal"]
        params["product"] = self._ids.ours(product)
        self._make("/v1/prices", params, object_id)

    def _make_coupon(self, object_id: str, exchange: Exchange) -> None:
        shown = self._known.find("coupon", object_id) or coupon_behind(exchange)
        names = ("percent_off", "amount_off", "currency", "duration", "duration_in_months")
        more = ("name", "max_redemptions", "redeem_by", "metadata")
        params = {"id": object_id, **chosen(shown, (*names, *more))}
        self._make("/v1/coupons", params, object_id)

    def _make_promotion_code(self, object_id: str, exchange: Exchange) -> None:
        shown = self._known.find("promotion_code", object_id) or {}
        coupon = (shown.get("promotion") or {}).get("coupon") or f"coupon_of_{object_id}"
        coupon = coupon["id"] if isinstance(coupon, dict) else coupon
        self.ensure("coupon", coupon, exchange)
        promotion = {"type": "coupon", "coupon": self._ids.ours(coupon)}
        params = {"promotion": promotion, **chosen(shown, ("code", "max_redemptions", "metadata"))}
        self._make("/v1/promotion_codes", params, object_id)

    # people and their cards

    def _make_customer(self, object_id: str, exchange: Exchange) -> None:
        shown = self._known.customer(object_id)
        self.wait_until(shown.get("created"))
        names = ("email", "name", "phone", "description", "address", "shipping", "balance")
        more = ("metadata", "preferred_locales", "tax_exempt")
        made = self._make("/v1/customers", chosen(shown, (*names, *more)), object_id)
        if shown.get("invoice_prefix"):
            self._ids.learn(shown["invoice_prefix"], made["invoice_prefix"])
        card = self._known.card_of(object_id)
        if card is not None:
            self.ensure("payment_method", card, exchange)
            default = {"default_payment_method": self._ids.ours(card)}
            self._wire.send("POST", f"/v1/customers/{made['id']}", {"invoice_settings": default})

    def _make_payment_method(self, object_id: str, exchange: Exchange) -> None:
        shown = self._known.find("payment_method", object_id) or {}
        self.wait_until(shown.get("created"))
        token = _CARDS.get(self._known.brand_of(object_id), "pm_card_visa")
        customer = self._customer_of(shown, exchange)
        if customer is None:
            self._make("/v1/payment_methods", {"payment_method": token}, object_id)
            return
        self.ensure("customer", customer, exchange)
        params = {"customer": self._ids.ours(customer)}
        self._make(f"/v1/payment_methods/{token}/attach", params, object_id)

    @staticmethod
    def _customer_of(shown: Body, exchange: Exchange) -> str | None:
        """Whose it is: as an answer says, or whom the request is about."""
        customer = shown.get("customer")
        if isinstance(customer, dict):
            return t.cast(str, customer["id"])
        named = [object_id for kind, object_id in references(exchange) if kind == "customer"]
        answered = exchange.body.get("customer")
        return (
            customer or next(iter(named), None) or (answered if isinstance(answered, str) else None)
        )

    # what they bought

    def _make_invoice(self, object_id: str, exchange: Exchange) -> None:
        shown = self._known.find("invoice", object_id)
        if shown is None:
            return
        if (shown.get("parent") or {}).get("subscription_details"):
            billed = shown["parent"]["subscription_details"]["subscription"]
            self.ensure("subscription", billed, exchange)
            return
        self.ensure("customer", shown["customer"], exchange)
        self.wait_until(shown["created"])
        self._make_invoice_items(shown, exchange)
        names = ("collection_method", "description", "metadata", "footer", "statement_descriptor")
        params = {
            "customer": self._ids.ours(shown["customer"]),
            "currency": shown["currency"],
            "pending_invoice_items_behavior": "include",
            **chosen(shown, names),
        }
        self._make("/v1/invoices", params, object_id)

    def _make_invoice_items(self, invoice: Body, exchange: Exchange) -> None:
        """The items that waited for an invoice, as its lines show them."""
        for line in (invoice.get("lines") or {"data": []})["data"]:
            item = _invoice_item_of(line)
            if item is None or self._ids.knows(item):
                continue
            self.wait_until(line["period"]["start"])
            params = {
                "customer": self._ids.ours(invoice["customer"]),
                "currency": line["currency"],
                "amount": line["amount"],
                **chosen(line, ("description", "metadata")),
            }
            self._learn_price(line, self._make("/v1/invoiceitems", params, item))

    def _learn_price(self, theirs: Body, ours: Body) -> None:
        for name in ("price", "product"):
            told, made = _priced(theirs).get(name), _priced(ours).get(name)
            if told and made:
                self._ids.learn(told, made)

    def _make_subscription(self, object_id: str, exchange: Exchange) -> None:
        shown = self._known.find("subscription", object_id)
        if shown is None:
            return
        self.ensure("customer", shown["customer"], exchange)
        items = []
        for item in shown["items"]["data"]:
            price, quantity = _before(shown, item)
            self.ensure("price", price, exchange)
            items.append({"price": self._ids.ours(price), "quantity": quantity})
        self.wait_until(shown["created"])
        params: Body = {"customer": self._ids.ours(shown["customer"]), "items": items}
        trial_end = shown.get("trial_end")
        if trial_end and trial_end > self._sandbox.clock.now().timestamp():
            params["trial_end"] = trial_end
        made = self._make("/v1/subscriptions", params, object_id)
        for theirs, ours in zip(shown["items"]["data"], made["items"]["data"], strict=True):
            self._ids.learn(theirs["id"], ours["id"])
        self._learn_payment(object_id, made["latest_invoice"])

    def _learn_payment(self, subscription: str, ours: str | None) -> None:
        """The first invoice of a subscription, its payment intent and its charge."""
        theirs = self._known.first_invoice(subscription)
        if theirs is None or ours is None:
            return
        self._ids.learn(theirs, ours)
        listed = self._wire.send("GET", "/v1/invoice_payments", {"invoice": ours})[1]["data"]
        intent = self._known.intent_of(theirs)
        if not listed or intent is None:
            return
        paid_by = listed[0]["payment"]["payment_intent"]
        self._ids.learn(intent["id"], paid_by)
        made = self._wire.send("GET", f"/v1/payment_intents/{paid_by}", {})[1]
        if isinstance(intent.get("latest_charge"), str) and made["latest_charge"]:
            self._ids.learn(intent["latest_charge"], made["latest_charge"])

    def _make_payment_intent(self, object_id: str, exchange: Exchange) -> None:
        shown = self._known.find("payment_intent", object_id)
        if shown is None:
            return
        subscription = self._known.subscription_of(shown)
        if subscription is not None:
            self.ensure("subscription", subscription, exchange)
            return
        params: Body = chosen(shown, ("amount", "currency", "capture_method", "description"))
        for name, kind in (("customer", "customer"), ("payment_method", "payment_method")):
            if shown.get(name):
                self.ensure(kind, shown[name], exchange)
                params[name] = self._ids.ours(shown[name])
        if shown.get("payment_method"):
            params["confirm"] = True
            params["return_url"] = "https://example.com/"
        self.wait_until(shown["created"])
        made = self._make("/v1/payment_intents", params, object_id)
        if isinstance(shown.get("latest_charge"), str) and made.get("latest_charge"):
            self._ids.learn(shown["latest_charge"], made["latest_charge"])

    def _make_charge(self, object_id: str, exchange: Exchange) -> None:
        shown = self._known.find("charge", object_id) or {}
        intent = shown.get("payment_intent") or exchange.body.get("payment_intent")
        if isinstance(intent, str):
            self.ensure("payment_intent", intent, exchange)


def _invoice_item_of(line: Body) -> str | None:
    details = (line.get("parent") or {}).get("invoice_item_details") or {}
    return t.cast(str | None, details.get("invoice_item"))


def _before(subscription: Body, item: Body) -> tuple[str, int | None]:
    """Price and quantity of an item before the change that an answer shows: what was credited."""
    invoice = subscription.get("latest_invoice")
    for line in (invoice if isinstance(invoice, dict) else {}).get("lines", {}).get("data", []):
        parent = line["parent"].get("subscription_item_details") or {}
        if line["amount"] < 0 and parent.get("subscription_item") == item["id"]:
            return _priced(line)["price"], line["quantity"]
    return item["price"]["id"], item.get("quantity")


def _priced(line: Body) -> dict[str, str]:
    return (line.get("pricing") or {}).get("price_details") or {}
