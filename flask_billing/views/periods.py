"""The span of days a usage report is about, chosen by ``?period=``. Days are UTC's."""

from __future__ import annotations

import calendar
import collections.abc as c
import dataclasses
import typing as t
from datetime import UTC, date, timedelta

from .. import clock, metering
from ..models import Customer
from ..translation import gettext as _

#: Longest span a report is made of.
LONGEST: t.Final = 366

_DAY: t.Final = timedelta(days=1)
_LAST_DAYS: t.Final = {"7d": 7, "30d": 30, "90d": 90}


class UnclearPeriodError(ValueError):
    """The period that was asked for cannot be. The text is for the person who asked."""


@dataclasses.dataclass(frozen=True)
class Period:
    """Whole days, both ends included.

    :param before: the days to compare with, as many as have passed of these.
    :param running: whether it goes on beyond today, so that its total can be projected.
    """

    key: str
    first: date
    last: date
    before: tuple[date, date]
    today: date

    @property
    def days(self) -> int:
        """How many there are."""
        return (self.last - self.first).days + 1

    @property
    def elapsed(self) -> int:
        """How many of them have begun."""
        return max(0, min(self.days, (self.today - self.first).days + 1))

    @property
    def running(self) -> bool:
        """Whether some of its days are still to come."""
        return self.first <= self.today < self.last


def choices() -> dict[str, str]:
    """What the filter offers."""
    return {
        "cycle": _("Current period"),
        "previous": _("Previous period"),
        "7d": _("Last 7 days"),
        "30d": _("Last 30 days"),
        "90d": _("Last 90 days"),
        "custom": _("Custom"),
    }


def chosen(customer: Customer, arguments: c.Mapping[str, str]) -> Period:
    """The period that a request's ``period``, ``from`` and ``to`` name.

    :raises UnclearPeriodError: for one there is not, or one too long.
    """
    key = arguments.get("period") or "cycle"
    today = clock.now().astimezone(UTC).date()

    if key not in choices():
        raise UnclearPeriodError(_("There is no such period. Choose one from the list."))

    if key in _LAST_DAYS:
        return _same_length_before(key, today - _DAY * (_LAST_DAYS[key] - 1), today, today)

    first, last = _cycle(customer, today)

    if key == "custom" and (arguments.get("from") or arguments.get("to")):
        return _custom(arguments, today)

    if key == "previous":
        first, last = _month_earlier(first), first - _DAY

    elapsed = max(1, min((last - first).days, (today - first).days) + 1)
    before = _month_earlier(first)
    return Period(
        key, first, last, (before, min(before + _DAY * (elapsed - 1), first - _DAY)), today
    )


def _custom(arguments: c.Mapping[str, str], today: date) -> Period:
    try:
        first = date.fromisoformat(arguments.get("from", ""))
        last = date.fromisoformat(arguments.get("to", ""))
    except ValueError:
        raise UnclearPeriodError(_("Give both dates, as 2026-11-30.")) from None

    if last < first:
        raise UnclearPeriodError(_("The period ends before it begins. Change one of the dates."))

    if (last - first).days >= LONGEST:
        raise UnclearPeriodError(
            _("A report covers at most %(days)s days. Choose a shorter period.", days=LONGEST)
        )

    if first.year < 2:
        raise UnclearPeriodError(_("There is no usage that old. Choose a later period."))

    return _same_length_before("custom", first, last, today)


def _same_length_before(key: str, first: date, last: date, today: date) -> Period:
    elapsed = max(1, (min(last, max(today, first)) - first).days + 1)
    start = first - ((last - first) + _DAY)
    return Period(key, first, last, (start, start + _DAY * (elapsed - 1)), today)


def _cycle(customer: Customer, today: date) -> tuple[date, date]:
    """The billing period where a limit has that window, else the calendar month."""
    for usage in metering.usages(customer):
        start, end = usage.period_start, usage.resets_at

        if usage.window == "billing_period" and start is not None and end is not None:
            first = start.astimezone(UTC).date()
            return first, max(first, (end.astimezone(UTC) - timedelta(microseconds=1)).date())

    month_days = calendar.monthrange(today.year, today.month)[1]
    return today.replace(day=1), today.replace(day=month_days)


def _month_earlier(day: date) -> date:
    year, month = (day.year, day.month - 1) if day.month > 1 else (day.year - 1, 12)
    return date(year, month, min(day.day, calendar.monthrange(year, month)[1]))
