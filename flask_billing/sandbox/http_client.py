"""stripe-python's transport replaced by a call of the sandbox's WSGI application."""

from __future__ import annotations

import io
from collections.abc import Mapping
from email.utils import formatdate
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from flask_billing.sandbox.front import IN_PROCESS, NO_ANSWER

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication
    from stripe import HTTPClient


def new_http_client(app: WSGIApplication) -> HTTPClient:
    """A ``stripe.HTTPClient`` that reaches the sandbox without a network."""
    import stripe

    class SandboxHTTPClient(stripe.HTTPClient):
        """Calls the WSGI application for each request; retries are stripe-python's own."""

        name = "sandbox"

        def request(
            self,
            method: str,
            url: str,
            headers: Mapping[str, str] | None,
            post_data: Any = None,
            *,
            _usage: list[str] | None = None,
        ) -> tuple[str, int, Mapping[str, str]]:
            body, status, answered = _call(app, method, url, headers or {}, post_data)
            if NO_ANSWER in answered:
                raise stripe.APIConnectionError(  # type: ignore[no-untyped-call]
                    "Unexpected error communicating with Stripe: the sandbox gave no answer.",
                    should_retry=True,
                )
            return body.decode(), status, answered

        def request_stream(
            self,
            method: str,
            url: str,
            headers: Mapping[str, str] | None,
            post_data: Any = None,
            *,
            _usage: list[str] | None = None,
        ) -> tuple[Any, int, Mapping[str, str]]:
            body, status, answered = self.request(method, url, headers, post_data, _usage=_usage)
            return io.BytesIO(body.encode()), status, answered

        def _sleep_time_seconds(self, num_retries: int) -> float:
            return 0.0

        def close(self) -> None:
            """Nothing is open."""

    return SandboxHTTPClient()


def _call(
    app: WSGIApplication, method: str, url: str, headers: Mapping[str, str], post_data: Any
) -> tuple[bytes, int, dict[str, str]]:
    parts = urlsplit(url)
    payload = post_data.encode() if isinstance(post_data, str) else post_data or b""
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method.upper(),
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote(parts.path, "latin-1"),
        "QUERY_STRING": parts.query,
        "SERVER_NAME": parts.hostname or "localhost",
        "SERVER_PORT": "443",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "CONTENT_LENGTH": str(len(payload)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "https",
        "wsgi.input": io.BytesIO(payload),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        IN_PROCESS: True,
    }
    for name, value in headers.items():
        key = name.upper().replace("-", "_")
        environ[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value
    answered: dict[str, str] = {}
    statuses: list[int] = []

    def start_response(status: str, found: list[tuple[str, str]], _exc: Any = None) -> Any:
        statuses[:] = [int(status.split(" ", 1)[0])]
        answered.clear()
        answered.update(found)
        return lambda _chunk: None

    body = b"".join(app(environ, start_response))
    answered.setdefault("Date", formatdate(usegmt=True))  # as a server writes it
    return body, statuses[0], answered
