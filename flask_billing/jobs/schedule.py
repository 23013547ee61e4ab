"""When a job is due, by its cron fields."""

from __future__ import annotations

import datetime as dt
import functools
import typing as t

if t.TYPE_CHECKING:
    from .table import Job

#: How far back to look for the last time, the nearest first: most jobs run often.
_LOOKS_BACK: t.Final = (
    dt.timedelta(seconds=10),
    dt.timedelta(minutes=2),
    dt.timedelta(hours=2),
    dt.timedelta(days=2),
    dt.timedelta(days=32),
    dt.timedelta(days=367),
)


class Trigger(t.Protocol):
    """What of an APScheduler trigger is used here."""

    def get_next_fire_time(
        self, previous_fire_time: dt.datetime | None, now: dt.datetime
    ) -> dt.datetime | None:
        """The first time from ``now`` on, or after the previous one."""


def trigger_of(job: Job) -> Trigger:
    """The trigger of a job, in UTC."""
    return _trigger(tuple(sorted(job.cron.items())))


def next_time(job: Job, after: dt.datetime) -> dt.datetime | None:
    """When a job is due next, after a moment."""
    return trigger_of(job).get_next_fire_time(None, after + dt.timedelta(microseconds=1))


def last_time(job: Job, until: dt.datetime) -> dt.datetime | None:
    """When a job was due last, up to a moment; None where that is more than a year ago."""
    for back in _LOOKS_BACK:
        found, moment = None, next_time(job, until - back)

        while moment is not None and moment <= until:
            found, moment = moment, next_time(job, moment)

        if found is not None:
            return found

    return None


@functools.lru_cache(maxsize=64)
def _trigger(cron: tuple[tuple[str, str], ...]) -> Trigger:
    from apscheduler.triggers.cron import CronTrigger

    return t.cast("Trigger", CronTrigger(**dict(cron), timezone=dt.UTC))
