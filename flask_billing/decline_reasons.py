"""What to tell people when their bank says no.

Codes are Stripe's (docs.stripe.com/declines/codes). Reasons that could help a thief, such as
a card reported stolen, are told as a plain refusal.
"""

from __future__ import annotations

import typing as t

_GENERIC: t.Final = "Your card was declined. Try another card, or ask your bank."

_SENTENCES: t.Final = {
    "authentication_required": "Your bank wants you to confirm this payment.",
    "card_not_supported": "Your card does not support this kind of payment. Try another card.",
    "card_velocity_exceeded": "Your card was declined: its limit is reached. Try another card.",
    "currency_not_supported": "Your card does not support this currency. Try another card.",
    "expired_card": "Your card has expired. Try another card.",
    "incorrect_cvc": "The security code is wrong. Check it and try again.",
    "incorrect_number": "The card number is wrong. Check it and try again.",
    "incorrect_zip": "The postal code does not match the card. Check it and try again.",
    "insufficient_funds": "Your card was declined (insufficient funds). Try another card.",
    "invalid_cvc": "The security code is wrong. Check it and try again.",
    "invalid_expiry_month": "The expiry month is wrong. Check it and try again.",
    "invalid_expiry_year": "The expiry year is wrong. Check it and try again.",
    "processing_error": "The bank had a problem with this payment. Try again in a moment.",
    "subscription_payment_intent_requires_action": "Your bank wants you to confirm this payment.",
    "try_again_later": "The bank had a problem with this payment. Try again in a moment.",
    "withdrawal_count_limit_exceeded": (
        "Your card was declined: its limit is reached. Try another card."
    ),
}


def sentence(decline_code: str | None, code: str | None = None) -> str:
    """One sentence for the person who pays.

    :param decline_code: the bank's own reason; decides where there is one.
    :param code: the kind of card error.
    """
    for known in (decline_code, code):
        if known in _SENTENCES:
            return _SENTENCES[known]

    return _GENERIC
