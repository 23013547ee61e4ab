"""Endpoints: what a resource module registers and a request is matched against."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from flask_billing.sandbox.body import Body
from flask_billing.sandbox.errors import ApiError

if TYPE_CHECKING:
    from flask_billing.sandbox.account import Account


@dataclass
class Call:
    """One API request, decoded and checked."""

    method: str
    path: str
    params: Body
    ids: tuple[str, ...] = ()
    expand: list[str] = field(default_factory=list)

    @property
    def id(self) -> str:
        """The first id in the path."""
        return self.ids[0]


Handler = Callable[["Account", Call], Body]


@dataclass(frozen=True)
class Endpoint:
    """A method and path with the name of its parameter type below ``stripe.params``."""

    method: str
    parts: tuple[str, ...]
    contract: str
    handler: Handler


_ENDPOINTS: dict[tuple[str, int], list[Endpoint]] = {}


def endpoint(method: str, path: str, contract: str) -> Callable[[Handler], Handler]:
    """Register a handler; ``{id}`` in the path stands for any id.

    ``contract`` names the endpoint's own parameter type below ``stripe.params``.
    """

    def register(handler: Handler) -> Handler:
        parts = tuple(path.strip("/").split("/"))
        found = Endpoint(method, parts, contract, handler)
        rivals = _ENDPOINTS.setdefault((method, len(parts)), [])
        rivals.append(found)
        rivals.sort(key=lambda rival: sum(part == "{id}" for part in rival.parts))
        return handler

    return register


def registered() -> list[Endpoint]:
    """Every endpoint there is."""
    return [found for rivals in _ENDPOINTS.values() for found in rivals]


def match(method: str, path: str) -> tuple[Endpoint, tuple[str, ...]]:
    """The endpoint of a request and the ids in its path, or a 404 that says there is none."""
    parts = path.strip("/").split("/")
    for candidate in _ENDPOINTS.get((method, len(parts)), ()):
        ids = []
        for expected, part in zip(candidate.parts, parts, strict=True):
            if expected == "{id}":
                ids.append(part)
            elif expected != part:
                break
        else:
            return candidate, tuple(ids)
    raise ApiError(
        404,
        f"Unrecognized request URL ({method}: {path}). The sandbox knows the endpoints of Stripe "
        "that Flask-Billing uses; this is none of them.",
    )
