"""One store for many threads and processes, and across restarts."""

from __future__ import annotations

import multiprocessing
import threading
from pathlib import Path

import pytest
import stripe
from werkzeug.serving import make_server

from flask_billing.sandbox import Sandbox

from ..patience import PATIENCE
from .conftest import START


def make_customers(path: Path, count: int, name: str) -> None:
    """What each process does."""
    with Sandbox(path) as sandbox:
        client = sandbox.client()
        for n in range(count):
            client.v1.customers.create(
                {"name": f"{name} {n}"}, {"idempotency_key": f"shared-{n}"} if n % 2 else None
            )


def test_the_state_survives_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "stripe.sqlite"
    with Sandbox(path, now=START) as sandbox:
        customer = sandbox.client().v1.customers.create({"name": "Ada"})
        sandbox.clock.advance(days=3)
        moment = sandbox.clock.now()
    with Sandbox(path) as sandbox:
        assert sandbox.client().v1.customers.retrieve(customer.id).name == "Ada"
        assert sandbox.clock.now() == moment


def test_threads_share_a_sandbox(sandbox: Sandbox) -> None:
    errors: list[BaseException] = []

    def work(name: str) -> None:
        client = sandbox.client()
        try:
            for n in range(20):
                client.v1.customers.create({"name": f"{name} {n}"})
        except stripe.StripeError as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(str(n),)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(list(sandbox.client().v1.customers.list().auto_paging_iter())) == 80


def test_processes_share_a_file(tmp_path: Path) -> None:
    path = tmp_path / "stripe.sqlite"
    Sandbox(path).close()
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=make_customers, args=(path, 6, "same")) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(PATIENCE)
        assert worker.exitcode == 0
    with Sandbox(path) as sandbox:
        found = list(sandbox.client().v1.customers.list().auto_paging_iter())
    assert len(found) == 2 * 3 + 3


def test_it_can_be_reset(sandbox: Sandbox, client: stripe.StripeClient) -> None:
    client.v1.customers.create({"name": "Ada"})
    sandbox.reset()
    assert client.v1.customers.list().data == []
    assert sandbox.events() == []


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_stripe_python_talks_to_it_over_http(sandbox: Sandbox) -> None:
    server = make_server("127.0.0.1", 0, sandbox.wsgi_app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        client = stripe.StripeClient(
            "sk_test_x", base_addresses={"api": f"http://127.0.0.1:{server.port}"}
        )
        created = client.v1.customers.create({"name": "Ada & Søn", "metadata": {"key & more": "1"}})
        assert client.v1.customers.retrieve(created.id).name == "Ada & Søn"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
