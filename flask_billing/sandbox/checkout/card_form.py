"""The card form: what a person types, and what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from flask_billing.sandbox import cards
from flask_billing.sandbox.account import Account
from flask_billing.sandbox.engine import payments
from flask_billing.sandbox.errors import ApiError


@dataclass(frozen=True)
class Card:
    """What a person types into the card form."""

    number: str
    exp_month: int
    exp_year: int
    cvc: str = "123"
    name: str = ""
    email: str = ""
    postal_code: str = ""
    country: str = ""


def check_card(account: Account, card: Card) -> cards.Card | None:
    """The test card behind what was typed, or a 402 that says what is wrong with it."""
    if not card.number:
        return None
    found = cards.by_number(card.number)
    if isinstance(found, cards.Decline):
        raise payments.card_error(found, param="number")
    today = datetime.fromtimestamp(account.now, UTC)
    if not 1 <= card.exp_month <= 12:
        raise ApiError(
            402,
            "Your card's expiration month is invalid.",
            code="invalid_expiry_month",
            param="exp_month",
            error_type="card_error",
        )
    if not (today.year, today.month) <= (card.exp_year, card.exp_month) <= (today.year + 50, 12):
        raise ApiError(
            402,
            "Your card's expiration year is invalid.",
            code="invalid_expiry_year",
            param="exp_year",
            error_type="card_error",
        )
    if not (card.cvc.isdigit() and len(card.cvc) == (4 if found.brand == "amex" else 3)):
        raise ApiError(
            402,
            "Your card's security code is invalid.",
            code="invalid_cvc",
            param="cvc",
            error_type="card_error",
        )
    return found
