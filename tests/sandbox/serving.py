"""Applications behind a server on this machine."""

from __future__ import annotations

import collections.abc as c
import threading
import typing as t
from contextlib import contextmanager

from werkzeug.serving import make_server


@contextmanager
def serving(app: t.Any) -> c.Iterator[str]:
    """An application behind a server with threads; its address."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
