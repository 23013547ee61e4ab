"""How a webhook reaches its receiver: over HTTP, or by calling a WSGI application."""

from __future__ import annotations

import http.client
import io
import logging
import urllib.parse
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

_LOG = logging.getLogger(__name__)


def over_http(url: str, payload: bytes, headers: dict[str, str], timeout: float) -> int:
    """POST to a URL; the answered status, 0 if there was no answer."""
    parts = urllib.parse.urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=timeout)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request("POST", path, payload, headers)
        response = connection.getresponse()
        response.read()
        return response.status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


def in_process(app: WSGIApplication, url: str, payload: bytes, headers: dict[str, str]) -> int:
    """POST to a WSGI application; what it raises counts as a 500, as behind a server."""
    parts = urllib.parse.urlsplit(url)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": parts.path,
        "QUERY_STRING": parts.query,
        "SERVER_NAME": parts.hostname or "localhost",
        "SERVER_PORT": str(parts.port or 80),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "CONTENT_LENGTH": str(len(payload)),
        "CONTENT_TYPE": headers["Content-Type"],
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": parts.scheme or "http",
        "wsgi.input": io.BytesIO(payload),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()},
    }
    answered: list[str] = []

    def start_response(
        status: str, _headers: list[tuple[str, str]], _exc: object = None
    ) -> Callable[[bytes], object]:
        answered[:] = [status]
        return lambda _chunk: None

    try:
        result = app(environ, start_response)
        try:
            for _chunk in result:
                pass
        finally:
            close = getattr(result, "close", None)
            if close is not None:
                close()
    except Exception:  # what a server would answer with 500
        _LOG.exception("The webhook receiver at %s raised", parts.path)
        return 500
    return int(answered[0].split(" ", 1)[0])
