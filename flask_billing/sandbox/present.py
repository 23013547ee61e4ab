"""Stored objects as the API shows them: references filled in, the sandbox's own notes left out."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from flask_billing.sandbox.body import Body

if TYPE_CHECKING:
    from flask_billing.sandbox.account import Account

Presenter = Callable[["Account", Body], Body]
_PRESENTERS: dict[str, Presenter] = {}

_PARENTS = {
    "checkout.session": "subscription",
    "price": "product",
    "invoice_payment": "invoice",
    "invoiceitem": "subscription",
    "charge": "payment_intent",
    "refund": "charge",
    "dispute": "charge",
    "credit_note": "invoice",
    "promotion_code": "code",
    "event": "type",
    "subscription_item": "subscription",
    "billing.meter_event": "event_name",
}


def presents(kind: str) -> Callable[[Presenter], Presenter]:
    """Register how a kind of object is shown."""

    def register(presenter: Presenter) -> Presenter:
        _PRESENTERS[kind] = presenter
        return presenter

    return register


def shown(account: Account, body: Body) -> Body:
    """A shallow copy of the object as the API shows it, without the private ``_`` notes."""
    visible = body.copy()
    visible.pop("_", None)
    presenter = _PRESENTERS.get(body["object"])
    return presenter(account, visible) if presenter else visible


def parent_of(body: Body) -> str | None:
    """The object this one belongs to, for the store's index."""
    if body["object"] == "invoice":
        parent = body.get("parent")
        if parent and parent.get("subscription_details"):
            subscription: str = parent["subscription_details"]["subscription"]
            return subscription
        return None
    name = _PARENTS.get(body["object"])
    value = body.get(name) if name else None
    return value if isinstance(value, str) else None
