"""Which counter a moment belongs to: a pure function of window, anchor, zone and time.

A period is part of its counter's key. A reset is therefore the arrival of a new key: it needs
no job, cannot be late, and leaves the old counter as history.
"""

from __future__ import annotations

import bisect
import calendar
import collections.abc as c
import dataclasses
import hashlib
import typing as t
from datetime import UTC, date, datetime, timedelta, tzinfo

from ..catalog import Window

#: The least that two moments differ by.
TICK: t.Final = timedelta(microseconds=1)
#: How the keys of a window's counters begin.
PREFIXES: t.Final[dict[Window, str]] = {
    "hour": "h:",
    "day": "d:",
    "week": "w:",
    "month": "m:",
    "billing_period": "b:",
    "lifetime": "life",
}
#: A member id longer than this enters a key as its digest, so that keys fit their column.
_LONGEST_MEMBER = 32


@dataclasses.dataclass(frozen=True, slots=True)
class Bucket:
    """One counter's key and the period it counts, from ``start`` up to before ``end`` (UTC).

    :param start: None where there is no beginning.
    :param end: None where it never resets.
    """

    key: str
    start: datetime | None
    end: datetime | None

    def holds(self, at: datetime) -> bool:
        """Whether a moment lies in the period."""
        return (self.start is None or self.start <= at) and (self.end is None or at < self.end)


@dataclasses.dataclass(frozen=True, slots=True)
class Epoch:
    """What lies between two resets by an admin.

    :param number: how many resets there were before; 0 before the first.
    :param starts_at: None before the first.
    :param ends_at: when the next reset came; None where there is none.
    """

    number: int
    starts_at: datetime | None
    ends_at: datetime | None = None


def epoch_at(resets: c.Sequence[datetime], at: datetime) -> Epoch | None:
    """The epoch a moment lies in; None where nothing was ever reset.

    :param resets: ascending.
    """
    if not resets:
        return None

    number = bisect.bisect_right(resets, at)
    return Epoch(
        number,
        resets[number - 1] if number else None,
        resets[number] if number < len(resets) else None,
    )


def bucket_for(
    window: Window,
    at: datetime,
    *,
    anchor: datetime,
    zone: tzinfo = UTC,
    trial: tuple[datetime, datetime] | None = None,
    epoch: Epoch | None = None,
    member: str | None = None,
) -> Bucket:
    """The bucket that a moment belongs to.

    :param at: an aware time.
    :param anchor: where billing periods are counted from; may lie after ``at``.
    :param zone: whose midnights begin days, weeks and months.
    :param trial: start and end of a trial, which is one billing period whatever its length.
    :param member: for a limit that each member has of their own.
    """
    at = at.astimezone(UTC)

    if window == "billing_period":
        found = _trial(trial, at) or _billing_period(anchor.astimezone(UTC), at)
    elif window == "lifetime":
        found = Bucket("life", None, None)
    elif window == "hour":
        start = at.replace(minute=0, second=0, microsecond=0)
        found = Bucket(f"h:{start:%Y-%m-%dT%HZ}", start, start + timedelta(hours=1))
    else:
        found = _calendar(window, at, zone)

    return _marked(found, epoch, member)


def add_months(anchor: datetime, months: int) -> datetime:
    """The anchor moved by calendar months, its day clamped to the month: 31 Jan, 28 Feb, 31 Mar."""
    month = anchor.year * 12 + anchor.month - 1 + months
    year, month = divmod(month, 12)
    day = min(anchor.day, calendar.monthrange(year, month + 1)[1])
    return anchor.replace(year=year, month=month + 1, day=day)


def _billing_period(anchor: datetime, at: datetime) -> Bucket:
    months = (at.year - anchor.year) * 12 + at.month - anchor.month

    if add_months(anchor, months) > at:
        months -= 1

    start = add_months(anchor, months)
    return Bucket(_billing_key(start), start, add_months(anchor, months + 1))


def _trial(trial: tuple[datetime, datetime] | None, at: datetime) -> Bucket | None:
    if trial is None or not trial[0] <= at < trial[1]:
        return None

    return Bucket(_billing_key(trial[0].astimezone(UTC)), *trial)


def _billing_key(start: datetime) -> str:
    return f"b:{start:%Y-%m-%dT%H:%M:%SZ}" if start.second else f"b:{start:%Y-%m-%dT%H:%MZ}"


def _calendar(window: Window, at: datetime, zone: tzinfo) -> Bucket:
    first = _first_day(window, at.astimezone(zone).date())
    start, following = _midnight(first, zone), _following(window, first)

    # Clocks that went back over midnight show yesterday's date once more. The new day goes on.
    while at >= (end := _midnight(following, zone)):
        first, start, following = following, end, _following(window, following)

    return Bucket(_calendar_key(window, first), start, end)


def _first_day(window: Window, day: date) -> date:
    if window == "week":
        return day - timedelta(days=day.weekday())

    return day.replace(day=1) if window == "month" else day


def _following(window: Window, first: date) -> date:
    if window == "month":
        return date(first.year + first.month // 12, first.month % 12 + 1, 1)

    return first + timedelta(days=7 if window == "week" else 1)


def _calendar_key(window: Window, first: date) -> str:
    if window == "week":
        return f"w:{first:%G-W%V}"

    return f"m:{first:%Y-%m}" if window == "month" else f"d:{first:%Y-%m-%d}"


def _midnight(day: date, zone: tzinfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def _marked(bucket: Bucket, epoch: Epoch | None, member: str | None) -> Bucket:
    key, start, end = bucket.key, bucket.start, bucket.end

    if epoch is not None:
        if epoch.starts_at is not None:
            key = f"{key}#{epoch.number}"
            start = epoch.starts_at if start is None else max(start, epoch.starts_at)

        if epoch.ends_at is not None:
            end = epoch.ends_at if end is None else min(end, epoch.ends_at)

    if member is not None:
        key = f"{key}|member={member_mark(member)}"

    return Bucket(key, start, end)


def unmarked(key: str) -> str:
    """A bucket's key without the marks of a reset and of a member."""
    return key.partition("|")[0].partition("#")[0]


def resets_before(key: str) -> int:
    """How many resets by an admin came before a bucket, by its key."""
    return int(key.partition("|")[0].partition("#")[2] or 0)


def member_mark(member: str) -> str:
    """A member as a bucket's key names them."""
    if len(member) <= _LONGEST_MEMBER:
        return member

    return hashlib.sha256(member.encode()).hexdigest()[:_LONGEST_MEMBER]
