"""The thread that delivers by itself."""

import threading
from collections.abc import Callable

_PAUSE_SECONDS = 1.0


class Courier:
    """Calls ``work`` when woken, and every second for what time brings.

    ``work`` is given a question to ask between two deliveries: must it stop?
    """

    def __init__(self, work: Callable[[Callable[[], bool]], None]) -> None:
        self._work = work
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def wake(self) -> None:
        """Start the thread, or tell it that something waits."""
        with self._lock:  # two requests that wake it at once start one
            if not self.runs:
                self._stop.clear()
                self._thread = threading.Thread(
                    target=self._run, name="stripe-sandbox-webhooks", daemon=True
                )
                self._thread.start()
        self._wake.set()

    @property
    def runs(self) -> bool:
        """Is there a thread, in this process?"""
        return self._thread is not None and self._thread.is_alive()

    def stop(self, patience: float) -> None:
        """Let the delivery under way end, then stop."""
        self._stop.set()
        self._wake.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(patience)
        self._thread = None

    def _run(self) -> None:
        while not self._stop.is_set():
            self._wake.wait(timeout=_PAUSE_SECONDS)
            self._wake.clear()
            if not self._stop.is_set():
                self._work(self._stop.is_set)
