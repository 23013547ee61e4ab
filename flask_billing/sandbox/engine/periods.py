"""Billing periods: they start at the anchor and keep its day of the month."""

from calendar import monthrange
from datetime import UTC, datetime, timedelta

from flask_billing.sandbox.settings import DAY

_APPROXIMATE = {"day": DAY, "week": 7 * DAY, "month": 30 * DAY, "year": 365 * DAY}


def boundary(anchor: int, interval: str, count: int, number: int) -> int:
    """The end of the ``number``-th period after the anchor, in epoch seconds.

    Counted from the anchor, not from the period before: 31 January, 28 February, 31 March.
    """
    steps = count * number
    start = datetime.fromtimestamp(anchor, UTC)
    if interval in {"day", "week"}:
        days = steps * (7 if interval == "week" else 1)
        return int((start + timedelta(days=days)).timestamp())
    months = start.month - 1 + steps * (12 if interval == "year" else 1)
    year, month = start.year + months // 12, months % 12 + 1
    day = min(start.day, monthrange(year, month)[1])
    return int(start.replace(year=year, month=month, day=day).timestamp())


def period_containing(anchor: int, interval: str, count: int, moment: int) -> tuple[int, int]:
    """The period (start, end) that holds a moment; a moment on a boundary starts a period."""
    number = (moment - anchor) // (_APPROXIMATE[interval] * count)
    while boundary(anchor, interval, count, number) > moment:
        number -= 1
    while boundary(anchor, interval, count, number + 1) <= moment:
        number += 1
    return (
        boundary(anchor, interval, count, number),
        boundary(anchor, interval, count, number + 1),
    )
