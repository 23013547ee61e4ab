"""Many at once, much at once, and processes that die in the middle."""

from __future__ import annotations

import collections.abc as c
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import typing as t
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
import stripe

from flask_billing.sandbox import Sandbox, contract

from ..patience import PATIENCE
from .conftest import START, Shop
from .serving import serving

ROOT = Path(__file__).parent.parent.parent


class Process:
    """A sandbox served by a process of its own, until it is killed."""

    def __init__(self, path: Path, *options: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.sandbox.serve_store", str(path), *options],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        self.address = f"http://127.0.0.1:{self._process.stdout.readline().strip()}"

    def kill(self) -> None:
        """End it as a crash does."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


@contextmanager
def serving_process(path: Path, *options: str) -> c.Iterator[Process]:
    """A process that is gone after the block."""
    process = Process(path, *options)
    try:
        yield process
    finally:
        process.kill()


def client_of(address: str, retries: int = 0) -> stripe.StripeClient:
    """stripe-python as it is, on a served sandbox."""
    return stripe.StripeClient(
        Sandbox.api_key,
        base_addresses={"api": address},
        http_client=stripe.RequestsClient(timeout=PATIENCE),
        max_network_retries=retries,
    )


def at_once(count: int, work: c.Callable[[int], t.Any]) -> list[t.Any]:
    """What a piece of work returned or raised, done by several threads that start together."""
    start = threading.Barrier(count)
    found: list[t.Any] = [None] * count

    def run(number: int) -> None:
        start.wait()
        try:
            found[number] = work(number)
        except stripe.StripeError as error:
            found[number] = error

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


# many at once


def test_one_key_used_by_many_at_once_is_done_once(sandbox: Sandbox) -> None:
    with serving(sandbox.wsgi_app) as address:
        answers = at_once(
            6,
            lambda _number: client_of(address).v1.customers.create(
                {"name": "Ada"}, {"idempotency_key": "same"}
            ),
        )
    made = {answer.id for answer in answers if isinstance(answer, stripe.Customer)}
    refused = [answer for answer in answers if isinstance(answer, stripe.StripeError)]
    assert len(made) == 1
    assert {error.http_status for error in refused} <= {409}
    assert len(sandbox.events("customer.created")) == 1


def test_the_first_requests_of_a_kind_are_read_at_once() -> None:
    params: t.Any = {"name": "Ada", "address": {"city": "Bern"}, "metadata": {"a": "1"}}
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(300):
            for reader in vars(contract).values():
                getattr(reader, "cache_clear", lambda: None)()
            read = at_once(4, lambda _: contract.read_params("CustomerCreateParams", params))
            assert read == [params] * 4
    finally:
        sys.setswitchinterval(before)


def test_changes_of_one_subscription_at_once_all_count(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    subscription = shop.subscribe()
    item = client.v1.subscriptions.retrieve(subscription)["items"].data[0].id

    def change(number: int) -> stripe.Subscription:
        return client_of(address).v1.subscriptions.update(
            subscription,
            {
                "items": [{"id": item, "quantity": number + 2}],
                "proration_behavior": "always_invoice",
            },
        )

    sandbox.clock.advance(days=7)
    with serving(sandbox.wsgi_app) as address:
        answers = at_once(5, change)
    assert all(isinstance(answer, stripe.Subscription) for answer in answers)
    quantity = client.v1.subscriptions.retrieve(subscription)["items"].data[0].quantity
    assert quantity in range(2, 7)
    invoices = client.v1.invoices.list({"subscription": subscription}).data
    assert len(invoices) == 6
    # However they were ordered, together they charge the way from one to the last quantity.
    changed = sum(invoice.total for invoice in invoices[:-1])
    assert changed == pytest.approx(2500 * (quantity - 1) * 21 / 28, abs=len(invoices))
    assert len({invoice.number for invoice in invoices}) == 6


def test_two_processes_serve_one_file(tmp_path: Path) -> None:
    path = tmp_path / "stripe.sqlite"
    with Sandbox(path, now=START) as sandbox:
        with serving_process(path) as one, serving_process(path) as other:
            # Whoever meets a key that the other process is busy with asks again.
            clients = [client_of(one.address, 15), client_of(other.address, 15)]

            def make(number: int) -> list[str]:
                return [
                    clients[number]
                    .v1.customers.create({"name": "Ada"}, {"idempotency_key": f"key-{key}"})
                    .id
                    for key in range(15)
                ]

            first, second = at_once(2, make)
            assert first == second
            first_page = clients[0].v1.customers.list({"limit": 100})
        assert {one.id for one in first_page} == set(first)
        assert len(sandbox.events("customer.created")) == 15


# much at once


def calls_in(look: c.Callable[[], object]) -> int:
    """How many functions a look calls: the same on every machine."""
    counted = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal counted
        counted += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        assert look()
    finally:
        sys.setprofile(None)
    return counted


def test_lists_stay_fast_with_thousands_of_customers(tmp_path: Path) -> None:
    with Sandbox(tmp_path / "stripe.sqlite", now=START) as sandbox:
        client = sandbox.client()
        shop_price = client.v1.prices.create(
            {
                "product_data": {"name": "Pro"},
                "currency": "usd",
                "unit_amount": 2500,
                "recurring": {"interval": "month"},
            }
        )
        for number in range(3000):
            customer = client.v1.customers.create({"email": f"{number}@example.com"})
        method = client.v1.payment_methods.attach("pm_card_visa", {"customer": customer.id})
        client.v1.subscriptions.create(
            {
                "customer": customer.id,
                "items": [{"price": shop_price.id}],
                "default_payment_method": method.id,
            }
        )
        looks: list[c.Callable[[], t.Any]] = [
            lambda: client.v1.customers.list({"limit": 100}),
            lambda: client.v1.customers.list({"limit": 100, "starting_after": customer.id}),
            lambda: client.v1.customers.list({"email": "7@example.com"}),
            lambda: client.v1.subscriptions.list({"customer": customer.id}),
            lambda: client.v1.invoices.list({"customer": customer.id}),
            lambda: client.v1.events.list({"limit": 100}),
            lambda: client.v1.events.list({"type": "invoice.paid"}),
            lambda: client.v1.customers.retrieve(customer.id),
        ]
        # A page of a hundred takes 800,000, watched as it is here; all would take 24 million.
        assert max(map(calls_in, looks)) < 2_000_000
        assert (
            sum(1 for _one in client.v1.customers.list({"limit": 100}).auto_paging_iter()) == 3000
        )


# processes that die


def test_what_was_answered_survives_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "stripe.sqlite"
    Sandbox(path, now=START).close()
    answered: list[str] = []
    process = Process(path)
    client = client_of(process.address)

    def work() -> None:
        while True:
            try:
                customer = client.v1.customers.create(
                    {"payment_method": "pm_card_visa", "name": "Ada"}
                )
            except stripe.APIConnectionError:
                return
            answered.append(customer.id)

    worker = threading.Thread(target=work)
    worker.start()
    while len(answered) < 10:
        time.sleep(0.01)
    process.kill()
    worker.join()
    with Sandbox(path) as sandbox:
        kept = {one.id for one in sandbox.client().v1.customers.list().auto_paging_iter()}
        assert set(answered) <= kept
        # The last one may have been done and not answered; nothing is there by halves.
        assert len(kept) <= len(answered) + 1
        for kind in ("customer.created", "payment_method.attached"):
            assert len(sandbox.events(kind)) == len(kept)
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


def test_webhooks_that_a_killed_process_owes_are_delivered(tmp_path: Path) -> None:
    path = tmp_path / "stripe.sqlite"
    arrived, go_on = threading.Event(), threading.Event()
    seen: list[str] = []

    def receiver(environ: t.Any, start_response: t.Any) -> list[bytes]:
        environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        seen.append(environ["HTTP_STRIPE_SIGNATURE"])
        arrived.set()
        go_on.wait(PATIENCE)
        start_response("200 OK", [("Content-Length", "0")])
        return []

    with serving(receiver) as address:
        with Sandbox(path, now=START) as sandbox:
            sandbox.webhooks.add_endpoint(f"{address}/hook")
        with serving_process(path, "deliver") as process:
            client = client_of(process.address)
            client.v1.customers.create({"name": "being sent when it dies"})
            assert arrived.wait(PATIENCE)
            client.v1.customers.create({"name": "still waiting"})
        go_on.set()
        with Sandbox(path) as sandbox:
            assert sandbox.webhooks.pending() == 2
            assert sandbox.webhooks.deliver() == [("customer.created", 200)] * 2
            assert sandbox.webhooks.pending() == 0
    assert len(seen) == 3


#: Looks at the sandbox when all else that happens at the end of a process has happened.
LATE = """
import atexit, sys
atexit.register(lambda: print(sandbox.clock.now().year))
from flask_billing.sandbox import Sandbox
sandbox = Sandbox(sys.argv[1])
"""


def test_a_thread_that_delivers_may_read_until_its_process_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "stripe.sqlite"
    with Sandbox(path, now=START):
        pass
    command = [sys.executable, "-c", LATE, str(path)]
    ended = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    assert (ended.stdout, ended.stderr) == (f"{START.year}\n", "")


#: Goes for a year, a moment a transaction, and dies in the one that would begin its 101st day.
ADVANCE = """
import os, signal, sys
from datetime import timedelta
from flask_billing.sandbox import Sandbox, clock, engine_room
sandbox = Sandbox(sys.argv[1])
end = int((sandbox.clock.now() + timedelta(days=100)).timestamp())
write, engine_room._TURN_SECONDS = clock.write, 0
def die_on_the_way(connection, now, *, frozen):
    write(connection, now, frozen=frozen)
    if now >= end:
        os.kill(os.getpid(), signal.SIGKILL)
clock.write = die_on_the_way
sandbox.clock.advance(days=365)
"""


def test_a_year_that_was_cut_short_can_be_finished(tmp_path: Path) -> None:
    path = tmp_path / "stripe.sqlite"
    with Sandbox(path, now=START) as sandbox:
        client = sandbox.client()
        price = client.v1.prices.create(
            {
                "product_data": {"name": "Pro"},
                "currency": "usd",
                "unit_amount": 2500,
                "recurring": {"interval": "month"},
            }
        )
        for _ in range(30):
            customer = client.v1.customers.create({"payment_method": "pm_card_visa"})
            method = customer_card(client, customer.id)
            client.v1.subscriptions.create(
                {
                    "customer": customer.id,
                    "items": [{"price": price.id}],
                    "default_payment_method": method,
                }
            )
            sandbox.clock.advance(hours=5)
        start = sandbox.clock.now()
    died = subprocess.run([sys.executable, "-c", ADVANCE, str(path)], cwd=ROOT, check=False)
    assert died.returncode == -signal.SIGKILL
    with Sandbox(path) as sandbox:
        assert start + timedelta(days=60) < sandbox.clock.now() < start + timedelta(days=100)
        sandbox.clock.advance(to=start + timedelta(days=365))
        client = sandbox.client()
        invoices = list(client.v1.invoices.list({"limit": 100}).auto_paging_iter())
        assert len(invoices) == 30 * 13
        assert {invoice.status for invoice in invoices} == {"paid"}
        assert len({(one.customer, one.number) for one in invoices}) == 30 * 13
        times = [event["created"] for event in sandbox.events()]
        assert times == sorted(times)


def customer_card(client: stripe.StripeClient, customer: str) -> str:
    """The card of a customer."""
    return client.v1.customers.payment_methods.list(customer).data[0].id
