"""The APScheduler process: runs each job at its times, in threads, for as long as it lasts."""

from __future__ import annotations

import collections.abc as c
import datetime as dt
import logging
import threading
import time
import typing as t

import sqlalchemy as sa

from .. import clock, missing_tables
from . import lease
from .running import run_job
from .schedule import last_time, trigger_of
from .table import JOBS, Job

if t.TYPE_CHECKING:
    from flask import Flask

log = logging.getLogger("flask_billing.jobs")

#: Jobs that one process runs at the same time.
_THREADS: t.Final = 4
#: How late a job may begin before its next time is waited for.
_GRACE_SECONDS: t.Final = 300
#: How often the wall clock is held against one that nobody sets.
_WATCH_SECONDS: t.Final = 15.0
#: A jump beyond this is no drift.
_JUMP_SECONDS: t.Final = 5.0
_A_SECOND: t.Final = dt.timedelta(seconds=1)


class Scheduler:
    """Runs an app's jobs beside whatever else the process does.

    At its start it runs what was missed while nobody ran it, or did not run it to the end.

    :param table: the jobs; None is all there are.
    """

    def __init__(self, app: Flask, table: c.Sequence[Job] | None = None) -> None:
        from apscheduler.executors.pool import ThreadPoolExecutor
        from apscheduler.schedulers.background import BackgroundScheduler

        self.app = app
        self._jobs = tuple(JOBS if table is None else table)
        self._stopping = threading.Event()
        self._scheduler = BackgroundScheduler(
            timezone="UTC",
            executors={"default": ThreadPoolExecutor(_THREADS)},
            job_defaults={
                "coalesce": True,
                "max_instances": 1,
                "misfire_grace_time": _GRACE_SECONDS,
            },
        )
        self._watch = threading.Thread(target=self._watch_clock, name="billing-clock", daemon=True)

    def start(self) -> None:
        """Begin, and return."""
        for job in self._jobs:
            self._scheduler.add_job(
                self._run, trigger_of(job), args=[job], id=job.name, next_run_time=clock.wall()
            )

        self._scheduler.start()
        self._watch.start()
        log.info("The scheduler runs %s jobs", len(self._jobs))

    def stop(self) -> None:
        """Start nothing more, let what runs end at its next chunk, and wait for that."""
        self._stopping.set()
        self._watch.join()  # before the jobs are gone that it may be counting anew
        self._scheduler.shutdown(wait=True)
        log.info("The scheduler has stopped")

    def recount(self) -> None:
        """Count every job's next time anew, after the clock was set.

        APScheduler keeps next times by the clock as it was: set back by an hour, it would sleep
        for one.
        """
        for job in self._jobs:
            self._scheduler.reschedule_job(job.name, trigger=trigger_of(job))

        self._scheduler.wakeup()

    def _run(self, job: Job) -> None:
        with self.app.app_context():
            try:
                tick = last_time(job, clock.wall())
                outcome = run_job(job, tick=tick, stopping=self._stopping)

                if outcome.state == "held":
                    self._look_again(job)
            except sa.exc.SQLAlchemyError as error:
                _say_why(job, error)

    def _look_again(self, job: Job) -> None:
        """Be there when the lease of who runs a job ends, should that process be dead by then."""
        ends_at = lease.ends_at(job.name)

        if ends_at is not None and not self._stopping.is_set():
            self._scheduler.add_job(
                self._run,
                "date",
                run_date=ends_at + _A_SECOND,
                args=[job],
                id=f"{job.name}, again",
                replace_existing=True,
            )

    def _watch_clock(self) -> None:
        offset = clock.wall_seconds() - time.monotonic()

        while not self._stopping.wait(_WATCH_SECONDS):
            now = clock.wall_seconds() - time.monotonic()

            if abs(now - offset) > _JUMP_SECONDS:
                log.warning("The clock was set by %+.0f seconds", now - offset)
                self.recount()

            offset = now


def _say_why(job: Job, error: sa.exc.SQLAlchemyError) -> None:
    if missing_tables.are_the_reason(error):
        log.error(
            "Job %s was not run, as the database lacks tables or columns of this version (%s). %s",
            job.name,
            type(error).__name__,
            missing_tables.ADVICE,
        )
        return

    log.error(
        "Job %s was not run, as the database does not answer (%s). It is tried at its next time.",
        job.name,
        type(error).__name__,
    )
