"""The form of the billing details: what was sent, and what of it cannot be."""

from __future__ import annotations

import collections.abc as c
import dataclasses
import re
import typing as t

from ..billing_details import ADDRESS, Details
from ..models import Customer
from ..owners import LONGEST_EMAIL, LONGEST_NAME
from ..translation import gettext as _
from . import details_labels

FIELDS: t.Final = ("name", "email", *ADDRESS, "tax_id_type", "tax_id")
#: Characters that Stripe takes at most.
_LONGEST: t.Final = {"name": LONGEST_NAME, "email": LONGEST_EMAIL, "tax_id": 50}
_LONGEST_LINE: t.Final = 200
#: Control characters, line ends, and what turns the direction of the text around it. What joins
#: or parts letters, as in Persian, and blanks of every width are typed and pasted by people.
_UNPRINTABLE: t.Final = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_EMAIL: t.Final = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")


@dataclasses.dataclass(frozen=True)
class AddressForm:
    """What the fields hold, and the errors to show beside them.

    :param removed: Stripe's ids of tax ids to take away.
    """

    values: c.Mapping[str, str]
    removed: tuple[str, ...] = ()
    errors: c.Mapping[str, str] = dataclasses.field(default_factory=dict)

    def details(self) -> Details:
        """What the form asks for."""
        kind, number = self.values["tax_id_type"], self.values["tax_id"]
        return Details(
            name=self.values["name"],
            email=self.values["email"],
            address={part: self.values[part] for part in ADDRESS},
            tax_id=(kind, number) if number else None,
            removed=self.removed,
        )

    def refused(self, field: str | None) -> AddressForm:
        """The same form with what Stripe did not take."""
        name = field if field in FIELDS else "name"
        return dataclasses.replace(self, errors={name: _refusal(field)})


def filled(customer: Customer) -> AddressForm:
    """The form with what is known."""
    address = customer.address or {}
    values = {part: str(address.get(part) or "") for part in ADDRESS}
    return AddressForm(
        {
            "name": customer.name or "",
            "email": customer.email or "",
            **values,
            "tax_id_type": "",
            "tax_id": "",
        }
    )


def sent(form: c.Mapping[str, str], removed: c.Sequence[str]) -> AddressForm:
    """The form as it was sent, checked.

    Spaces around a value are dropped, and within a tax id, where people write them for
    readability.
    """
    values = {name: form.get(name, "").strip() for name in FIELDS}
    values["tax_id"] = "".join(values["tax_id"].split()).upper()
    return AddressForm(values, tuple(removed), _errors(values))


def _errors(values: c.Mapping[str, str]) -> dict[str, str]:
    errors = {name: text for name in FIELDS if (text := _unfit(name, values[name]))}

    if not values["name"]:
        errors["name"] = _("Enter the name that stands on your invoices.")

    if not _EMAIL.fullmatch(values["email"]):
        errors["email"] = _("Enter an e-mail address, as ada@example.com.")

    if any(values[part] for part in ADDRESS):
        _check_address(values, errors)

    kinds = dict(details_labels.tax_id_kinds())

    if values["tax_id"] and values["tax_id_type"] not in kinds:
        errors["tax_id_type"] = _("Choose what kind of tax ID this is.")

    if values["tax_id_type"] and not values["tax_id"]:
        errors["tax_id"] = _("Enter the number, or choose none to add.")

    return errors


def _check_address(values: c.Mapping[str, str], errors: dict[str, str]) -> None:
    """Part of an address is none that an invoice, or tax, could be made of."""
    if not values["line1"]:
        errors["line1"] = _("Enter the street and number.")

    if not values["city"]:
        errors["city"] = _("Enter the city.")

    if values["country"] not in dict(details_labels.countries()):
        errors["country"] = _("Choose the country.")


def _unfit(name: str, value: str) -> str | None:
    longest = _LONGEST.get(name, _LONGEST_LINE)

    if len(value) > longest:
        return _("This is too long: %(most)s characters at most.", most=longest)

    if _UNPRINTABLE.search(value):
        return _("This holds characters that can't be printed. Type it again.")

    return None


def _refusal(field: str | None) -> str:
    if field == "tax_id":
        return _("This tax ID isn't valid. Check the number and its kind.")

    if field == "email":
        return _("Our payment provider doesn't accept this e-mail address.")

    return _("Our payment provider doesn't accept this. Check it and try again.")
