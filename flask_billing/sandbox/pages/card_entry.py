"""A card form as it was typed, and what is missing in it."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from werkzeug.wrappers import Request

from flask_billing.sandbox.engine.card_form import Card

TEST_CARDS = (
    ("4242424242424242", "Pays"),
    ("4000000000000002", "Is declined"),
    ("4000002760003184", "Asks for 3-D Secure"),
    ("4000000000009995", "Has no funds"),
    ("4000000000000341", "Pays now, fails later"),
)

#: Where the errors of a card are shown, by the parameter they name.
PLACES = {
    "number": "number",
    "exp_month": "expiry",
    "exp_year": "expiry",
    "cvc": "cvc",
    "value": "tax_id",
}
_LONGEST = 200


@dataclass
class Form:
    """What was typed, kept when something is wrong with it."""

    number: str = ""
    expiry: str = ""
    cvc: str = ""
    name: str = ""
    email: str = ""
    phone: str = ""
    code: str = ""
    line1: str = ""
    city: str = ""
    state: str = ""
    postal_code: str = ""
    country: str = ""
    tax_id_type: str = ""
    tax_id: str = ""
    errors: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, request: Request) -> Form:
        """The form of a request, each field within reason."""
        form = cls()
        for one in fields(cls):
            if one.name != "errors":
                typed = request.form.get(one.name, "").strip()
                setattr(form, one.name, typed[:_LONGEST])
        return form

    def fill(self, number: str) -> None:
        """Type one of the test cards."""
        if number in {card for card, _ in TEST_CARDS}:
            self.number = " ".join(number[i : i + 4] for i in range(0, len(number), 4))
            self.expiry = self.expiry or "12 / 34"
            self.cvc = self.cvc or "123"
            self.name = self.name or "Jenny Rosen"

    def check_card(self) -> None:
        """Say at each field of the card what is missing."""
        if not self.number:
            self.errors["number"] = "Enter the card number."
        if _expiry(self.expiry) is None:
            self.errors["expiry"] = "Enter the expiry date, such as 12 / 34."
        if not self.cvc:
            self.errors["cvc"] = "Enter the security code."

    def check_address(self) -> None:
        """Say at each field of the billing address what is missing."""
        wanted = {
            "line1": "Enter the street and number.",
            "city": "Enter the city.",
            "postal_code": "Enter the postal code.",
            "country": "Choose the country.",
        }
        for name, words in wanted.items():
            if not getattr(self, name):
                self.errors[name] = words

    def card(self) -> Card:
        """What the engine judges."""
        month, year = _expiry(self.expiry) or (0, 0)
        taken = {one.name for one in fields(Card)} & {one.name for one in fields(Form)}
        return Card(
            exp_month=month,
            exp_year=year,
            **{name: getattr(self, name) for name in taken},
        )


def _expiry(text: str) -> tuple[int, int] | None:
    digits = "".join(char for char in text if char.isascii() and char.isdigit())
    if len(digits) == 4:
        return int(digits[:2]), 2000 + int(digits[2:])
    if len(digits) == 6:
        return int(digits[:2]), int(digits[2:])
    return None
