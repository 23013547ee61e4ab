"""The one place where a share of a price becomes whole minor units."""

from decimal import Decimal
from fractions import Fraction
from math import ceil


def rounded(amount: Fraction) -> int:
    """Round to the nearest unit, ties toward minus infinity (stripe-facts, section 5)."""
    return ceil(amount - Fraction(1, 2))


def share(amount: int | Decimal | Fraction, start: int, end: int, moment: int) -> int:
    """What of ``amount`` for the period (start, end) falls after ``moment``, by the second."""
    if end <= start:
        return 0
    fraction = Fraction(min(max(end - moment, 0), end - start), end - start)
    return rounded(Fraction(amount) * fraction)
