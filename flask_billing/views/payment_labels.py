"""Cards and accounts in words: "Visa ending in 4242"."""

from __future__ import annotations

import typing as t

from ..models import PaymentMethod
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

    return _("Expires %(date)s", date=f"{method.exp_month:02d}/{method.exp_year % 100:02d}")


def brand(method: PaymentMethod) -> str:
    """The network's or the method's name."""
    if method.type == "card":
        return BRANDS.get(method.brand or "", _("Card"))

    return BRANDS.get(method.type, method.type.replace("_", " ").capitalize())


def icon(method: PaymentMethod) -> str:
    """The name of its mark in icons.svg."""
    known = method.brand if method.type == "card" else method.type
    return known if known in BRANDS else "card" if method.type == "card" else "bank"
