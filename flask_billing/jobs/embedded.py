"""The scheduler inside the processes that serve the app.

It begins with the first request a process serves. So it runs neither in the reloader's parent,
nor in a server's that forks its workers later, nor while a command or a migration loads the app.
"""

from __future__ import annotations

import os
import threading
import typing as t

if t.TYPE_CHECKING:
    from flask import Flask


def install(app: Flask) -> None:
    """Let the processes of an app run its jobs. In tests nothing is started."""
    process: int | None = None
    lock = threading.Lock()

    @app.before_request
    def start_scheduler() -> None:
        nonlocal process

        if process == os.getpid() or app.testing:
            return

        with lock:
            if process != os.getpid():
                process = os.getpid()
                _start(app)


def _start(app: Flask) -> None:
    from .scheduler import Scheduler

    Scheduler(app).start()
