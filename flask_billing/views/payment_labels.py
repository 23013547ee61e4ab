"""Cards and accounts in words: "Visa ending in 4242"."""

from __future__ import annotations

import typing as t

from ..models import PaymentMethod
from ..payment_methods import has_expired
from ..translation import gettext as _

#: Names as the networks write them, and the marks of icons.svg.
BRANDS: t.Final = {
    "visa": "Visa",
    "mastercard": "Mastercard",
    "amex": "American Express",
    "discover": "Discover",
    "diners": "Diners Club",
    "jcb": "JCB",
    "unionpay": "UnionPay",
    "cartes_bancaires": "Cartes Bancaires",
    "eftpos_au": "eftpos",
    "link": "Link",
}

#: Brands by the longer names that Stripe displays them with.
_LONG: t.Final = {
    "american_express": "amex",
    "diners_club": "diners",
    "union_pay": "unionpay",
    "eftpos_australia": "eftpos_au",
}

#: Names of other methods, where those of their types do not read well.
_TYPES: t.Final = {
    "acss_debit": "Pre-authorized debit",
    "amazon_pay": "Amazon Pay",
    "au_becs_debit": "BECS Direct Debit",
    "bacs_debit": "Bacs Direct Debit",
    "cashapp": "Cash App Pay",
    "link": "Link",
    "nz_bank_account": "NZ bank account",
    "paypal": "PayPal",
    "revolut_pay": "Revolut Pay",
    "sepa_debit": "SEPA Direct Debit",
    "us_bank_account": "US bank account",
}


def short(method: PaymentMethod) -> str:
    """Name and digits, for the middle of a sentence: "Visa 4242"."""
    return " ".join(filter(None, (brand(method), method.last4)))


def full(method: PaymentMethod) -> str:
    """Name and digits as a line of their own: "Visa ending in 4242"."""
    if method.last4 is None:
        return brand(method)

    return _("%(brand)s ending in %(last4)s", brand=brand(method), last4=method.last4)


def expiry(method: PaymentMethod) -> str | None:
    """ "Expires 04/27", where the method does."""
    if method.exp_month is None or method.exp_year is None:
        return None

    date = f"{method.exp_month:02d}/{method.exp_year % 100:02d}"
    return (
        _("Expired %(date)s", date=date)
        if has_expired(method)
        else _("Expires %(date)s", date=date)
    )


def brand(method: PaymentMethod) -> str:
    """The network's or the method's name."""
    if method.type == "card":
        return BRANDS.get(_key(method), _("Card"))

    return _TYPES.get(method.type, method.type.replace("_", " ").capitalize())


def icon(method: PaymentMethod) -> str:
    """The name of its mark in icons.svg."""
    known = _key(method) if method.type == "card" else method.type
    return known if known in BRANDS else "card" if method.type == "card" else "bank"


def _key(method: PaymentMethod) -> str:
    found = method.brand or ""
    return _LONG.get(found, found)
