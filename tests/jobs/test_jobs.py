"""Running one job: its lease, its result, and what goes wrong."""

from __future__ import annotations

import collections.abc as c
import dataclasses
import re
import threading
import typing as t
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from flask_billing import clock, jobs, payment_methods
from flask_billing.errors import BillingError
from flask_billing.jobs import Job, Outcome, Run, run_job
from flask_billing.jobs.reading import overview
from flask_billing.jobs.schedule import last_time, next_time
from flask_billing.jobs.scheduler import Scheduler
from flask_billing.models import CustomerChange, JobLease

from ..host import Host
from ..views.person import Person
from .test_processes import wait_until

HOURLY = {"minute": "17"}


def noted(calls: list[Run]) -> Job:
    """A job that notes its runs."""

    def work(run: Run) -> str:
        calls.append(run)
        return f"run {len(calls)}"

    return Job("noted", HOURLY, work, "note its runs")


def run(host: Host, job: Job, **options: t.Any) -> Outcome:
    with host.app.app_context():
        return run_job(job, **options)


def change_lease(host: Host, **values: object) -> None:
    with host.app.app_context():
        host.db.session.execute(sa.update(JobLease).values(**values))
        host.db.session.commit()


def test_a_tick_is_run_once_and_by_request_again(any_host: Host) -> None:
    calls: list[Run] = []
    job, tick = noted(calls), datetime.now(UTC) - timedelta(seconds=1)

    told = [run(any_host, job, tick=tick), run(any_host, job, tick=tick), run(any_host, job)]

    assert [one.state for one in told] == ["ok", "held", "ok"]
    assert len(calls) == 2
    [row] = any_host.rows(JobLease)
    assert (row.holder, row.expires_at, row.last_result) == (None, None, "ok: run 2")
    assert row.last_started_at <= row.last_finished_at


def test_nobody_else_runs_it_meanwhile(any_host: Host) -> None:
    met: list[Outcome] = []

    def work(running: Run) -> str:
        met.append(run(any_host, job))
        return "done"

    job = Job("alone", HOURLY, work, "try itself again")
    assert run(any_host, job).state == "ok"
    assert [one.state for one in met] == ["held"]


def test_a_holder_that_died_is_replaced_when_its_lease_is_over(any_host: Host) -> None:
    calls: list[Run] = []
    job = noted(calls)
    run(any_host, job)
    soon, ago = (datetime.now(UTC) + timedelta(seconds=span) for span in (60, -1))
    change_lease(any_host, holder="gone", expires_at=soon)
    assert run(any_host, job).state == "held"

    change_lease(any_host, expires_at=ago)
    assert run(any_host, job).state == "ok"


def test_the_clock_set_back_holds_no_job_up(any_host: Host) -> None:
    calls: list[Run] = []
    job = noted(calls)
    run(any_host, job)
    in_an_hour = datetime.now(UTC) + timedelta(hours=1)
    change_lease(any_host, holder="gone", expires_at=in_an_hour, last_started_at=in_an_hour)

    assert run(any_host, job, tick=datetime.now(UTC)).state == "ok"


def test_clocks_some_seconds_apart_run_a_tick_once(any_host: Host) -> None:
    calls: list[Run] = []
    job = noted(calls)
    run(any_host, job)
    ahead = datetime.now(UTC) + timedelta(seconds=40)
    change_lease(any_host, last_started_at=ahead, last_finished_at=ahead)

    assert run(any_host, job, tick=datetime.now(UTC)).state == "held"


def test_a_job_that_raises_is_told_and_runs_again(
    any_host: Host, caplog: pytest.LogCaptureFixture
) -> None:
    errors: list[Exception] = [ValueError("ada@example.com"), BillingError("Stripe is away.")]

    def work(running: Run) -> str:
        if errors:
            raise errors.pop(0)

        return "done"

    job = Job("failing", HOURLY, work, "fail twice")
    told = [run(any_host, job) for _ in range(3)]

    assert [(one.state, one.told) for one in told] == [
        ("failed", "ValueError"),
        ("failed", "Stripe is away."),
        ("ok", "done"),
    ]
    assert "ada@example.com" in caplog.text, "the log has the traceback"
    [row] = any_host.rows(JobLease)
    assert (row.holder, row.last_result) == (None, "ok: done")


def test_beside_a_job_that_raises_the_others_go_on(any_host: Host) -> None:
    calls: list[Run] = []
    failures: list[Run] = []

    def fail(running: Run) -> str:
        failures.append(running)
        raise ValueError

    every_second = {"second": "*"}
    failing = Job("failing", every_second, fail, "fail")
    going = dataclasses.replace(noted(calls), cron=every_second)
    scheduler = Scheduler(any_host.app, (failing, going))
    scheduler.start()

    try:
        wait_until(lambda: len(failures) > 2 and len(calls) > 2)
    finally:
        scheduler.stop()

    told = {row.name: row.last_result.partition(":")[0] for row in any_host.rows(JobLease)}
    assert told == {"failing": "failed", "noted": "ok"}


def test_what_cannot_be_finished_keeps_no_other_kind_waiting(
    any_host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = Person(any_host)
    person.open("/billing/address")

    with any_host.sandbox.outage():
        person.press("/billing/address", name="Ada", email="ada@b.example")

    def fail() -> int:
        raise ZeroDivisionError

    monkeypatch.setattr(payment_methods, "finish_open", fail)
    later = clock.wall() + timedelta(hours=1)
    monkeypatch.setattr(clock, "wall", lambda: later)
    outcome = run(any_host, jobs.find_job("open-intents"))

    assert outcome.state == "failed"
    assert outcome.told.startswith("Finished 1; those of payment methods could not be.")
    assert [row.state for row in any_host.rows(CustomerChange)] == ["done"]


def test_long_work_renews_its_lease_and_ends_where_another_took_over(any_host: Host) -> None:
    any_host.app.config["BILLING_JOB_LEASE"] = timedelta(milliseconds=40)
    seen: list[datetime] = []

    def work(running: Run) -> str:
        seen.append(any_host.rows(JobLease)[0].expires_at)
        wait_until(lambda: running.goes_on() and any_host.rows(JobLease)[0].expires_at > seen[0])
        change_lease(any_host, holder="another")
        wait_until(lambda: not running.goes_on())
        return "a part"

    told = run(any_host, Job("long", HOURLY, work, "take long"))

    assert (told.state, told.told) == ("stopped", "a part")
    [row] = any_host.rows(JobLease)
    assert (row.holder, row.last_result) == ("another", None), "that one's run is not ended by us"


def test_work_ends_between_chunks_when_the_process_stops(host: Host) -> None:
    stopping = threading.Event()

    def work(running: Run) -> str:
        chunks = 0

        while running.goes_on():
            chunks += 1
            stopping.set()

        return f"{chunks} chunk"

    told = run(host, Job("chunks", HOURLY, work, "go on"), stopping=stopping)
    assert (told.state, told.told) == ("stopped", "1 chunk")


def test_a_database_that_is_gone_is_met_again_at_the_next_tick(
    make_app: c.Callable[..., Host], postgres_url: str
) -> None:
    host = make_app(postgres_url)
    calls: list[Run] = []
    scheduler = Scheduler(host.app, (dataclasses.replace(noted(calls), cron={"second": "*"}),))
    server, name = sa.make_url(postgres_url).set(database="postgres"), sa.make_url(postgres_url)
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT")
    scheduler.start()

    try:
        wait_until(lambda: calls)

        with engine.connect() as connection:
            connection.execute(sa.text(f"ALTER DATABASE {name.database} ALLOW_CONNECTIONS false"))
            of_database = "FROM pg_stat_activity WHERE datname = :name"
            connection.execute(
                sa.text(f"SELECT pg_terminate_backend(pid) {of_database}"),
                {"name": name.database},
            )
            seen = len(calls)
            threading.Event().wait(2.5)
            assert len(calls) <= seen + 1
            connection.execute(sa.text(f"ALTER DATABASE {name.database} ALLOW_CONNECTIONS true"))

        wait_until(lambda: len(calls) >= seen + 3)
    finally:
        scheduler.stop()
        engine.dispose()


def test_the_scheduler_counts_anew_when_the_clock_was_set_back(host: Host) -> None:
    calls: list[Run] = []
    scheduler = Scheduler(host.app, (dataclasses.replace(noted(calls), cron={"second": "*"}),))
    scheduler.start()

    try:
        wait_until(lambda: calls)
        # What APScheduler plans by a clock that was an hour ahead.
        scheduler._scheduler.modify_job(
            "noted", next_run_time=datetime.now(UTC) + timedelta(hours=1)
        )
        seen = len(calls)
        scheduler.recount()
        wait_until(lambda: len(calls) > seen + 1)
    finally:
        scheduler.stop()


def test_a_worker_runs_at_its_start_what_was_missed(host: Host) -> None:
    calls: list[Run] = []
    job = noted(calls)
    run(host, job)
    change_lease(host, last_started_at=datetime.now(UTC) - timedelta(hours=3))

    for _ in range(2):
        scheduler = Scheduler(host.app, (job,))
        scheduler.start()
        wait_until(lambda: len(calls) > 1)
        scheduler.stop()

    assert len(calls) in (2, 3), "once, though the worker began twice"
    assert calls[1].tick is not None
    assert calls[1].tick.minute == 17


@pytest.mark.parametrize("ended", ["killed", "stopped"])
def test_what_was_left_undone_is_not_left_to_the_next_night(any_host: Host, ended: str) -> None:
    calls: list[Run] = []
    job = dataclasses.replace(noted(calls), cron={"hour": "0", "minute": "0"})
    run(any_host, job)

    if ended == "killed":
        soon = datetime.now(UTC) + timedelta(seconds=1)
        change_lease(any_host, holder="gone", expires_at=soon, last_finished_at=None)
    else:
        change_lease(any_host, last_result="stopped: compared 100, stopped before the end")

    for _ in range(2):
        scheduler = Scheduler(any_host.app, (job,))
        scheduler.start()
        wait_until(lambda: len(calls) == 2)
        scheduler.stop()

    [row] = any_host.rows(JobLease)
    assert (row.holder, row.last_result) == (None, "ok: run 2")


def test_times_of_a_schedule() -> None:
    job = Job("daily", {"hour": "3", "minute": "23"}, "none", "-")
    at = datetime(2026, 11, 29, 3, 23, tzinfo=UTC)

    assert last_time(job, at) == at
    assert last_time(job, at - timedelta(seconds=1)) == at - timedelta(days=1)
    assert next_time(job, at) == at + timedelta(days=1)
    assert last_time(Job("hourly", HOURLY, "none", "-"), at) == at.replace(minute=17)


def test_the_documentation_lists_every_job() -> None:
    page = Path(__file__).parents[2] / "docs" / "jobs.md"
    listed = re.findall(r"^\| `([a-z-]+)` \|", page.read_text(), flags=re.M)

    assert listed == [job.name for job in jobs.JOBS]


@pytest.mark.parametrize("job", jobs.JOBS, ids=lambda job: job.name)
def test_every_job_runs_on_an_empty_database(any_host: Host, job: Job) -> None:
    assert run(any_host, job).state == "ok"


def test_the_overview_tells_what_is_late_failed_or_killed(host: Host) -> None:
    with host.app.app_context():
        assert all(status.late and status.result is None for status in overview())
        sweep = jobs.find_job("reservation-sweep")
        run_job(sweep)
        [status] = [one for one in overview() if one.job is sweep]
        assert (status.late, status.failed, status.running) == (False, False, None)
        assert status.result == "ok: let go of 0"
        assert status.duration is not None
        assert status.next_at is not None

        hour = datetime.now(UTC) - timedelta(hours=1)
        change_lease(host, holder="gone", last_started_at=hour, last_finished_at=None)
        [status] = [one for one in overview() if one.job is sweep]
        assert (status.late, status.running, status.duration) == (True, None, None)
        assert "killed" in str(status.result)
