"""Deliveries: signed, retried, held, shuffled, doubled, dropped."""

from __future__ import annotations

import collections.abc as c
import json
import threading
import typing as t

import pytest
import stripe
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from flask_billing.sandbox import Sandbox

from .conftest import Shop

SECRET = "whsec_test"


class Receiver:
    """A webhook route that verifies with stripe-python and answers what it is told."""

    def __init__(self, secret: str = SECRET) -> None:
        self.secret = secret
        self.types: list[str] = []
        self.ids: list[str] = []
        self.statuses: list[int] = []
        self.seen = threading.Event()

    def __call__(self, environ: t.Any, start_response: t.Any) -> c.Iterable[bytes]:
        request = Request(environ)
        event = stripe.Webhook.construct_event(
            request.get_data(), request.headers["Stripe-Signature"], self.secret
        )
        self.types.append(event.type)
        self.ids.append(event.id)
        status = self.statuses.pop(0) if self.statuses else 200
        self.seen.set()
        return Response("ok", status=status)(environ, start_response)


@pytest.fixture
def receiver(sandbox: Sandbox) -> Receiver:
    """A receiver of everything, in process."""
    one = Receiver()
    sandbox.webhooks.add_endpoint(one, SECRET)
    return one


def test_events_wait_for_deliver(
    client: stripe.StripeClient, sandbox: Sandbox, receiver: Receiver
) -> None:
    client.v1.customers.create({"name": "Ada"})
    assert receiver.types == []
    assert sandbox.webhooks.deliver() == [("customer.created", 200)]
    assert receiver.types == ["customer.created"]
    assert sandbox.webhooks.deliver() == []


def test_a_failed_delivery_is_tried_again_with_the_same_event(
    client: stripe.StripeClient, sandbox: Sandbox, receiver: Receiver
) -> None:
    receiver.statuses = [500]
    client.v1.customers.create({"name": "Ada"})
    assert sandbox.webhooks.deliver() == [("customer.created", 500)]
    assert sandbox.webhooks.deliver() == [("customer.created", 200)]
    assert receiver.ids[0] == receiver.ids[1]
    latest = sandbox.webhooks.log()[0]
    assert (latest.state, latest.attempts, latest.status) == ("delivered", 2, 200)


def test_only_enabled_events_are_sent(client: stripe.StripeClient, sandbox: Sandbox) -> None:
    receiver = Receiver()
    sandbox.webhooks.add_endpoint(receiver, SECRET, ["product.created"])
    client.v1.customers.create({"name": "Ada"})
    client.v1.products.create({"name": "Pro"})
    sandbox.webhooks.deliver()
    assert receiver.types == ["product.created"]


@pytest.mark.parametrize("order", ["created", "reversed", "shuffled"])
def test_held_events_are_released_in_an_order(
    shop: Shop, sandbox: Sandbox, receiver: Receiver, order: t.Any
) -> None:
    sandbox.webhooks.deliver()
    receiver.types.clear()
    sandbox.webhooks.hold()
    shop.subscribe()
    assert sandbox.webhooks.deliver() == []
    sandbox.webhooks.release(order=order, duplicates=2, seed=1)
    created = [event["type"] for event in sandbox.events()][-len(receiver.types) // 2 :]
    assert sorted(receiver.types) == sorted(created * 2)
    assert receiver.types[::2] == receiver.types[1::2]
    if order == "reversed":
        assert receiver.types[::2] == created[::-1]
    elif order == "shuffled":
        assert receiver.types[::2] != created


def test_dropped_events_never_come_and_can_be_replayed(
    client: stripe.StripeClient, sandbox: Sandbox, receiver: Receiver
) -> None:
    sandbox.webhooks.drop(1)
    client.v1.customers.create({"name": "Ada"})
    client.v1.customers.create({"name": "Bob"})
    assert len(sandbox.webhooks.deliver()) == 1
    lost = sandbox.events("customer.created")[0]["id"]
    assert sandbox.webhooks.log()[1].state == "dropped"
    assert sandbox.webhooks.replay(lost) == [("customer.created", 200)]
    assert receiver.ids[-1] == lost


def test_the_thread_delivers_after_the_answer(
    client: stripe.StripeClient, sandbox: Sandbox, receiver: Receiver
) -> None:
    sandbox.webhooks.auto = True
    client.v1.customers.create({"name": "Ada"})
    assert receiver.seen.wait(10)
    assert receiver.types == ["customer.created"]


def test_a_receiver_may_call_back(client: stripe.StripeClient, sandbox: Sandbox) -> None:
    fetched: list[str] = []

    def app(environ: t.Any, start_response: t.Any) -> c.Iterable[bytes]:
        event = json.loads(Request(environ).get_data())
        if event["type"] == "customer.created":
            customer = event["data"]["object"]["id"]
            fetched.append(client.v1.customers.retrieve(customer).id)
            client.v1.customers.update(customer, {"name": "Seen"})
        return Response()(environ, start_response)

    sandbox.webhooks.add_endpoint(app, SECRET)
    customer = client.v1.customers.create({"name": "Ada"})
    assert sandbox.webhooks.deliver() == [("customer.created", 200), ("customer.updated", 200)]
    assert fetched == [customer.id]


def test_a_receiver_that_raises_counts_as_500(
    client: stripe.StripeClient, sandbox: Sandbox
) -> None:
    def app(environ: t.Any, start_response: t.Any) -> c.Iterable[bytes]:
        raise RuntimeError("broken")

    sandbox.webhooks.add_endpoint(app, SECRET)
    client.v1.customers.create({"name": "Ada"})
    assert sandbox.webhooks.deliver() == [("customer.created", 500)]


def test_delivery_over_http(client: stripe.StripeClient, sandbox: Sandbox) -> None:
    receiver = Receiver()
    server = make_server("127.0.0.1", 0, receiver)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        endpoint = client.v1.webhook_endpoints.create(
            {"url": f"http://127.0.0.1:{server.port}/hook", "enabled_events": ["*"]}
        )
        assert endpoint.secret is not None
        assert "secret" not in client.v1.webhook_endpoints.retrieve(endpoint.id)
        receiver.secret = endpoint.secret
        client.v1.customers.create({"name": "Ada"})
        assert sandbox.webhooks.deliver() == [("customer.created", 200)]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    client.v1.customers.create({"name": "Bob"})
    assert sandbox.webhooks.deliver() == [("customer.created", 0)]
