"""Faults of the API, as stripe-python meets them."""

from __future__ import annotations

import collections.abc as c
import threading
import time
import typing as t
from contextlib import contextmanager

import pytest
import stripe

from flask_billing.sandbox import Sandbox

from ..patience import PATIENCE
from .conftest import Shop
from .serving import serving


def test_chosen_requests_fail(client: stripe.StripeClient, sandbox: Sandbox) -> None:
    sandbox.fail("POST", "/v1/customers", times=2, status=500)
    for _ in range(2):
        with pytest.raises(stripe.APIError):
            client.v1.customers.create({"name": "Ada"})
    assert client.v1.customers.list().data == []
    assert client.v1.customers.create({"name": "Ada"}).name == "Ada"
    assert [request.status for request in sandbox.requests] == [500, 500, 200, 200]


def test_retries_of_the_client_get_through(sandbox: Sandbox) -> None:
    sandbox.fail("POST", "/v1/customers", times=2, status=None)
    client = sandbox.client(max_network_retries=2)
    assert client.v1.customers.create({"name": "Ada"}).name == "Ada"
    assert len(client.v1.customers.list().data) == 1


def test_a_path_may_name_any_id(client: stripe.StripeClient, shop: Shop, sandbox: Sandbox) -> None:
    subscription = shop.subscribe()
    sandbox.fail("GET", "/v1/subscriptions/*", status=429)
    assert client.v1.subscriptions.list().data
    with pytest.raises(stripe.RateLimitError):
        client.v1.subscriptions.retrieve(subscription)


@pytest.mark.parametrize("status", [None, 500])
def test_work_done_whose_answer_is_lost_is_not_done_twice(
    sandbox: Sandbox, status: int | None
) -> None:
    sandbox.fail("POST", "/v1/customers", status=status, after=True)
    client = sandbox.client(max_network_retries=1)
    created = client.v1.customers.create({"name": "Ada"})
    assert [one.id for one in client.v1.customers.list().data] == [created.id]


def test_an_outage_ends(client: stripe.StripeClient, sandbox: Sandbox) -> None:
    with sandbox.outage(), pytest.raises(stripe.APIConnectionError):
        client.v1.customers.list()
    assert client.v1.customers.list().data == []
    sandbox.outage(True)
    with pytest.raises(stripe.APIConnectionError):
        client.v1.customers.list()
    sandbox.repair()
    assert client.v1.customers.list().data == []


def test_slow_answers(client: stripe.StripeClient, sandbox: Sandbox) -> None:
    sandbox.slow(0.05)
    start = time.perf_counter()
    client.v1.customers.list()
    assert time.perf_counter() - start >= 0.05


@pytest.mark.parametrize(
    ("fault", "exception"),
    [
        ({"status": 402, "code": "expired_card"}, stripe.CardError),
        ({"status": 402, "decline_code": "insufficient_funds"}, stripe.CardError),
        ({"status": 403, "message": "Not yours."}, stripe.PermissionError),
        ({"status": 409}, stripe.APIError),
        (
            {"status": 400, "error_type": "idempotency_error", "code": "any"},
            stripe.IdempotencyError,
        ),
        ({"status": 503}, stripe.APIError),
    ],
)
def test_errors_can_be_chosen(
    client: stripe.StripeClient, sandbox: Sandbox, fault: t.Any, exception: type[stripe.StripeError]
) -> None:
    sandbox.fail("POST", "/v1/customers", **fault)
    with pytest.raises(exception) as caught:
        client.v1.customers.create({"name": "Ada"})
    assert caught.value.http_status == fault["status"]
    assert caught.value.error is not None
    for name in ("code", "decline_code", "message"):
        if name in fault:
            assert caught.value.error[name] == fault[name]


def test_chosen_requests_are_slow(
    client: stripe.StripeClient, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    sandbox.slow(0.3, "GET", "/v1/customers")
    client.v1.products.list()
    assert slept == []
    client.v1.customers.list()
    assert slept == [0.3]
    client.v1.customers.list()
    assert slept == [0.3]


# over HTTP


@contextmanager
def served(sandbox: Sandbox, retries: int = 0) -> c.Iterator[stripe.StripeClient]:
    """A client that reaches the sandbox over the network, with stripe-python's own transport."""
    with serving(sandbox.wsgi_app) as address:
        http = stripe.RequestsClient(timeout=5)
        try:
            yield stripe.StripeClient(
                sandbox.api_key,
                base_addresses={"api": address},
                http_client=http,
                max_network_retries=retries,
            )
        finally:
            http.close()  # type: ignore[no-untyped-call]


def test_an_outage_over_http_breaks_the_connection(sandbox: Sandbox) -> None:
    with served(sandbox) as client:
        with sandbox.outage(), pytest.raises(stripe.APIConnectionError):
            client.v1.customers.list()
        assert client.v1.customers.list().data == []


@pytest.mark.parametrize("status", [None, 500])
def test_over_http_work_whose_answer_is_lost_is_not_done_twice(
    sandbox: Sandbox, status: int | None
) -> None:
    sandbox.fail("POST", "/v1/customers", status=status, after=True)
    with served(sandbox, retries=1) as client:
        created = client.v1.customers.create({"name": "Ada"})
        assert [one.id for one in client.v1.customers.list().data] == [created.id]
    assert len(sandbox.events("customer.created")) == 1


def test_a_client_that_does_not_wait_gets_the_answer_with_its_next_try(sandbox: Sandbox) -> None:
    given_up, done = threading.Event(), threading.Event()

    class Impatient(stripe.RequestsClient):
        """Gives up on its first request, and tries again when that has been done."""

        def _sleep_time_seconds(self, num_retries: int) -> float:
            given_up.set()
            assert done.wait(PATIENCE)
            self._timeout = PATIENCE
            return 0.0

    def late(environ: t.Any, start_response: t.Any) -> c.Iterable[bytes]:
        assert given_up.wait(PATIENCE)
        answer = sandbox.wsgi_app(environ, start_response)
        done.set()
        return answer

    with serving(late) as address:
        http = Impatient(timeout=0.1)
        client = stripe.StripeClient(
            sandbox.api_key,
            base_addresses={"api": address},
            http_client=http,
            max_network_retries=2,
        )
        created = client.v1.customers.create({"name": "Ada"})
        assert [one.id for one in client.v1.customers.list().data] == [created.id]
        http.close()  # type: ignore[no-untyped-call]
