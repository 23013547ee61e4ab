"""What a price asks for a quantity, and how an invoice line words it."""

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
        "ugx",
        "vnd",
        "vuv",
        "xaf",
        "xof",
        "xpf",
    ]
)
_SYMBOLS = {"usd": "$", "eur": "€", "gbp": "£", "jpy": "¥"}


def unit_decimal(price: Body) -> Decimal:
    """The price of one unit in minor units; may hold fractions of a cent."""
    return Decimal(price.get("unit_amount_decimal") or price.get("unit_amount") or 0)


def exact_amount(price: Body, quantity: int) -> Fraction:
    """The price of a quantity before rounding."""
    transform = price.get("transform_quantity")
    if transform:
        whole, rest = divmod(quantity, transform["divide_by"])
        quantity = whole + (1 if rest and transform["round"] == "up" else 0)
    if price.get("billing_scheme") == "tiered":
        return _tiered(price, quantity)
    return Fraction(unit_decimal(price)) * quantity


def amount(price: Body, quantity: int) -> int:
    """The price of a quantity in whole minor units."""
    return rounded(exact_amount(price, quantity))


def _tiered(price: Body, quantity: int) -> Fraction:
    tiers = price["_"]["tiers"]
    total, below = Fraction(0), 0
    for tier in tiers:
        limit = tier["up_to"]
        unit = Fraction(Decimal(tier.get("unit_amount_decimal") or tier.get("unit_amount") or 0))
        flat = Fraction(Decimal(tier.get("flat_amount_decimal") or tier.get("flat_amount") or 0))
        inside = limit is None or quantity <= limit
        if price["tiers_mode"] == "volume":
            if inside:
                return unit * quantity + flat
            continue
        top = quantity if inside else limit
        if top > below or (quantity == 0 and below == 0):
            total += unit * (top - below) + flat
        if inside:
            break
        below = limit
    return total


def money(amount: int | Decimal, currency: str) -> str:
    """``$25.00``: an amount as Stripe writes it in line descriptions."""
    symbol = _SYMBOLS.get(currency, currency.upper() + " ")
    if currency in _ZERO_DECIMAL:
        return f"{symbol}{Decimal(amount):,.0f}"
    major = Decimal(amount) / 100
    places = max(2, -int(major.normalize().as_tuple().exponent)) if major else 2
    return f"{symbol}{major.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP):,}"


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


def description(account: Account, price: Body, quantity: int) -> str:
    """``1 × Pro (at $25.00 / month)``."""
    text = units(account, price, quantity) + product_name(account, price)
    if price.get("billing_scheme") == "tiered":
        return text + " (Tier 1)" if price.get("recurring") else text
    per = money(unit_decimal(price), price["currency"])
    recurring = price.get("recurring")
    return f"{text} (at {per} / {interval_text(recurring)})" if recurring else text
