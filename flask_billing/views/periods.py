"""The span of days a usage report is about, chosen by ``?period=``. Days are UTC's."""

from __future__ import annotations

import calendar
import collections.abc as c
import dataclasses
import typing as t
from datetime import UTC, date, datetime, time, timedelta

from .. import clock, metering
from ..models import Customer
from ..translation import gettext as _

#: Longest span a report is made of.
LONGEST: t.Final = 366

_DAY: t.Final = timedelta(days=1)
_INSTANT: t.Final = timedelta(microseconds=1)
_LAST_DAYS: t.Final = {"7d": 7, "30d": 30, "90d": 90}


class UnclearPeriodError(ValueError):
    """The period that was asked for cannot be. The text is for the person who asked."""


@dataclasses.dataclass(frozen=True)
class Period:
    """Whole days, both ends included.

    A billing period begins and ends at a moment of a day.

    :param before: the days to compare with, as many as have passed of these.
    :param running: whether it goes on beyond today, so that its total can be projected.
    """

    key: str
    first: date
    last: date
    before: tuple[date, date]
    today: date
    #: When in its first day it begins; None is with it.
    starts_at: datetime | None = None
    #: When in its last day it has ended; None is with it.
    ends_at: datetime | None = None

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

    if key == "custom" and (arguments.get("from") or arguments.get("to")):
        return _custom(arguments, today)

    start, end = _cycle(customer, today)

    if key == "previous":
        start, end = _start_before(customer, start), start

    first, last = start.date(), max(start.date(), (end - _INSTANT).date())
    elapsed = max(1, min((last - first).days, (today - first).days) + 1)
    before = _month_earlier(first)
    return Period(
        key,
        first,
        last,
        (before, min(before + _DAY * (elapsed - 1), first - _DAY)),
        today,
        None if start == _midnight(first) else start,
        end if end < min(_midnight(last) + _DAY, clock.now()) else None,
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


def _cycle(customer: Customer, today: date) -> tuple[datetime, datetime]:
    """The billing period where a limit has that window, else the calendar month."""
    for usage in metering.usages(customer, fresh=False):
        start, end = usage.period_start, usage.resets_at

        if usage.window == "billing_period" and start is not None and end is not None:
            return start.astimezone(UTC), end.astimezone(UTC)

    first = today.replace(day=1)
    days = calendar.monthrange(today.year, today.month)[1]
    return _midnight(first), _midnight(first) + _DAY * days


def _start_before(customer: Customer, start: datetime) -> datetime:
    """When the period before the one that begins then began."""
    cycles = metering.cycle_totals(customer, start - _INSTANT)

    if cycles and cycles[0].end == start:
        return cycles[0].start.astimezone(UTC)

    return datetime.combine(_month_earlier(start.date()), start.timetz())


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _month_earlier(day: date) -> date:
    year, month = (day.year, day.month - 1) if day.month > 1 else (day.year - 1, 12)
    return date(year, month, min(day.day, calendar.monthrange(year, month)[1]))
