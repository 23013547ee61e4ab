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
    line1: str = ""
    city: str = ""
    state: str = ""
    phone: str = ""
    tax_id_type: str = ""
    tax_id: str = ""


def check_card(account: Account, card: Card) -> cards.Card | None:
    """The test card behind what was typed, or a 402 that says what is wrong with it."""
    if not card.number:
        return None
    found = cards.by_number(card.number)
    if isinstance(found, cards.Decline):
        raise payments.card_error(found, param="number")
    check_expiry(account, card.exp_month, card.exp_year)
    if card.cvc and not (
        card.cvc.isdigit() and len(card.cvc) == (4 if found.brand == "amex" else 3)
    ):
        raise _card_error("Your card's security code is invalid.", "invalid_cvc", "cvc")
    return found


def check_expiry(account: Account, month: int, year: int) -> None:
    """Refuse a month that is none, or one that has passed."""
    today = datetime.fromtimestamp(account.now, UTC)
    if not 1 <= month <= 12:
        raise _card_error(
            "Your card's expiration month is invalid.", "invalid_expiry_month", "exp_month"
        )
    if not (today.year, today.month) <= (year, month) <= (today.year + 50, 12):
        raise _card_error(
            "Your card's expiration year is invalid.", "invalid_expiry_year", "exp_year"
        )


def _card_error(message: str, code: str, param: str) -> ApiError:
    return ApiError(402, message, code=code, param=param, error_type="card_error")
