"""The row that lets one of many processes run a job.

By the wall clock of each process. Clocks a few minutes apart do no harm: a tick is compared
with when the job was started last, and who starts it does so at the tick or later by its own
clock.
"""

from __future__ import annotations

import datetime as dt
import typing as t

import sqlalchemy as sa

from .. import clock
from ..database import insert, reading, transaction
from ..models import JobLease
from ..state import state

#: Further in the future than this, a time was written before the clock was set back.
TOLERANCE: t.Final = dt.timedelta(minutes=5)


def claim(name: str, holder: str, lasts: dt.timedelta, tick: dt.datetime | None = None) -> bool:
    """Take a job's lease if it is free. Says whether it is ours now.

    :param lasts: after this without :func:`renew` it is free again, as its holder must be dead.
    :param tick: take it only if the job was not started since, or did not come to its end; None
        takes it in any case.
    """
    now = clock.wall()
    free = sa.or_(
        JobLease.expires_at.is_(None),
        JobLease.expires_at <= now,
        JobLease.expires_at > now + lasts + TOLERANCE,
    )
    due = sa.or_(
        JobLease.last_started_at.is_(None),
        JobLease.last_started_at < (tick or now),
        JobLease.last_started_at > now + TOLERANCE,
        # Its process was killed, or was stopped between two chunks of the work.
        JobLease.last_finished_at.is_(None),
        JobLease.last_finished_at < JobLease.last_started_at,
        JobLease.last_result.startswith("stopped:"),
    )
    taking = (
        sa.update(JobLease)
        .where(JobLease.name == name, free, sa.true() if tick is None else due)
        .values(
            holder=holder,
            expires_at=now + lasts,
            last_started_at=now,
            catalog=state().catalog.fingerprint,
        )
    )

    with transaction() as connection:
        if connection.execute(taking).rowcount:
            return True

        made = connection.execute(
            insert(connection, JobLease)
            .values(name=name)
            .on_conflict_do_nothing(index_elements=["name"])
            .returning(JobLease.name)
        ).first()
        return made is not None and bool(connection.execute(taking).rowcount)


def ends_at(name: str) -> dt.datetime | None:
    """When the lease of who runs a job ends, unless it is renewed; None where nobody does."""
    with reading() as connection:
        return connection.scalar(
            sa.select(JobLease.expires_at).where(
                JobLease.name == name, JobLease.expires_at > clock.wall()
            )
        )


def renew(name: str, holder: str, lasts: dt.timedelta) -> bool:
    """Keep the lease for longer. False where another process has taken it meanwhile."""
    return _change(name, holder, expires_at=clock.wall() + lasts)


def give_back(name: str, holder: str, result: str, ended_at: dt.datetime) -> bool:
    """End a run: the lease is free, and its result is kept."""
    return _change(
        name,
        holder,
        holder=None,
        expires_at=None,
        last_finished_at=ended_at,
        last_result=result,
    )


def _change(job: str, owner: str, **values: object) -> bool:
    with transaction() as connection:
        changed = connection.execute(
            sa.update(JobLease)
            .where(JobLease.name == job, JobLease.holder == owner)
            .values(**values)
        )
        return bool(changed.rowcount)
