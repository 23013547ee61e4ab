"""Numbers, money and times as the reader's language writes them.

Babel is imported at the first use: its tables would double the time an app takes to start.
"""

from __future__ import annotations

import functools
import typing as t
from datetime import UTC, date, datetime, tzinfo
from decimal import ROUND_DOWN, Decimal

from .. import clock, money
from ..catalog import Meter
from ..translation import gettext as _
from ..translation import locale, ngettext

if t.TYPE_CHECKING:
    from babel import Locale

_STEPS: t.Final = ((10**9, "B"), (10**6, "M"), (10**3, "K"))


def compact(number: int | Decimal) -> str:
    """A short figure: ``7234`` -> ``7.2K``.

    Rounded down, so that 9,960 of 10,000 never reads as 10K of 10K, and in K, M and B in
    every language, because some have no short form of a thousand.
    """
    for size, letter in _STEPS:
        if number >= size:
            shown = (Decimal(number) / size).quantize(Decimal("0.1"), ROUND_DOWN)
            return f"{exact(shown)}{letter}"

    return exact(Decimal(number).quantize(Decimal("0.1"), ROUND_DOWN))


def exact(number: int | Decimal) -> str:
    """The figure in full, with the language's separators."""
    from babel.numbers import format_decimal

    return format_decimal(number, locale=_locale(), decimal_quantization=False)


def in_units(quantity: int, meter: Meter) -> int | Decimal:
    """A quantity of the meter's smallest units, in those it is shown in."""
    return quantity if meter.scale == 1 else Decimal(quantity) / meter.scale


def price(amount: int, currency: str, *, drop_zeros: bool = False) -> str:
    """An amount of minor units as money."""
    return money.format_money(amount, currency, _locale(), drop_zeros=drop_zeros)


def day(moment: datetime, timezone: str | None = None) -> str:
    """The date: ``Dec 1, 2026``."""
    from babel.dates import format_date

    return format_date(moment.astimezone(_zone(timezone)), "medium", locale=_locale())


def short_day(day: date) -> str:
    """The day without its year: ``Dec 1``."""
    from babel.dates import format_skeleton

    return format_skeleton("MMMd", datetime(day.year, day.month, day.day), locale=_locale())  # noqa: DTZ001


def short_moment(moment: datetime, timezone: str | None = None) -> str:
    """Day and time with the zone: ``Dec 1, 00:00 UTC``."""
    from babel.dates import format_skeleton, format_time

    zone = _zone(timezone)
    local = moment.astimezone(zone)
    date = format_skeleton("MMMd", local, zone, locale=_locale())
    time = format_time(local, "HH:mm", tzinfo=zone, locale=_locale())
    return f"{date}, {time} {local.tzname()}"


def until(moment: datetime) -> str:
    """How far ahead a moment is, rounded up: ``in 3 days``."""
    seconds = max(0, int((moment - clock.now()).total_seconds()))

    if seconds >= 2 * 86400:
        return ngettext("in %(num)s day", "in %(num)s days", -(-seconds // 86400))

    if seconds >= 2 * 3600:
        return ngettext("in %(num)s hour", "in %(num)s hours", -(-seconds // 3600))

    return ngettext("in %(num)s minute", "in %(num)s minutes", max(1, -(-seconds // 60)))


def interval_name(interval: str | None) -> str:
    """ "a month" or "a year", as it follows a price."""
    return {"month": _("a month"), "year": _("a year")}.get(interval or "", "")


def _locale() -> Locale:
    return _parsed(locale())


@functools.cache
def _parsed(name: str) -> Locale:
    # Given a name, Babel takes it apart anew for each figure.
    from babel import Locale

    return Locale.parse(name)


def _zone(name: str | None) -> tzinfo:
    from babel.dates import get_timezone

    if name is None:
        return UTC

    try:
        return get_timezone(name)
    except LookupError:  # a zone the customer's browser knows and this machine does not
        return UTC
