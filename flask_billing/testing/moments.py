"""When webhooks leave: at once, but never in the middle of the app's own work."""

from __future__ import annotations

import collections.abc as c
import contextlib
import threading
import typing as t

if t.TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class Moments:
    """Calls ``deliver`` when something was queued and nobody of this thread is at work."""

    def __init__(self, deliver: c.Callable[[], None]) -> None:
        self._deliver = deliver
        self._local = threading.local()

    @property
    def is_quiet(self) -> bool:
        """Whether this thread is at work, so that deliveries wait."""
        return getattr(self._local, "depth", 0) > 0

    def happened(self) -> None:
        """Something was queued."""
        if not self.is_quiet:
            self._deliver()

    @contextlib.contextmanager
    def quiet(self) -> c.Iterator[None]:
        """Work during which nothing is delivered."""
        self._local.depth = getattr(self._local, "depth", 0) + 1

        try:
            yield
        finally:
            self._local.depth -= 1

    def after(self, app: WSGIApplication, *, deliver: bool = True) -> WSGIApplication:
        """The WSGI application with deliveries kept until its answer is complete.

        :param deliver: whether they are made then, or at the next moment.
        """

        def answer(environ: WSGIEnvironment, start_response: StartResponse) -> c.Iterable[bytes]:
            with self.quiet():
                found = app(environ, start_response)

                try:
                    body = list(found)
                finally:
                    close = getattr(found, "close", None)

                    if close is not None:
                        close()

            if deliver and not self.is_quiet:
                self._deliver()

            return body

        return answer
