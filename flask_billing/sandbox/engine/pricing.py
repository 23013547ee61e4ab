"""What a price asks for a quantity, and how an invoice line words it."""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.engine.proration import rounded

_ZERO_DECIMAL = frozenset(
    [
        "bif",
        "clp",
        "djf",
        "gnf",
        "jpy",
        "kmf",
        "krw",
        "mga",
        "pyg",
        "rwf",
        "vnd",
        "vuv",
        "xaf",
        "xof",
        "xpf",
    ]
)
_THREE_DECIMAL = frozenset(["bhd", "jod", "kwd", "omr", "tnd"])
_SYMBOLS = {"usd": "$", "eur": "€", "gbp": "£", "jpy": "¥"}


@dataclass(frozen=True)
class Part:
    """What of a price makes an invoice line of its own, which is rounded by itself.

    :param quantity: the units on the line; 0 on that of a flat fee.
    :param each: the price of one unit, or the flat fee, in minor units.
    :param exact: what the part comes to before rounding.
    :param tier: the number of its tier, from 1.
    """

    quantity: int
    each: Decimal
    exact: Fraction
    tier: int | None = None
    is_flat_fee: bool = False

    @property
    def amount(self) -> int:
        """What the part comes to in whole minor units."""
        return rounded(self.exact)


def unit_decimal(price: Body) -> Decimal:
    """The price of one unit in minor units; may hold fractions of a cent."""
    return Decimal(price.get("unit_amount_decimal") or price.get("unit_amount") or 0)


def parts(price: Body, quantity: int) -> list[Part]:
    """The parts a price has for a quantity: one, or of each tier reached its units and flat fee."""
    if price.get("billing_scheme") == "tiered":
        return _tiered(price, quantity)
    each, billed = unit_decimal(price), quantity
    transform = price.get("transform_quantity")
    if transform:
        whole, rest = divmod(quantity, transform["divide_by"])
        billed = whole + (1 if rest and transform["round"] == "up" else 0)
    return [Part(quantity, each, Fraction(each) * billed)]


def exact_amount(price: Body, quantity: int) -> Fraction:
    """The price of a quantity before rounding."""
    return sum((part.exact for part in parts(price, quantity)), Fraction(0))


def amount(price: Body, quantity: int) -> int:
    """The price of a quantity in whole minor units."""
    return sum(part.amount for part in parts(price, quantity))


def _tiered(price: Body, quantity: int) -> list[Part]:
    """Graduated tiers split a quantity among them; by volume one tier takes all of it."""
    found: list[Part] = []
    below = 0
    for number, tier in enumerate(price["_"]["tiers"], start=1):
        limit = tier["up_to"]
        is_last = limit is None or quantity <= limit
        if price["tiers_mode"] == "volume":
            if is_last:
                return _of_tier(tier, number, quantity)
            continue
        top = quantity if is_last else limit
        found += _of_tier(tier, number, top - below)
        if is_last:
            break
        below = limit
    return found


def _of_tier(tier: Body, number: int, quantity: int) -> list[Part]:
    each = Decimal(tier["unit_amount_decimal"] or 0)
    found = [Part(quantity, each, Fraction(each) * quantity, number)]
    if tier["flat_amount_decimal"] is not None:
        flat = Decimal(tier["flat_amount_decimal"])
        found.append(Part(0, flat, Fraction(flat), number, is_flat_fee=True))
    return found


def money(amount: int | Decimal, currency: str) -> str:
    """``$25.00``: an amount as Stripe writes it in line descriptions."""
    symbol = _SYMBOLS.get(currency, currency.upper() + " ")
    decimals = 0 if currency in _ZERO_DECIMAL else 3 if currency in _THREE_DECIMAL else 2
    major = Decimal(amount).scaleb(-decimals)
    places = max(decimals, -int(major.normalize().as_tuple().exponent)) if major else decimals
    return f"{symbol}{major.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP):,f}"


def interval_text(recurring: Body) -> str:
    """``month`` or ``3 months``."""
    count = recurring["interval_count"]
    name: str = recurring["interval"]
    return name if count == 1 else f"every {count} {name}s"


def product_name(account: Account, price: Body) -> str:
    """The name of the product a price belongs to."""
    product = account.anything(price["product"])
    return str(product["name"]) if product else "Product"


def units(account: Account, price: Body, quantity: int) -> str:
    """``2 × `` or ``1 user × ``: the quantity in front of the product's name."""
    product = account.anything(price["product"]) or {}
    label = product.get("unit_label")
    return f"{quantity} {label} × " if label else f"{quantity} × "


def description(account: Account, price: Body, part: Part) -> str:
    """``1 × Pro (at $25.00 / month)``, ``31 call × API (Tier 2 at $0.036 / month)``."""
    text = "" if part.is_flat_fee else units(account, price, part.quantity)
    text += product_name(account, price)
    recurring = price.get("recurring")
    if not recurring:
        return text
    tier = f"Tier {part.tier} " if part.tier is not None else ""
    return f"{text} ({tier}at {money(part.each, price['currency'])} / {interval_text(recurring)})"
