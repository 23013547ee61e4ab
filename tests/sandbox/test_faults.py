"""Faults of the API, as stripe-python meets them."""

from __future__ import annotations

import time

import pytest
import stripe

from flask_billing.sandbox import Sandbox

from .conftest import Shop


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
