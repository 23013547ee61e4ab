"""A worker whose jobs write down when they run.

Run as ``python -m tests.jobs.worker DATABASE_URL FOLDER``. The job ``probe`` runs each second and
appends its tick and process to the file ``ticks``. The job ``stuck`` hangs in the process that
runs it first and is done at once in any other.
"""

from __future__ import annotations

import os
import sys
import time
from datetime import timedelta
from pathlib import Path

from flask_billing.jobs import Job, Run
from flask_billing.jobs.worker import work

from ..host import make_host

#: Nobody takes over for want of time, however slow the machine is.
LEASE = timedelta(hours=1)
EVERY_SECOND = {"second": "*"}


def main() -> None:
    """Work until SIGTERM."""
    host = make_host(sys.argv[1], create=False, BILLING_JOB_LEASE=LEASE)
    folder = Path(sys.argv[2])

    def probe(run: Run) -> str:
        write(folder / "ticks", f"{run.tick} {os.getpid()}")
        return "told"

    def stuck(run: Run) -> str:
        try:
            (folder / "hangs").touch(exist_ok=False)
        except FileExistsError:
            write(folder / "done", str(os.getpid()))
            return "done"

        write(folder / "hanging", str(os.getpid()))
        time.sleep(600)
        return "never"

    work(
        host.app,
        (
            Job("probe", EVERY_SECOND, probe, "write down the tick"),
            Job("stuck", EVERY_SECOND, stuck, "hang in the first process"),
        ),
    )
    host.close()


def write(file: Path, line: str) -> None:
    """Append a line in one step."""
    with file.open("a") as lines:
        lines.write(f"{line}\n")


if __name__ == "__main__":
    main()
