"""Changes at Stripe and the requests that make them."""

from __future__ import annotations

import collections.abc as c
import dataclasses
import hashlib
import json
import typing as t

from ..errors import StripeNotFoundError
from ..stripe_gateway import gateway

Action = t.Literal["create", "update", "archive", "conflict"]
Kind = t.Literal["product", "price", "meter"]
Body = dict[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Change:
    """One difference. A ``conflict`` is one that push cannot settle and people must."""

    action: Action
    kind: Kind
    name: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.action} {self.kind} {self.name}" + (f": {self.detail}" * bool(self.detail))


@dataclasses.dataclass(frozen=True)
class Step:
    """A change and the request that makes it; a conflict has none."""

    change: Change
    path: str | None = None
    params: Body = dataclasses.field(default_factory=dict)
    #: Set for what must not be made twice.
    idempotency_key: str | None = None
    #: Event name of the meter of a price, where a step before this makes it.
    meter: str | None = None


def get(path: str) -> Body | None:
    """An object at Stripe, or None."""
    try:
        found = gateway().get(path)
    except StripeNotFoundError:
        return None

    return None if found.get("deleted") else found


def differing(found: Body, wanted: c.Mapping[str, t.Any]) -> Body:
    """The parameters whose value at Stripe is another. Foreign metadata is left alone."""
    differing: Body = {}

    for name, value in wanted.items():
        there = found.get(name)

        if isinstance(value, dict):
            changed = {k: v for k, v in value.items() if (there or {}).get(k) != v}

            if changed:
                differing[name] = changed
        elif there != value and (there or value):
            differing[name] = value

    return differing


def create(kind: Kind, name: str, path: str, params: Body) -> Step:
    """Make something that is not there."""
    return Step(Change("create", kind, name), path, params, idempotency_key(kind, params))


def update(kind: Kind, name: str, path: str, params: Body) -> Step:
    """Change what differs."""
    return Step(Change("update", kind, name, ", ".join(sorted(params))), path, params)


def conflict(kind: Kind, name: str, detail: str) -> Step:
    """Something Stripe does not let us change."""
    return Step(Change("conflict", kind, name, detail))


def idempotency_key(kind: Kind, params: Body) -> str:
    """The same content has the same key, so that a retry cannot make it twice."""
    content = json.dumps(params, sort_keys=True)
    return f"fb:catalog:{kind}:{hashlib.sha256(content.encode()).hexdigest()[:40]}"
