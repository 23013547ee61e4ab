"""One run of a job: its lease is taken, its work done in an app context, its result kept."""

from __future__ import annotations

import dataclasses
import datetime as dt
import logging
import os
import secrets
import socket
import threading
import time
import typing as t

import sqlalchemy as sa

from .. import clock
from ..errors import BillingError
from ..state import state
from . import lease
from .table import JOBS, Job

log = logging.getLogger("flask_billing.jobs")

State = t.Literal["ok", "stopped", "failed", "held"]

#: Holder -> job, result and end of a run in this process whose lease is still to be given back.
_Owed = dict[str, tuple[str, str, dt.datetime]]

#: How much of a result is kept.
_LONGEST: t.Final = 500


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of a run.

    :param state: "stopped" did a part of the work, "held" did nothing as another process is at
        it, or was since the tick.
    :param told: what the job says it did, or why it failed.
    """

    name: str
    state: State
    told: str
    seconds: float = 0.0


class Run:
    """A run that is going on. Work that comes in chunks asks it between them whether to go on.

    :param tick: the time it was due, by its schedule; None where somebody asked for it.
    :param stopping: set when the process is about to end.
    """

    def __init__(
        self,
        name: str,
        holder: str,
        lasts: dt.timedelta,
        *,
        tick: dt.datetime | None = None,
        stopping: threading.Event | None = None,
    ) -> None:
        self.name = name
        self.holder = holder
        self.tick = tick
        self.was_stopped = False
        self._lasts = lasts
        self._stopping = stopping
        self._renewed = time.monotonic()

    def goes_on(self) -> bool:
        """Renew the lease, between two chunks. False where the work should end here.

        That is when the process is stopping, or took so long that another one took over.
        """
        if self._stopping is not None and self._stopping.is_set():
            self.was_stopped = True
        elif time.monotonic() - self._renewed > self._lasts.total_seconds() / 4:
            self._renewed = time.monotonic()
            self.was_stopped = not lease.renew(self.name, self.holder, self._lasts)

        return not self.was_stopped


def run_job(
    job: Job, *, tick: dt.datetime | None = None, stopping: threading.Event | None = None
) -> Outcome:
    """Run a job now, unless another process is at it. A failure is logged and told, not raised.

    Runs in an app context of its own. What it did is kept in ``billing_job_lease``.

    :param tick: run it only if nobody did since; None runs it in any case.
    :raises sqlalchemy.exc.SQLAlchemyError: where the lease cannot be read.
    """
    current = state()
    lasts: dt.timedelta = current.app.config["BILLING_JOB_LEASE"]

    with current.app.app_context():
        owed: _Owed = current.caches.setdefault("owed_leases", {})
        _give_back(owed)
        holder = f"{socket.gethostname()[:80]}:{os.getpid()}:{secrets.token_hex(4)}"

        try:
            claimed = lease.claim(job.name, holder, lasts, tick)
        except sa.exc.SQLAlchemyError:
            # It may have been taken all the same, and only the answer be lost.
            owed[holder] = (job.name, "stopped: the database was gone", clock.wall())
            raise

        if not claimed:
            return Outcome(job.name, "held", "another process runs it, or did a moment ago")

        run = Run(job.name, holder, lasts, tick=tick, stopping=stopping)
        started = time.monotonic()
        outcome = _outcome(job, run)
        outcome = dataclasses.replace(outcome, seconds=time.monotonic() - started)
        log.info("Job %s: %s, %s", job.name, outcome.state, outcome.told)
        owed[holder] = (job.name, f"{outcome.state}: {outcome.told}"[:_LONGEST], clock.wall())

        try:
            _give_back(owed)
        except sa.exc.SQLAlchemyError as error:
            # The work is done all the same. With the next run in this process it is tried again.
            log.error(
                "The result of job %s could not be kept yet (%s)", job.name, type(error).__name__
            )

        return outcome


def run_following_clock() -> list[Outcome]:
    """Run the jobs that business time gives something to do, as after it was moved."""
    return [run_job(job) for job in JOBS if job.follows_clock]


def _outcome(job: Job, run: Run) -> Outcome:
    try:
        told = job.find_work()(run)
    except Exception as error:  # whatever it was, the job is to run again at its next time
        log.exception("Job %s failed; it runs again at its next time", job.name)
        return Outcome(job.name, "failed", _reason(error))

    return Outcome(job.name, "stopped" if run.was_stopped else "ok", told)


def _give_back(owed: _Owed) -> None:
    """Give back the leases of runs that are over, also where the database did not take that before.

    Else such a job would wait until its lease ends, though nobody runs it.
    """
    for holder, (name, result, ended_at) in list(owed.items()):
        lease.give_back(name, holder, result, ended_at)
        owed.pop(holder, None)


def _reason(error: Exception) -> str:
    # Others may quote what they stumbled over, which can be somebody's name.
    return str(error) if isinstance(error, BillingError) else type(error).__name__
