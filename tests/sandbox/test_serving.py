"""``flask billing sandbox serve``: a Stripe for apps in other processes and other languages."""

from __future__ import annotations

import collections.abc as c
import contextlib
import http.client
import http.server
import os
import re
import socket
import subprocess
import sys
import threading
import typing as t
import urllib.request
from pathlib import Path

import pytest
import stripe
from click.testing import CliRunner

from flask_billing.cli import billing

from ..patience import PATIENCE

FLASK = Path(sys.executable).parent / "flask"


class Served:
    """A running server and what it printed."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.settings: dict[str, str] = {}
        self.printed = ""
        assert process.stdout is not None

        for line in process.stdout:
            self.printed += line

            if found := re.match(r"(STRIPE_\w+)=(\S+)", line):
                self.settings[found[1]] = found[2]

            if line.startswith("# Python:"):
                break

    def client(self) -> stripe.StripeClient:
        """What an app makes of the settings."""
        return stripe.StripeClient(
            self.settings["STRIPE_SECRET_KEY"],
            base_addresses={"api": self.settings["STRIPE_API_BASE"]},
        )


@contextlib.contextmanager
def serving(*arguments: str) -> c.Iterator[Served]:
    """Serve on a free port, in a process of its own."""
    process = subprocess.Popen(
        [FLASK, "billing", "sandbox", "serve", "--port", "0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )

    try:
        yield Served(process)
    finally:
        process.terminate()
        process.wait(PATIENCE)
        assert process.stdout is not None
        process.stdout.close()


class Receiver(http.server.BaseHTTPRequestHandler):
    """An app in any language."""

    received: t.ClassVar[list[tuple[bytes, str]]] = []
    heard = threading.Event()

    def do_POST(self) -> None:
        """Remember a webhook."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.received.append((body, self.headers["Stripe-Signature"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
        self.heard.set()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def receiver() -> c.Iterator[str]:
    """Where an app listens for webhooks."""
    Receiver.received.clear()
    Receiver.heard.clear()

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/hooks"
        server.shutdown()


def test_stripe_python_works_over_http(receiver: str) -> None:
    with serving("--webhook-url", receiver) as served:
        client = served.client()
        customer = client.v1.customers.create({"name": "Ada"})
        assert client.v1.customers.retrieve(customer.id).name == "Ada"

        with pytest.raises(stripe.InvalidRequestError, match="No such customer"):
            client.v1.customers.retrieve("cus_none")

        assert Receiver.heard.wait(PATIENCE)
        [(body, signature)] = Receiver.received
        secret = served.settings["STRIPE_WEBHOOK_SECRET"]
        event = stripe.Webhook.construct_event(body, signature, secret)
        assert (event.type, event.data.object["id"]) == ("customer.created", customer.id)


def test_an_answer_bears_one_date() -> None:
    with serving() as served:
        address = served.settings["STRIPE_API_BASE"].removeprefix("http://")

        with contextlib.closing(http.client.HTTPConnection(address)) as connection:
            connection.request("GET", "/v1/account")
            assert len(connection.getresponse().headers.get_all("Date") or ()) == 1


def test_the_hosted_pages_are_beside_the_api() -> None:
    with serving() as served:
        client = served.client()
        price = client.v1.prices.create(
            {"currency": "usd", "unit_amount": 2900, "product_data": {"name": "Pro"}}
        )
        session = client.v1.checkout.sessions.create(
            {
                "mode": "payment",
                "line_items": [{"price": price.id, "quantity": 1}],
                "success_url": "https://app.example/done",
            }
        )
        assert session.url is not None
        assert session.url.startswith(served.settings["STRIPE_API_BASE"])

        with urllib.request.urlopen(session.url) as page:  # noqa: S310 - our own server
            assert "Pro" in page.read().decode()


def test_an_endpoint_can_be_registered_as_printed() -> None:
    with serving() as served:
        assert "v1/webhook_endpoints" in served.printed
        endpoint = served.client().v1.webhook_endpoints.create(
            {"url": "http://127.0.0.1:9/hooks", "enabled_events": ["*"]}
        )
        assert endpoint.secret is not None
        assert endpoint.secret.startswith("whsec_")


def test_a_store_is_kept_and_moved_by_another_process(tmp_path: Path, receiver: str) -> None:
    store = str(tmp_path / "stripe.sqlite")
    arguments = ("--store", store, "--webhook-url", receiver)

    with serving(*arguments) as served:
        customer = served.client().v1.customers.create({"name": "Ada"}).id
        secret = served.settings["STRIPE_WEBHOOK_SECRET"]
        clock = ["billing", "sandbox", "advance", "--days", "3", "--store", store]
        done = subprocess.run([FLASK, *clock], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        later = served.client().v1.customers.create({"name": "Bo"})
        assert later.created - served.client().v1.customers.retrieve(customer).created >= 3 * 86_400

    with serving(*arguments) as served:
        assert served.client().v1.customers.retrieve(customer).name == "Ada"
        assert served.settings["STRIPE_WEBHOOK_SECRET"] == secret


def test_a_secret_can_be_chosen(receiver: str) -> None:
    with serving("--webhook-url", receiver, "--webhook-secret", "whsec_mine") as served:
        assert served.settings["STRIPE_WEBHOOK_SECRET"] == "whsec_mine"


def test_a_taken_port_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        refused("listen", "--port", str(taken.getsockname()[1]))


def test_other_machines_are_kept_out_unless_let_in(monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = ("--host", "203.0.113.9")
    refused("BILLING_SANDBOX_ALLOW_REMOTE", *elsewhere)
    refused("BILLING_SANDBOX_ALLOW_REMOTE", "--host", "sandbox.example")

    monkeypatch.setenv("BILLING_SANDBOX_ALLOW_REMOTE", "1")
    refused("Nothing can listen at 203.0.113.9", *elsewhere)  # which is no address of ours


def test_what_cannot_work_is_told(tmp_path: Path) -> None:
    refused("no address", "--webhook-url", "localhost:8000")
    refused("whsec_", "--webhook-url", "http://127.0.0.1:1/", "--webhook-secret", "mine")
    refused("no folder", "--store", str(tmp_path / "none" / "stripe.sqlite"))
    (tmp_path / "notes.txt").write_text("notes")
    refused("no sandbox store", "--store", str(tmp_path / "notes.txt"))


def refused(why: str, *arguments: str) -> None:
    """Serving so ends at once, and says why."""
    result = CliRunner().invoke(billing, ["sandbox", "serve", *arguments])

    assert result.exit_code == 1, result.output
    assert why in result.output
