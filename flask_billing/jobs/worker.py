"""The process that does nothing but run jobs."""

from __future__ import annotations

import collections.abc as c
import signal
import threading
import typing as t

from .scheduler import Scheduler
from .table import Job

if t.TYPE_CHECKING:
    from flask import Flask

_SIGNALS: t.Final = (signal.SIGTERM, signal.SIGINT)


def work(app: Flask, table: c.Sequence[Job] | None = None) -> None:
    """Run jobs until SIGTERM or SIGINT, then let those that run come to an end.

    :param table: the jobs; None is all there are.
    """
    asked_to_stop = threading.Event()
    before = {number: signal.getsignal(number) for number in _SIGNALS}

    for number in _SIGNALS:
        signal.signal(number, lambda *_: asked_to_stop.set())

    scheduler = Scheduler(app, table)

    try:
        scheduler.start()
        asked_to_stop.wait()
        scheduler.stop()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
