"""``BILLING_SCHEDULER = "embedded"``: jobs run where requests are answered, and only there."""

from __future__ import annotations

import collections.abc as c
import importlib.util
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

from flask_billing import clock
from flask_billing.jobs import JOBS
from flask_billing.models import JobLease

from ..conftest import unavailable
from ..host import CATALOGS, Host
from ..patience import PATIENCE
from .test_processes import lines, wait_until

#: Job that is due once a day, and not while the tests here may run.
DAILY = "expiring-cards" if clock.wall().hour in (3, 4) else "inbox-pruning"

APP = f"""
import logging, os
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from flask_billing import Billing

FOLDER = os.path.dirname(os.path.abspath(__file__))
log = logging.getLogger("flask_billing.jobs")
log.setLevel(logging.INFO)
handler = logging.FileHandler(os.path.join(FOLDER, "log"))
handler.setFormatter(logging.Formatter("%(process)d %(message)s"))
log.addHandler(handler)

app = Flask("served")
app.config.update(
    SECRET_KEY="x",
    SQLALCHEMY_DATABASE_URI=os.environ["DATABASE_URL"],
    BILLING_SCHEDULER="embedded",
    BILLING_SPOOL=None,
)
db = SQLAlchemy(app)
Billing(app, db=db, catalog={str(CATALOGS / "ladder.toml")!r})
"""

FORKING = (
    APP
    + """
import signal

def serve(number):
    app.test_client().get("/nothing")
    open(os.path.join(FOLDER, f"served-{number}"), "w").close()
    signal.pause()

if __name__ == "__main__":
    # As a server that loads the app and forks its workers afterwards.
    children = []
    signal.signal(signal.SIGTERM, lambda *_: [os.kill(child, 15) for child in children])

    for number in range(3):
        child = os.fork()

        if child == 0:
            signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
            serve(number)
            os._exit(0)

        children.append(child)

    for child in children:
        os.waitpid(child, 0)
"""
)


def started(folder: Path) -> list[str]:
    """The processes that began to run jobs."""
    return [line.split()[0] for line in lines(folder / "log") if "The scheduler runs" in line]


def ran(folder: Path, job: str) -> list[str]:
    """The processes that ran a job."""
    return [line.split()[0] for line in lines(folder / "log") if f"Job {job}: ok" in line]


def test_workers_that_are_forked_later_share_the_jobs(
    make_app: c.Callable[..., Host], database_url: str, tmp_path: Path
) -> None:
    host = make_app(database_url)
    (tmp_path / "served.py").write_text(FORKING)
    server = subprocess.Popen(
        [sys.executable, tmp_path / "served.py"],
        env={**os.environ, "DATABASE_URL": database_url},
    )

    try:
        wait_until(lambda: len(started(tmp_path)) == 3)
        wait_until(lambda: all((tmp_path / f"served-{n}").exists() for n in range(3)))
        wait_until(lambda: ran(tmp_path, DAILY) and ran(tmp_path, "outbox"))
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(PATIENCE)

    assert len(set(started(tmp_path))) == 3, "each worker offers to run them"
    assert str(server.pid) not in started(tmp_path), "the parent serves nobody"
    assert len(ran(tmp_path, DAILY)) == 1, "a daily job runs once for all of them"
    assert {lease.name for lease in host.rows(JobLease)} >= {"outbox", DAILY}


def test_workers_of_gunicorn_share_the_jobs_and_end_when_asked(
    make_app: c.Callable[..., Host], database_url: str, tmp_path: Path
) -> None:
    if importlib.util.find_spec("gunicorn") is None:
        unavailable("gunicorn")

    host = make_app(database_url)
    (tmp_path / "served.py").write_text(APP)
    port = free_port()
    bound = f"127.0.0.1:{port}"

    with (tmp_path / "errors").open("w") as errors:
        server = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "--workers", "3", "--bind", bound, "served:app"],
            cwd=tmp_path,
            env={**os.environ, "DATABASE_URL": database_url},
            stderr=errors,
        )

    try:
        # Whichever worker is idle takes a request, and each begins with its first.
        wait_until(lambda: answers(port) and len(set(started(tmp_path))) == 3)
        wait_until(
            lambda: len([one for one in host.rows(JobLease) if one.last_result]) == len(JOBS)
        )
        # At the turn of a minute APScheduler would tell of jobs that it cannot begin any more.
        wait_until(lambda: clock.wall().second < 45)
    finally:
        server.terminate()
        status = server.wait(PATIENCE)

    told = (tmp_path / "errors").read_text()
    assert (status, "Traceback" in told) == (0, False), told
    assert str(server.pid) not in started(tmp_path), "the master serves nobody"
    assert len(ran(tmp_path, DAILY)) == 1, "a daily job runs once for all of them"
    assert [lease.holder for lease in host.rows(JobLease)] == [None] * len(JOBS)


def test_under_the_reloader_only_the_serving_process_runs_jobs(
    make_app: c.Callable[..., Host], sqlite_url: str, tmp_path: Path
) -> None:
    make_app(sqlite_url)
    (tmp_path / "served.py").write_text(APP)
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "flask", "--app", "served", "run", "--debug", "--port", str(port)],
        cwd=tmp_path,
        env={**os.environ, "DATABASE_URL": sqlite_url},
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )

    try:
        wait_until(lambda: answers(port))
        wait_until(lambda: ran(tmp_path, DAILY))
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(PATIENCE)

    assert len(started(tmp_path)) == 1
    assert str(server.pid) not in started(tmp_path)


def test_loading_the_app_for_a_command_starts_nothing(
    make_app: c.Callable[..., Host], sqlite_url: str, tmp_path: Path
) -> None:
    make_app(sqlite_url)
    (tmp_path / "served.py").write_text(APP)
    subprocess.run(
        [sys.executable, "-m", "flask", "--app", "served", "billing", "webhooks", "list"],
        cwd=tmp_path,
        env={**os.environ, "DATABASE_URL": sqlite_url},
        check=True,
    )

    assert started(tmp_path) == []


def test_the_worker_command_runs_jobs_until_it_is_asked_to_stop(
    make_app: c.Callable[..., Host], sqlite_url: str, tmp_path: Path
) -> None:
    make_app(sqlite_url)
    (tmp_path / "served.py").write_text(APP)
    worker = subprocess.Popen(
        [sys.executable, "-m", "flask", "--app", "served", "billing", "jobs", "worker"],
        cwd=tmp_path,
        env={**os.environ, "DATABASE_URL": sqlite_url},
    )

    try:
        wait_until(lambda: ran(tmp_path, DAILY))
        worker.terminate()
        assert worker.wait(PATIENCE) == 0
    finally:
        worker.kill()
        worker.wait()

    assert "The scheduler has stopped" in (tmp_path / "log").read_text()


def free_port() -> int:
    """A port of this machine that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def answers(port: int) -> bool:
    """Whether somebody serves there, whatever they say."""
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/billing/health", timeout=10).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False

    return True
