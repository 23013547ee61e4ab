"""Amounts of money: integers in Stripe's minor units, and how people read them.

The lists are Stripe's (docs.stripe.com/currencies): a zero-decimal currency is charged in
whole units, a three-decimal one in thousandths, though only in tens of them, and ISK and UGX are
sent with two decimals although nothing smaller than one unit exists.
"""

from __future__ import annotations

import typing as t
from decimal import Decimal

if t.TYPE_CHECKING:
    from babel import Locale

ZERO_DECIMAL: t.Final = frozenset(
    "bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf".split()  # noqa: SIM905
)
THREE_DECIMAL: t.Final = frozenset(["bhd", "jod", "kwd", "omr", "tnd"])
#: Sent with two decimals that are always 0.
WHOLE_IN_HUNDREDTHS: t.Final = frozenset(["isk", "ugx"])


def exponent(currency: str) -> int:
    """How many decimals Stripe's minor unit of this currency stands for."""
    code = currency.lower()

    if code in ZERO_DECIMAL:
        return 0

    return 3 if code in THREE_DECIMAL else 2


def charged_in(currency: str) -> int:
    """The minor units of which Stripe only charges multiples in this currency."""
    code = currency.lower()

    if code in WHOLE_IN_HUNDREDTHS:
        return 100

    return 10 if code in THREE_DECIMAL else 1


def to_decimal(amount: int, currency: str) -> Decimal:
    """Minor units as a decimal number of the currency's unit."""
    return Decimal(amount).scaleb(-exponent(currency))


def format_money(
    amount: int, currency: str, locale: str | Locale = "en_US", *, drop_zeros: bool = False
) -> str:
    """The amount as people of that locale write it: ``4900, "usd"`` -> ``$49.00``.

    :param amount: minor units.
    :param drop_zeros: ``$49`` instead of ``$49.00`` where the amount is whole.
    """
    from babel.numbers import format_currency

    value = to_decimal(amount, currency)

    if drop_zeros and value == value.to_integral_value():
        return format_currency(
            value,
            currency.upper(),
            locale=locale,
            format=_whole_pattern(locale),
            currency_digits=False,
        )

    return format_currency(value, currency.upper(), locale=locale)


def format_rate(amount: Decimal, currency: str, locale: str | Locale = "en_US") -> str:
    """An amount that may hold fractions of the minor unit, all digits of it: ``$0.036``, ``$9``.

    :param amount: minor units.
    """
    from babel.numbers import format_currency

    value = amount.scaleb(-exponent(currency))

    if amount == amount.to_integral_value():
        return format_money(int(amount), currency, locale, drop_zeros=True)

    return format_currency(value, currency.upper(), locale=locale, decimal_quantization=False)


def _whole_pattern(locale: str | Locale) -> str:
    from babel import Locale

    pattern: str = Locale.parse(locale).currency_formats["standard"].pattern
    return pattern.replace("0.00", "0")


def monthly_share(yearly_amount: int) -> int:
    """What a yearly price comes to a month, in minor units, to the nearest."""
    return (2 * yearly_amount + 12) // 24


def yearly_saving(monthly_amount: int, yearly_amount: int) -> int:
    """What paying by the year saves against twelve months, in minor units."""
    return 12 * monthly_amount - yearly_amount


def saving_percent(monthly_amount: int, yearly_amount: int) -> int:
    """The saving as a whole percent of twelve months; rounded down, so it is never overstated."""
    if monthly_amount <= 0:
        return 0

    return max(0, 100 * yearly_saving(monthly_amount, yearly_amount) // (12 * monthly_amount))
