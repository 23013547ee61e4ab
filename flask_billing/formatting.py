"""Numbers, money and times as the reader's language writes them.

Babel is imported at the first use: its tables would double the time an app takes to start.
"""

from __future__ import annotations

import functools
import typing as t
from datetime import UTC, date, datetime, tzinfo
from decimal import ROUND_DOWN, Decimal

from flask import current_app

from . import clock, money
from .catalog import Meter
from .translation import gettext as _
from .translation import locale, ngettext

if t.TYPE_CHECKING:
    from babel import Locale

_STEPS: t.Final = ((10**9, "B"), (10**6, "M"), (10**3, "K"))


def compact(number: int | Decimal) -> str:
    """A short figure: ``7234`` -> ``7.2K``.

    Rounded down, so that 9,960 of 10,000 never reads as 10K of 10K, and in K, M and B in
    every language, because some have no short form of a thousand.
    """
    return _short(number, locale())


def exact(number: int | Decimal) -> str:
    """The figure in full, with the language's separators."""
    return _written(number, locale())


def in_units(quantity: int, meter: Meter) -> int | Decimal:
    """A quantity of the meter's smallest units, in those it is shown in."""
    return quantity if meter.scale == 1 else Decimal(quantity) / meter.scale


def price(amount: int, currency: str, *, drop_zeros: bool = False) -> str:
    """An amount of minor units as money."""
    return _money(amount, currency, locale(), drop_zeros)


def taxed_price(amount: int, currency: str) -> str:
    """A price that will be charged, with what the host says of taxes: ``$99.00 plus tax``."""
    phrase: str | None = current_app.config["BILLING_TAX_PHRASE"]
    found = price(amount, currency)
    return _("%(price)s %(tax)s", price=found, tax=phrase) if phrase else found


def rate(amount: Decimal, currency: str) -> str:
    """An amount of minor units and fractions of them as money, with all its digits."""
    return money.format_rate(amount, currency, _parsed(locale()))


def day(moment: datetime, timezone: str | None = None) -> str:
    """The date: ``Dec 1, 2026``."""
    return _date(moment.astimezone(_zone(timezone)).date(), locale())


def short_day(day: date) -> str:
    """The day without its year: ``Dec 1``."""
    return _month_and_day(day, locale())


def period(first: date, last: date) -> str:
    """Days in a row: ``Nov 30 – Dec 30, 2026``."""
    return f"{short_day(first)} \N{EN DASH} {_year_month_day(last, locale())}"


def full_moment(moment: datetime, timezone: str | None = None) -> str:
    """Date and time with the zone: ``Dec 1, 2026, 00:00 UTC``."""
    local = moment.astimezone(_zone(timezone))
    return f"{_date(local.date(), locale())}, {local:%H:%M} {local.tzname()}"


def short_moment(moment: datetime, timezone: str | None = None) -> str:
    """Day and time with the zone: ``Dec 1, 00:00 UTC``."""
    local = moment.astimezone(_zone(timezone))
    return f"{short_day(local.date())}, {local:%H:%M} {local.tzname()}"


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


@functools.cache
def _parsed(name: str) -> Locale:
    # Given a name, Babel takes it apart anew for each figure.
    from babel import Locale

    return Locale.parse(name)


# Pages say the same again and again: a report in its bars, their titles and its table.
@functools.lru_cache(maxsize=4096, typed=True)
def _written(number: int | Decimal, locale: str) -> str:
    from babel.numbers import format_decimal

    return format_decimal(number, locale=_parsed(locale), decimal_quantization=False)


@functools.lru_cache(maxsize=4096)
def _short(number: int | Decimal, locale: str) -> str:
    for size, letter in _STEPS:
        if number >= size:
            shown = (Decimal(number) / size).quantize(Decimal("0.1"), ROUND_DOWN)
            return f"{_written(shown, locale)}{letter}"

    return _written(Decimal(number).quantize(Decimal("0.1"), ROUND_DOWN), locale)


@functools.lru_cache(maxsize=4096)
def _money(amount: int, currency: str, locale: str, drop_zeros: bool) -> str:
    return money.format_money(amount, currency, _parsed(locale), drop_zeros=drop_zeros)


@functools.lru_cache(maxsize=1024)
def _date(day: date, locale: str) -> str:
    from babel.dates import format_date

    return format_date(day, "medium", locale=_parsed(locale))


@functools.lru_cache(maxsize=1024)
def _month_and_day(day: date, locale: str) -> str:
    return _skeleton("MMMd", day, locale)


@functools.lru_cache(maxsize=1024)
def _year_month_day(day: date, locale: str) -> str:
    return _skeleton("yMMMd", day, locale)


def _skeleton(name: str, day: date, locale: str) -> str:
    from babel.dates import format_skeleton

    midnight = datetime(day.year, day.month, day.day)  # noqa: DTZ001  (only its day is written)
    return format_skeleton(name, midnight, locale=_parsed(locale))


def _zone(name: str | None) -> tzinfo:
    if name is None:
        return UTC

    from babel.dates import get_timezone

    try:
        return get_timezone(name)
    except LookupError:  # a zone the customer's browser knows and this machine does not
        return UTC
