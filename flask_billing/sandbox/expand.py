"""``expand``: ids in an answer replaced by the objects they name, and fields shown on request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.errors import ApiError, invalid

Field = Callable[[Account, Body], Any]
_ON_REQUEST: dict[tuple[str, str], Field] = {}
_MAX_DEPTH = 4

_REFERENCES = frozenset(
    [
        "charge",
        "coupon",
        "customer",
        "default_payment_method",
        "default_price",
        "default_source",
        "discount",
        "discounts",
        "event",
        "from_invoice",
        "invoice",
        "invoice_item",
        "latest_attempt",
        "latest_charge",
        "latest_invoice",
        "latest_revision",
        "on_behalf_of",
        "payment_intent",
        "payment_link",
        "payment_method",
        "pending_setup_intent",
        "price",
        "plan",
        "product",
        "promotion_code",
        "review",
        "schedule",
        "setup_intent",
        "source",
        "subscription",
        "subscription_item",
        "test_clock",
        "configuration",
        "balance_transaction",
        "account_tax_ids",
        "application",
        "application_fee",
        "failure_balance_transaction",
        "payment_record",
        "source_transfer",
        "tax_code",
        "transfer",
        "default_tax_rates",
        "mandate",
        "single_use_mandate",
        "dispute",
    ]
)

#: Fields that only some objects of the kind have.
_SOMETIMES = frozenset([("charge", "transfer"), ("payment_intent", "payment_record")])


def on_request(kind: str, name: str) -> Callable[[Field], Field]:
    """Register a field that an object of this kind only has when it is expanded."""

    def register(field: Field) -> Field:
        _ON_REQUEST[kind, name] = field
        return field

    return register


def expanded(account: Account, body: Body, paths: list[str]) -> Body:
    """The answer with all these paths expanded, such as ``latest_invoice.payments``."""
    for path in paths:
        parts = path.split(".")
        if len(parts) > _MAX_DEPTH + (parts[0] == "data"):
            raise invalid(
                "You cannot expand more than 4 levels of a property. Property: " + path, "expand"
            )
        if body.get("object") == "list" and parts[0] != "data":
            raise _refused(path, " You may want to try expanding 'data." + path + "'.")
        _walk(account, body, parts, path)
    return body


def _walk(account: Account, node: Any, parts: list[str], path: str) -> None:
    if isinstance(node, list):
        for entry in node:
            _walk(account, entry, parts, path)
        return
    if not isinstance(node, dict):
        return
    name, rest = parts[0], parts[1:]
    field = _ON_REQUEST.get((node.get("object", ""), name))
    if field is not None:
        if not isinstance(node.get(name), dict | list):
            node[name] = field(account, node)
        if rest and node[name] is not None:
            _walk(account, node[name], rest, path)
        return
    if name not in node:
        kind = node.get("object")
        if node.get("deleted") or (kind, name) in _SOMETIMES:
            return
        if name in _REFERENCES and kind is None:
            return
        raise _refused(path)
    value = node[name]
    if isinstance(value, list):
        node[name] = value = [_resolved(account, entry, name, path) for entry in value]
    elif not isinstance(value, dict):
        node[name] = value = _resolved(account, value, name, path)
    elif not rest and "object" not in value:
        raise _refused(path)
    if rest and value is not None:
        _walk(account, value, rest, path)


def _resolved(account: Account, value: Any, name: str, path: str) -> Any:
    if isinstance(value, dict):
        return value
    if value is None or value == "":
        if name not in _REFERENCES:
            raise _refused(path)
        return value
    if not isinstance(value, str) or (found := account.anything(value)) is None:
        if name in _REFERENCES:
            return value
        raise _refused(path)
    return account.show(found)


def _refused(path: str, advice: str = "") -> ApiError:
    return invalid(f"This property cannot be expanded ({path}).{advice}", "expand")
