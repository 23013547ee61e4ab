"""What a customer was shown, signed: the terms they confirm and nothing else."""

from __future__ import annotations

import dataclasses
import secrets
import typing as t

from flask import current_app
from itsdangerous import BadSignature, URLSafeSerializer

from .. import clock
from .refusals import QuoteInvalidError
from .rules import ChangeKind

_SALT: t.Final = "flask-billing.quote"


@dataclasses.dataclass(frozen=True)
class Terms:
    """All that was promised. Whoever confirms gets exactly this, or an answer that it changed.

    :param item: id of the item that carries the plan.
    :param period_start: Unix seconds; another one tells of a renewal.
    :param metered: ids of the prices that come to bill use.
    :param discounts: ids of the discounts in force.
    :param proration_date: Unix seconds as of which time is counted; None where nothing is.
    :param amount: minor units that are charged now.
    """

    customer: int
    subscription: str
    item: str
    kind: ChangeKind
    from_price: str
    from_quantity: int
    period_start: int
    plan: str
    interval: str
    price: str
    metered: tuple[str, ...]
    quantity: int
    discounts: tuple[str, ...]
    proration_date: int | None
    amount: int
    currency: str


@dataclasses.dataclass(frozen=True)
class Confirmation:
    """A token that was given out by this app, read again.

    :param quote_id: names the quote; each is carried out once.
    :param expires: Unix seconds by the wall clock.
    """

    quote_id: str
    expires: int
    terms: Terms

    @property
    def expired(self) -> bool:
        """Whether what was shown is too old to be confirmed."""
        return clock.wall_seconds() >= self.expires


def sign(terms: Terms, expires: float) -> str:
    """The token of a new quote.

    :param expires: Unix seconds by the wall clock.
    """
    content = {
        "id": secrets.token_urlsafe(18),
        "expires": int(expires),
        **dataclasses.asdict(terms),
    }
    token = _serializer().dumps(content)
    return token if isinstance(token, str) else token.decode()


def read(token: str, customer_id: int) -> Confirmation:
    """What a token holds.

    :raises QuoteInvalidError: for one that was altered, made up, or given to somebody else.
    """
    try:
        content = _serializer().loads(token)
        terms = Terms(
            **{field.name: _read(content, field.name) for field in dataclasses.fields(Terms)}
        )
        found = Confirmation(content["id"], content["expires"], terms)
    except (BadSignature, KeyError, TypeError) as error:
        raise QuoteInvalidError from error

    if terms.customer != customer_id:
        raise QuoteInvalidError

    return found


def _read(content: dict[str, t.Any], name: str) -> t.Any:
    value = content[name]
    return tuple(value) if isinstance(value, list) else value


def _serializer() -> URLSafeSerializer:
    # The key signs, those it took the place of are still understood; newest last.
    former = current_app.config.get("SECRET_KEY_FALLBACKS") or ()
    return URLSafeSerializer([*former, current_app.config["SECRET_KEY"]], salt=_SALT)
