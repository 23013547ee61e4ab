"""Billing details in words: an address as on an envelope, tax ids by their country."""

from __future__ import annotations

import collections.abc as c
import dataclasses
import functools
import typing as t

from .. import tax_id_types
from ..models import Customer
from ..translation import gettext as _
from ..translation import locale

#: What Babel lists beside the countries of ISO 3166-1: unions, tests, parts of others.
_NO_COUNTRIES: t.Final = frozenset(
    ["CP", "CQ", "DG", "EA", "EU", "EZ", "IC", "QO", "UN", "XA", "XB", "ZZ"]
)


@dataclasses.dataclass(frozen=True)
class TaxIdLine:
    """A tax id, and what the authorities say of it where they say anything."""

    id: str
    value: str
    kind: str
    status: str | None
    tone: t.Literal["neutral", "ok", "warn"]


def lines(customer: Customer) -> list[str]:
    """Name, e-mail, address and tax ids, each line of them that is known."""
    address = customer.address or {}
    town = " ".join(filter(None, (address.get("postal_code"), address.get("city"))))
    country = address.get("country")
    found = [
        customer.name,
        customer.email,
        address.get("line1"),
        address.get("line2"),
        ", ".join(filter(None, (town, address.get("state")))),
        dict(countries()).get(country, country) if country else None,
        *(tax_id.get("value") for tax_id in customer.tax_ids or ()),
    ]
    return [str(line) for line in found if line]


def countries() -> c.Sequence[tuple[str, str]]:
    """Code and name of every country, by name in the reader's language."""
    return _countries(locale())


def tax_id_kinds() -> c.Sequence[tuple[str, str]]:
    """Stripe's type and a name for every kind of tax id, by country."""
    return _kinds(locale())


def tax_ids(customer: Customer) -> list[TaxIdLine]:
    """The tax ids of a customer."""
    known = dict(tax_id_kinds())
    return [
        TaxIdLine(
            id=found["id"],
            value=found.get("value") or "",
            kind=known.get(found.get("type"), found.get("type") or ""),
            status=(words := _verification(found.get("status")))[0],
            tone=words[1],
        )
        for found in customer.tax_ids or ()
    ]


def _verification(status: str | None) -> tuple[str | None, t.Literal["neutral", "ok", "warn"]]:
    known: dict[str, tuple[str, t.Literal["neutral", "ok", "warn"]]] = {
        "pending": (_("Being verified"), "neutral"),
        "verified": (_("Verified"), "ok"),
        "unverified": (_("Could not be verified"), "warn"),
    }
    return known.get(status or "", (None, "neutral"))


@functools.lru_cache(maxsize=32)
def _countries(language: str) -> tuple[tuple[str, str], ...]:
    names = _territories(language)
    codes = [code for code in names if len(code) == 2 and code.isalpha()]
    return tuple(
        sorted(
            ((code, names[code]) for code in codes if code not in _NO_COUNTRIES),
            key=lambda pair: pair[1],
        )
    )


@functools.lru_cache(maxsize=32)
def _kinds(language: str) -> tuple[tuple[str, str], ...]:
    names = _territories(language)
    named = (
        (kind, f"{names.get(tax_id_types.country(kind), '')}: {tax_id_types.short_name(kind)}")
        for kind in tax_id_types.TYPES
    )
    return tuple(sorted(named, key=lambda pair: pair[1]))


def _territories(language: str) -> c.Mapping[str, str]:
    from babel import Locale

    found: c.Mapping[str, str] = Locale.parse(language).territories
    return found
