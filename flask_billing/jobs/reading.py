"""The jobs as people and probes look at them."""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t

import sqlalchemy as sa

from .. import clock
from ..database import reading
from ..models import JobLease
from .schedule import next_time
from .table import JOBS, Job

#: How long after its time a job counts as late.
_PATIENCE: t.Final = dt.timedelta(minutes=10)


@dataclasses.dataclass(frozen=True)
class JobStatus:
    """A job with its last run.

    :param running: who runs it now.
    :param result: what the last run came to, as "ok: sent 3"; None before the first.
    :param duration: of the last run; None where it never ended, as when it was killed.
    :param late: whether its last time passed and nobody ran it.
    :param catalog: fingerprint of the catalog of who ran it last.
    """

    job: Job
    running: str | None
    started_at: dt.datetime | None
    finished_at: dt.datetime | None
    result: str | None
    duration: dt.timedelta | None
    next_at: dt.datetime | None
    late: bool
    catalog: str | None = None

    @property
    def failed(self) -> bool:
        """Whether the last run failed."""
        return self.result is not None and self.result.startswith("failed")


def overview() -> list[JobStatus]:
    """Every job with its last run, in the order of the table."""
    with reading() as connection:
        rows = connection.execute(sa.select(*JobLease.__table__.columns)).all()

    by_name = {row.name: row for row in rows}
    now = clock.wall()
    return [_status(job, by_name.get(job.name), now) for job in JOBS]


def _status(job: Job, row: t.Any, now: dt.datetime) -> JobStatus:
    following = next_time(job, now)

    if row is None or row.last_started_at is None:
        return JobStatus(job, None, None, None, None, None, following, late=True)

    running = row.holder if row.expires_at is not None and row.expires_at > now else None
    ended = row.last_finished_at is not None and row.last_finished_at >= row.last_started_at
    due_again = next_time(job, row.last_started_at)
    return JobStatus(
        job,
        running,
        row.last_started_at,
        row.last_finished_at if ended else None,
        row.last_result if ended or running else "killed, or still to be replaced",
        row.last_finished_at - row.last_started_at if ended else None,
        following,
        late=due_again is not None and due_again + _PATIENCE < now,
        catalog=row.catalog,
    )
