"""What a contender's process does: take commands on stdin, answer on stdout, one JSON a line.

A contender lives in a process of its own, in its own environment, so that rounds can
interleave. Imported in each of those environments: standard library and ``stripe`` only.
"""

from __future__ import annotations

import collections.abc as c
import io
import json
import sys
import time
import typing as t

from memory_stripe import MemoryStripe


class Delivery(t.TypedDict):
    """One webhook: the raw body, its signature, and what Stripe would answer by then."""

    body: str
    signature: str
    now: list[dict[str, t.Any]]


class Contender(t.Protocol):
    """A web app that takes Stripe's webhooks."""

    path: str
    wsgi: c.Callable[..., t.Any]

    def link(self, customers: list[dict[str, t.Any]]) -> None:
        """Make these Stripe customers known."""

    def count_statements(self) -> None:
        """Count from now on, which takes time of its own."""

    def statements(self) -> int:
        """Statements sent to the database since, without BEGIN and COMMIT."""


def serve(contender: Contender, memory: MemoryStripe) -> None:
    """Answer commands until stdin ends."""
    answers, sys.stdout = sys.stdout, sys.stderr
    print("{}", file=answers, flush=True)

    for line in sys.stdin:
        command = json.loads(line)

        for found in command.get("objects", []):
            memory.keep(found)

        if command.get("count"):
            contender.count_statements()

        contender.link(command.get("customers", []))
        report = _deliver_all(contender, memory, command.get("deliveries", []))
        print(json.dumps(report), file=answers, flush=True)


def _deliver_all(
    contender: Contender, memory: MemoryStripe, deliveries: list[Delivery]
) -> dict[str, t.Any]:
    seconds, cpu_seconds, statuses = 0.0, 0.0, []
    calls, statements = memory.calls, contender.statements()

    for delivery in deliveries:
        for found in delivery["now"]:
            memory.keep(found)

        environ = _environ(contender.path, delivery)
        memory.seconds = memory.cpu_seconds = 0.0
        began, cpu_began = time.perf_counter(), time.process_time()
        statuses.append(_post(contender.wsgi, environ))
        seconds += time.perf_counter() - began - memory.seconds
        cpu_seconds += time.process_time() - cpu_began - memory.cpu_seconds

    return {
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "statuses": statuses,
        "calls": memory.calls - calls,
        "statements": contender.statements() - statements,
    }


def _post(app: c.Callable[..., t.Any], environ: dict[str, t.Any]) -> str:
    statuses: list[str] = []

    def start_response(status: str, headers: object, exc_info: object = None) -> None:
        statuses.append(status)

    answer = app(environ, start_response)
    b"".join(answer)

    if hasattr(answer, "close"):
        answer.close()

    return statuses[0][:3]


def _environ(path: str, delivery: Delivery) -> dict[str, t.Any]:
    body = delivery["body"].encode()
    return {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "443",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "localhost",
        "HTTP_ACCEPT": "*/*",
        "HTTP_USER_AGENT": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        "HTTP_STRIPE_SIGNATURE": delivery["signature"],
        "CONTENT_TYPE": "application/json; charset=utf-8",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "https",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
