"""The clock is set by an hour while the scheduler runs: no job starves, and none runs in a loop."""

from __future__ import annotations

import collections.abc as c
import datetime as dt
import threading
import time

import apscheduler.executors.base
import apscheduler.schedulers.base
import pytest

from flask_billing import clock
from flask_billing.jobs import Job, Run, scheduler
from flask_billing.jobs.scheduler import Scheduler
from flask_billing.models import JobLease

from ..host import Host
from ..patience import PATIENCE
from .test_processes import wait_until

HOUR = dt.timedelta(hours=1)


class Machine:
    """This machine's wall clock, which can be set. Nobody sets its monotonic one."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.ahead = dt.timedelta(0)
        machine = self

        class Datetime(dt.datetime):
            """What APScheduler asks for the time."""

            @classmethod
            def now(cls, tz: dt.tzinfo | None = None) -> Datetime:
                return cls.fromtimestamp(time.time() + machine.ahead.total_seconds(), tz)

        for module in (apscheduler.schedulers.base, apscheduler.executors.base):
            patch.setattr(module, "datetime", Datetime)

        patch.setattr(clock, "wall", lambda: dt.datetime.now(dt.UTC) + self.ahead)
        patch.setattr(clock, "wall_seconds", lambda: time.time() + self.ahead.total_seconds())
        patch.setattr(scheduler, "_WATCH_SECONDS", 0.05)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


@pytest.mark.parametrize("jumps", [(-HOUR, HOUR), (HOUR, -HOUR)], ids=["back", "forward"])
def test_each_tick_is_run_once_however_the_clock_is_set(
    any_host: Host, machine: Machine, jumps: c.Sequence[dt.timedelta]
) -> None:
    ticks: list[dt.datetime | None] = []

    def note(run: Run) -> str:
        ticks.append(run.tick)
        return "noted"

    running = Scheduler(any_host.app, (Job("noted", {"second": "*"}, note, "note"),))
    running.start()

    try:
        wait_until(lambda: len(ticks) > 1)

        for jump in jumps:
            machine.ahead += jump
            since, before = clock.wall().replace(microsecond=0), list(ticks)
            ticks.clear()
            wait_until(lambda: len(ticks) > 2)
            # What was under way may be of the time before.
            assert all(tick and since <= tick <= clock.wall() for tick in ticks[1:]), "in its time"
            assert len({*before, *ticks}) >= len(before) + len(ticks) - 1, "each once"
    finally:
        running.stop()


def test_a_job_that_runs_meanwhile_ends_and_gives_its_lease_back(
    any_host: Host, machine: Machine
) -> None:
    began, may_end = threading.Event(), threading.Event()
    ended: list[bool] = []

    def take_long(run: Run) -> str:
        began.set()
        may_end.wait(PATIENCE)
        ended.append(run.goes_on())
        return "done"

    # It begins with the scheduler, and is due again in half an hour.
    due = {"minute": str((clock.wall().minute + 30) % 60)}
    running = Scheduler(any_host.app, (Job("long", due, take_long, "take long"),))
    running.start()

    try:
        wait_until(began.is_set)
        machine.ahead -= HOUR
        may_end.set()
        wait_until(lambda: ended and any_host.rows(JobLease)[0].holder is None)
    finally:
        may_end.set()
        running.stop()

    [lease] = any_host.rows(JobLease)
    assert (lease.expires_at, lease.last_result) == (None, "ok: done")
