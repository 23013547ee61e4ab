"""The WSGI application: the API under ``/v1``, the hosted pages beside it."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from flask_billing.sandbox.api import Answer, Api, Request
from flask_billing.sandbox.body import dumps
from flask_billing.sandbox.engine_room import EngineRoom
from flask_billing.sandbox.faults import Fault, Faults
from flask_billing.sandbox.ids import new_id

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

NO_ANSWER = "Sandbox-No-Answer"
IN_PROCESS = "flask_billing.sandbox.in_process"
_MAX_BODY = 2**20
_KEPT_REQUESTS = 100_000


class Front:
    """Receives every request, remembers it and breaks it if a fault says so."""

    def __init__(self, room: EngineRoom, pages: WSGIApplication) -> None:
        self._api = Api(room)
        self._pages = pages
        self._local = threading.local()
        self.faults = Faults()
        self.requests: deque[Request] = deque(maxlen=_KEPT_REQUESTS)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = _path(environ)
        if path.split("/")[1] not in {"v1", "v2"}:
            return self._pages(environ, start_response)
        answer = self._answer(environ, path)
        if NO_ANSWER in answer.headers and not environ.get(IN_PROCESS):
            # A server takes this for a client that went away, and closes the connection.
            raise ConnectionAbortedError("The sandbox was told to give no answer.")
        body = answer.text.encode()
        start_response(
            f"{answer.status} {_reason(answer.status)}",
            [
                ("Content-Type", "application/json"),
                ("Content-Length", str(len(body))),
                *answer.headers.items(),
            ],
        )
        return [body]

    def _answer(self, environ: WSGIEnvironment, path: str) -> Answer:
        method: str = environ["REQUEST_METHOD"]
        if self.faults.delay:
            time.sleep(self.faults.delay)
        if self.faults.outage:
            return self._broken(method, path, Fault(method, path, status=None), 503)
        fault = self.faults.strike(method, path)
        if fault is not None and fault.delay:
            time.sleep(fault.delay)
        if fault is not None and fault.status == 0:
            fault = None
        if fault is not None and not fault.after:
            return self._broken(method, path, fault, 502)
        answer, request = self._api.answer(
            method, path, environ.get("QUERY_STRING", ""), _form(environ), _headers(environ)
        )
        self.requests.append(request)
        return answer if fault is None else _fault_answer(fault, 504)

    def _broken(self, method: str, path: str, fault: Fault, default: int) -> Answer:
        answer = _fault_answer(fault, default)
        request_id = answer.headers["Request-Id"]
        self.requests.append(Request(method, path, {}, None, answer.status, request_id))
        return answer


def _fault_answer(fault: Fault, default: int) -> Answer:
    request_id = new_id("req")
    error = fault.error(fault.status or default)
    answer = Answer(error.status, dumps(error.body(request_id)), {"Request-Id": request_id})
    if fault.status is None:
        answer.headers[NO_ANSWER] = "true"
    return answer


def _path(environ: WSGIEnvironment) -> str:
    """The path with its percent-encoding undone; WSGI hands bytes over as latin-1."""
    path: str = environ.get("PATH_INFO", "")
    if not path.startswith("/"):
        return "/" + path
    return path.encode("latin-1", "replace").decode("utf-8", "replace")


def _form(environ: WSGIEnvironment) -> bytes:
    """The body, and no more of a huge one than shows that it is too large."""
    stream = environ["wsgi.input"]
    if environ.get("wsgi.input_terminated"):
        return bytes(stream.read(_MAX_BODY + 1))
    try:
        length = min(int(environ.get("CONTENT_LENGTH") or 0), _MAX_BODY + 1)
    except ValueError:
        length = 0
    return bytes(stream.read(length)) if length > 0 else b""


def _headers(environ: WSGIEnvironment) -> dict[str, str]:
    found: dict[str, Any] = {"content-type": environ.get("CONTENT_TYPE", "")}
    for name, value in environ.items():
        if name.startswith("HTTP_"):
            found[name[5:].replace("_", "-").lower()] = value
    return found


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
