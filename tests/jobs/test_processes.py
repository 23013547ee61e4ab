"""Several workers at once: one execution each tick, and a dead holder is replaced."""

from __future__ import annotations

import collections.abc as c
import contextlib
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from flask_billing.models import JobLease

from ..host import Host
from ..patience import PATIENCE


def test_three_workers_run_each_tick_once_and_replace_one_that_is_killed(
    make_app: c.Callable[..., Host], database_url: str, tmp_path: Path
) -> None:
    host = make_app(database_url)

    with contextlib.ExitStack() as stack:
        workers = [stack.enter_context(worker(database_url, tmp_path)) for _ in range(3)]
        wait_until(lambda: len(ticks(tmp_path)) >= 3 and lines(tmp_path / "hanging"))
        [holder] = lines(tmp_path / "hanging")
        assert not lines(tmp_path / "done"), "two processes ran one job at once"

        os.kill(int(holder), signal.SIGKILL)
        seen = len(ticks(tmp_path))

        def replaced() -> bool:
            # Each time: PostgreSQL may still be doing what the dead one asked for last.
            let_leases_end(host, holder)
            return len(ticks(tmp_path)) >= seen + 3 and bool(lines(tmp_path / "done"))

        wait_until(replaced)
        assert holder not in lines(tmp_path / "done")
        alive = [one for one in workers if str(one.pid) != holder]

        for one in alive:
            one.terminate()

        assert [one.wait(PATIENCE) for one in alive] == [0, 0]

    assert len(ticks(tmp_path)) == len(set(ticks(tmp_path)))
    leases = {lease.name: lease for lease in host.rows(JobLease)}
    assert (leases["probe"].holder, leases["probe"].last_result) == (None, "ok: told")


@contextlib.contextmanager
def worker(database_url: str, folder: Path) -> c.Iterator[subprocess.Popen[bytes]]:
    """A worker process, killed on leaving."""
    process = subprocess.Popen([sys.executable, "-m", "tests.jobs.worker", database_url, folder])

    try:
        yield process
    finally:
        process.kill()
        process.wait()


def let_leases_end(host: Host, process: str) -> None:
    """Put the end of what a process holds into the past."""
    over = datetime.now(UTC) - timedelta(seconds=1)

    with host.app.app_context():
        host.db.session.execute(
            sa.update(JobLease)
            .where(JobLease.holder.contains(f":{process}:"))
            .values(expires_at=over)
        )
        host.db.session.commit()


def wait_until(happened: c.Callable[[], object]) -> None:
    """Wait for processes on a machine that may be busy."""
    deadline = time.monotonic() + PATIENCE

    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def ticks(folder: Path) -> list[str]:
    """The ticks at which the probe ran."""
    return [line.rpartition(" ")[0] for line in lines(folder / "ticks")]


def lines(file: Path) -> list[str]:
    """What was written so far."""
    return file.read_text().splitlines() if file.exists() else []
