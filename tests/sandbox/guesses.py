"""Random parameters of the types the SDK gives them: mostly sensible, sometimes not."""

from __future__ import annotations

import collections.abc as c
import functools
import random
import types
import typing as t
from decimal import Decimal

from stripe._request_options import RequestOptions

from flask_billing.sandbox import contract
from flask_billing.sandbox.router import Endpoint

DAY = 86_400
DEPTH = 4

#: Parameters named otherwise than the kind of object whose id they take.
KINDS = {
    "code": "promotion_code",
    "configuration": "billing_portal.configuration",
    "default_payment_method": "payment_method",
    "default_price": "price",
    "ending_before": "customer",
    "from_invoice": "invoice",
    "from_subscription": "subscription",
    "id": "subscription_item",
    "invoice_item": "invoiceitem",
    "meter": "billing.meter",
    "schedule": "subscription_schedule",
    "starting_after": "customer",
    "test_clock": "test_helpers.test_clock",
}
TEXTS = {
    "cancel_url": ["https://app.example/pricing"],
    "code": ["WELCOME", "welcome"],
    "country": ["US", "DE"],
    "currency": ["usd", "usd", "usd", "eur", "xyz"],
    "email": ["ada@example.com"],
    "lookup_key": ["pro", "team"],
    "quantity_decimal": ["1", "2.5"],
    "return_url": ["https://app.example/done"],
    "success_url": ["https://app.example/done?session={CHECKOUT_SESSION_ID}"],
    "url": ["https://app.example/hook"],
}
NUMBERS = [0, 1, 1, 2, 3, 5, 30, 50, 100, 1000, 2500, 9900, -1, -500, 99_999_999, 2**40, 2**63 - 1]
MOMENTS = [0, 60, 3_600, DAY, 14 * DAY, 31 * DAY, 366 * DAY, -3_600, -40 * DAY, 40_000 * DAY]


class Guesses:
    """Makes up parameters; ``ids`` are those seen so far by kind, ``now`` the sandbox's time."""

    def __init__(self, seed: str, ids: dict[str, list[str]], now: int) -> None:
        self._random = random.Random(seed)
        self._ids = ids
        self._now = now

    def one_of(self, options: c.Sequence[t.Any]) -> t.Any:
        """One of these."""
        return self._random.choice(options)

    def some_of(self, options: c.Sequence[t.Any]) -> list[t.Any]:
        """Up to five of these."""
        return self._random.sample(options, min(5, len(options)))

    def params(self, name: str) -> dict[str, t.Any]:
        """The parameters of a type below ``stripe.params``."""
        return self._hash(contract.params_type(name), DEPTH)

    def an_id(self, kind: str) -> str:
        """An id of this kind that was seen before, or one that nothing has."""
        known = self._ids.get(kind, [])[-5:]
        return "nobody_1" if not known or self._random.random() < 0.05 else str(self.one_of(known))

    def _hash(self, cls: t.Any, depth: int) -> dict[str, t.Any]:
        hints = _hints(cls)
        required = [name for name in hints if name in cls.__required_keys__]
        optional = sorted(hints.keys() - set(required) - {"expand"})
        most = 4 if depth == DEPTH else 2
        count = self._random.randint(0, min(most, len(optional))) if depth else 0
        names = required + self._random.sample(optional, count)
        return {name: self._value(hints[name], name, depth) for name in names}

    def _value(self, hint: t.Any, name: str, depth: int) -> t.Any:
        origin, arguments = t.get_origin(hint), t.get_args(hint)

        if getattr(origin, "__name__", "") in {"NotRequired", "Required"}:
            return self._value(arguments[0], name, depth)

        if origin in (t.Union, types.UnionType):
            literals = [one for one in arguments if _is_literal(one)]
            members = [one for one in arguments if one is not type(None)]
            return self._value(
                self.one_of([one for one in members if not (literals and one is str)]), name, depth
            )

        if _is_literal(hint):
            return self.one_of(arguments)

        if origin is list:
            count = self.one_of([1, 1, 1, 2, 0])
            return [self._value(arguments[0], name, depth) for _ in range(count)]

        if hasattr(hint, "__required_keys__"):
            return self._hash(hint, depth - 1)

        return self._leaf(hint, name)

    def _leaf(self, hint: t.Any, name: str) -> t.Any:
        if hint is bool:
            return self.one_of([True, False])

        if hint is int:
            if _is_moment(name):
                return self.one_of([self._now + shift for shift in MOMENTS])

            return self.one_of(NUMBERS)

        if hint in (float, Decimal):
            return self.one_of(["1", "0.5", "12.75", "100", "-3", "99999999999"])

        if hint is str:
            return self._text(name)

        return {"plan": "pro"}

    def _text(self, name: str) -> str:
        kind = KINDS.get(name, name.removesuffix("s"))

        if self._ids.get(kind):
            return self.an_id(kind)

        return str(self.one_of([*TEXTS.get(name, []), *TEXTS.get(name, []), "some text", "x"]))


def kind_of(endpoint: Endpoint) -> str:
    """The kind of object that an endpoint's path names."""
    name = endpoint.parts[: endpoint.parts.index("{id}")] if "{id}" in endpoint.parts else ()
    return ".".join(part.removesuffix("s") for part in name[1:])


@functools.cache
def _hints(cls: c.Hashable) -> dict[str, t.Any]:
    options = RequestOptions.__annotations__
    return {name: hint for name, hint in contract._hints(cls).items() if name not in options}


def _is_literal(hint: t.Any) -> bool:
    return getattr(t.get_origin(hint), "__name__", "") == "Literal" or (
        t.get_origin(hint) is t.Literal
    )


def _is_moment(name: str) -> bool:
    endings = ("_at", "_by", "_date", "_end", "_start", "_time", "anchor", "timestamp")
    return name.endswith(endings) or name in {"gt", "gte", "lt", "lte", "start", "end"}
