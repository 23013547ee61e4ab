"""Stripe's test cards: what each number does (stripe-facts, section 7)."""

from dataclasses import dataclass
from typing import Literal

from flask_billing.sandbox.body import Body

Behaviour = Literal[
    "ok",
    "decline",
    "attach_only",
    "always_challenge",
    "challenge_unless_set_up",
    "challenge_on_session",
    "challenge_then_decline",
    "cvc_fails",
    "disputes",
]


@dataclass(frozen=True)
class Decline:
    """Why a payment was refused, in Stripe's words.

    ``hard`` declines are not retried by dunning.
    """

    code: str
    decline_code: str | None
    message: str
    advice_code: str = "try_again_later"
    network_decline_code: str | None = "01"
    hard: bool = False

    def error(self) -> Body:
        """The fields of a ``card_error``."""
        body: Body = {"code": self.code}
        if self.decline_code:
            body["decline_code"] = self.decline_code
        body["advice_code"] = self.advice_code
        if self.network_decline_code:
            body["network_decline_code"] = self.network_decline_code
        return body


GENERIC = Decline("card_declined", "generic_decline", "Your card was declined.")
_INSUFFICIENT = Decline("card_declined", "insufficient_funds", "Your card has insufficient funds.")
_LOST = Decline(
    "card_declined", "lost_card", "Your card was declined.", "do_not_try_again", hard=True
)
_STOLEN = Decline(
    "card_declined", "stolen_card", "Your card was declined.", "do_not_try_again", hard=True
)
_EXPIRED = Decline("expired_card", None, "Your card has expired.", "do_not_try_again")
_CVC = Decline("incorrect_cvc", "incorrect_cvc", "Your card's security code is incorrect.")
_PROCESSING = Decline(
    "processing_error",
    "processing_error",
    "An error occurred while processing your card. Try again in a little bit.",
)
_VELOCITY = Decline(
    "card_declined",
    "card_velocity_exceeded",
    "Your card was declined for making repeated attempts too frequently or exceeding its "
    "amount limit.",
)
_BLOCKED = Decline(
    "card_declined", "highest_risk_level", "Your card was declined.", "do_not_try_again", hard=True
)
TEST_MODE_LIVE_CARD = Decline(
    "card_declined",
    "test_mode_live_card",
    "Your card was declined. Your request was in test mode, but used a non test (live) card. "
    "For a list of valid test cards, visit: https://stripe.com/docs/testing.",
)
INCORRECT_NUMBER = Decline(
    "incorrect_number", None, "Your card number is incorrect.", "confirm_card_data", None, hard=True
)
AUTHENTICATION_REQUIRED = Decline(
    "authentication_required",
    "authentication_required",
    "Your card was declined. This transaction requires authentication.",
    "try_again_later",
    None,
    hard=True,
)


@dataclass(frozen=True)
class Card:
    """A test card: its number, its ``pm_card_`` tokens and what it does."""

    number: str
    tokens: tuple[str, ...]
    behaviour: Behaviour = "ok"
    decline: Decline | None = None
    brand: str = "visa"
    country: str = "US"
    funding: str = "credit"

    @property
    def last4(self) -> str:
        """The digits that may be shown."""
        return self.number[-4:]

    @property
    def display_brand(self) -> str:
        """The brand's longer name."""
        return "american_express" if self.brand == "amex" else self.brand

    @property
    def fails_setup(self) -> bool:
        """Is it refused already when it is attached or set up?"""
        return self.behaviour == "decline"


_CARDS = (
    Card("4242424242424242", ("visa", "us")),
    Card("4000056655665556", ("visa_debit",), funding="debit"),
    Card("5555555555554444", ("mastercard",), brand="mastercard"),
    Card("5200828282828210", ("mastercard_debit",), brand="mastercard", funding="debit"),
    Card("378282246310005", (), brand="amex"),
    Card("371449635398431", ("amex",), brand="amex"),
    Card("6011111111111117", (), brand="discover"),
    Card("6011000990139424", ("discover",), brand="discover"),
    Card("3056930009020004", ("diners",), brand="diners"),
    Card("3566002020360505", ("jcb",), brand="jcb"),
    Card("4000002760000016", ("de",), country="DE"),
    Card("4000002500000003", ("fr",), country="FR"),
    Card("4000008260000000", ("gb",), country="GB"),
    Card("4000000000000002", ("visa_chargeDeclined", "chargeDeclined"), "decline", GENERIC),
    Card(
        "4000000000009995",
        ("visa_chargeDeclinedInsufficientFunds", "chargeDeclinedInsufficientFunds"),
        "decline",
        _INSUFFICIENT,
    ),
    Card(
        "4000000000009987",
        ("visa_chargeDeclinedLostCard", "chargeDeclinedLostCard"),
        "decline",
        _LOST,
    ),
    Card(
        "4000000000009979",
        ("visa_chargeDeclinedStolenCard", "chargeDeclinedStolenCard"),
        "decline",
        _STOLEN,
    ),
    Card("4000000000000069", ("chargeDeclinedExpiredCard",), "decline", _EXPIRED),
    Card("4000000000000127", ("chargeDeclinedIncorrectCvc",), "decline", _CVC),
    Card("4000000000000119", ("chargeDeclinedProcessingError",), "decline", _PROCESSING),
    Card(
        "4000000000006975",
        ("visa_chargeDeclinedVelocityLimitExceeded", "chargeDeclinedVelocityLimitExceeded"),
        "decline",
        _VELOCITY,
    ),
    Card("4000000000000341", ("chargeCustomerFail",), "attach_only", GENERIC),
    Card("4000002500003155", ("authenticationRequiredOnSetup",), "challenge_unless_set_up"),
    Card("4000002760003184", ("authenticationRequired",), "always_challenge", country="DE"),
    Card(
        "4000003800000446",
        ("authenticationRequiredSetupForOffSession",),
        "challenge_on_session",
    ),
    Card("4000000000003220", ("threeDSecure2Required",), "challenge_unless_set_up"),
    Card(
        "4000008400001629",
        ("threeDSecureRequiredChargeDeclined",),
        "challenge_then_decline",
        GENERIC,
    ),
    Card("4000000000000101", ("cvcCheckFail",), "cvc_fails"),
    Card("4100000000000019", ("radarBlock",), "attach_only", _BLOCKED),
    Card("4000000000000259", ("createDispute",), "disputes"),
)

BANK_STAND_IN = _CARDS[0]
_BY_NUMBER = {card.number: card for card in _CARDS}
_BY_TOKEN = {f"pm_card_{token}": card for card in _CARDS for token in card.tokens}


def by_number(number: str) -> Card | Decline:
    """The test card with this number, or why the number is refused."""
    digits = "".join(number.split()).replace("-", "")
    if not digits.isascii() or not digits.isdigit() or not passes_luhn(digits):
        return INCORRECT_NUMBER
    return _BY_NUMBER.get(digits, TEST_MODE_LIVE_CARD)


def by_token(token: str) -> Card | None:
    """The test card behind a token such as ``pm_card_visa``."""
    return _BY_TOKEN.get(token)


def card_of(method: Body) -> Card:
    """The test card behind a payment method."""
    card = by_number(method["_"]["number"])
    assert isinstance(card, Card)
    return card


def passes_luhn(digits: str) -> bool:
    """Is the check digit of a card number right?"""
    if not 12 <= len(digits) <= 19:
        return False
    total = 0
    for position, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if position % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def judge(
    card: Card, *, off_session: bool, set_up: bool, authenticated: bool
) -> Literal["ok", "challenge"] | Decline:
    """What happens when the card is charged.

    ``set_up`` says that the customer authenticated it for later use before, ``authenticated``
    that they just did.
    """
    if card.behaviour in {"decline", "attach_only"}:
        return card.decline or GENERIC
    needs_person = {
        "always_challenge": True,
        "challenge_then_decline": True,
        "challenge_unless_set_up": not set_up,
        "challenge_on_session": not off_session,
    }.get(card.behaviour, False)
    if needs_person and not authenticated:
        return "challenge"
    if card.behaviour == "challenge_then_decline":
        return card.decline or GENERIC
    return "ok"
