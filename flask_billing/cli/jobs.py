"""``flask billing jobs``: what runs by itself, and running it."""

from __future__ import annotations

import datetime as dt
import logging
import typing as t

import click
from flask import current_app
from flask.cli import with_appcontext

from ..jobs import find_job, run_job
from ..jobs.reading import JobStatus, overview
from ..jobs.table import UnknownJobError

if t.TYPE_CHECKING:
    from flask import Flask


@click.group()
def jobs() -> None:
    """Jobs that run by themselves: resets, retries, reconciliation and more."""


@jobs.command("list")
@with_appcontext
def list_jobs() -> None:
    """Print every job with its last run, result, duration and next run. Times are UTC."""
    for status in overview():
        click.echo(_line(status))


@jobs.command()
@click.argument("name")
@with_appcontext
def run(name: str) -> None:
    """Run a job now, as from cron. Does nothing while another process runs it.

    Exits with 1 where it failed.
    """
    try:
        job = find_job(name)
    except UnknownJobError as error:
        raise click.ClickException(str(error)) from error

    outcome = run_job(job)
    click.echo(f"{outcome.name}: {outcome.state}, {outcome.told} ({outcome.seconds:.2f} s)")

    if outcome.state == "failed":
        raise click.exceptions.Exit(1)


@jobs.command()
@with_appcontext
def worker() -> None:
    """Run all jobs at their times, until SIGTERM. Any number of these may run at once."""
    from ..jobs.worker import work

    app: Flask = t.cast("t.Any", current_app)._get_current_object()
    log = logging.getLogger("flask_billing.jobs")

    if not log.hasHandlers():  # the process has nothing else to say
        logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
        log.setLevel(logging.INFO)

    work(app)


def _line(status: JobStatus) -> str:
    last = "never ran" if status.started_at is None else f"{_time(status.started_at)}"
    following = "never" if status.next_at is None else _time(status.next_at)
    duration = "-" if status.duration is None else f"{status.duration.total_seconds():.1f} s"
    result = f"running at {status.running}" if status.running else status.result or "-"
    late = "  LATE" if status.late else ""
    return f"{status.job.name:<20}{last:<21}{duration:>8}  next {following}  {result}{late}"


def _time(moment: dt.datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"
