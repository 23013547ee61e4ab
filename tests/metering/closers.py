"""Processes that close ended periods at the same time, and use the new ones meanwhile.

Run as ``python -m tests.metering.closers DATABASE_URL``, with a catalog and the time on stdin as
JSON. How many periods each process closed goes to stdout.
"""

from __future__ import annotations

import json
import sys
import typing as t
from datetime import datetime

from flask_billing import clock, metering

from ..host import make_host
from ..patience import PATIENCE
from .worker import CONTEXT

PROCESSES = 4


def main() -> None:
    """Let the processes begin together."""
    work = json.load(sys.stdin)
    barrier = CONTEXT.Barrier(PROCESSES)
    answers = CONTEXT.SimpleQueue()
    processes = [
        CONTEXT.Process(target=_close, args=(work, barrier, answers)) for _ in range(PROCESSES)
    ]

    for process in processes:
        process.start()

    print(json.dumps([answers.get() for _ in processes]))

    for process in processes:
        process.join()


def _close(work: dict[str, t.Any], barrier: t.Any, answers: t.Any) -> None:
    host = make_host(sys.argv[1], catalog=work["catalog"], create=False)
    now = datetime.fromisoformat(work["now"])
    clock.set_source(host.app, lambda: now)

    with host.app.app_context():
        customers = [host.customer(str(number)) for number in range(1, 6)]
        barrier.wait(PATIENCE)
        metering.record("tokens", 1, customer=customers[0])
        answers.put(metering.close_all_ended())

    host.close()


if __name__ == "__main__":
    main()
