"""Do the jobs run?"""

from __future__ import annotations

import collections.abc as c
import datetime as dt
import typing as t

from .. import clock
from ..jobs.reading import JobStatus, overview
from ..state import state
from .finding import Finding, failure, ok, warning

ADVICE = "Run 'flask billing jobs worker', or set BILLING_SCHEDULER to 'embedded'."


#: Jobs that run often have been run by what was restarted within this time.
_LATELY: t.Final = dt.timedelta(minutes=15)


def check() -> c.Iterator[Finding]:
    """Look at when each job ran last, and at how that went."""
    statuses = overview()

    if all(status.started_at is None for status in statuses):
        yield failure("scheduler", "No job has ever run.", ADVICE)
        return

    late = [status.job.name for status in statuses if status.late]
    failed = [status for status in statuses if status.failed]

    if late:
        yield failure("scheduler", f"Late: {', '.join(late)}.", ADVICE)

    for status in failed:
        yield warning(
            "scheduler",
            f"The job {status.job.name} {status.result}",
            f"See the log; 'flask billing jobs run {status.job.name}' tries again.",
        )

    others = [status.job.name for status in statuses if _has_other_catalog(status)]

    if others:
        yield warning(
            "scheduler",
            f"A process with another catalog than this one's runs jobs: {', '.join(others)}.",
            "Restart what still runs another version. Until then limits and mails go by whichever "
            "catalog a process has.",
        )

    if not late and not failed and not others:
        yield ok("scheduler", f"All {len(statuses)} jobs run at their times.")


def _has_other_catalog(status: JobStatus) -> bool:
    started = status.started_at
    return (
        started is not None
        and clock.wall() - started < _LATELY
        and status.catalog not in (None, state().catalog.fingerprint)
    )
