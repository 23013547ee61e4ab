"""Deliveries: signed, retried, held, shuffled, doubled, dropped."""

from __future__ import annotations

import collections.abc as c
import json
import threading
import time
import typing as t
from datetime import timedelta

import pytest
import stripe
from werkzeug.wrappers import Request, Response

from flask_billing.sandbox import Sandbox, SandboxError, Settings

from ..patience import PATIENCE
from .conftest import Shop
from .serving import serving

SECRET = "whsec_test"


class Receiver:
    """A webhook route that verifies with stripe-python and answers what it is told."""

    def __init__(self, secret: str = SECRET) -> None:
        self.secret = secret
        self.types: list[str] = []
        self.ids: list[str] = []
        self.statuses: list[int] = []
        self.signatures: list[str] = []
        self.events: list[stripe.Event] = []
        self.seen = threading.Event()

    def __call__(self, environ: t.Any, start_response: t.Any) -> c.Iterable[bytes]:
        request = Request(environ)
        self.signatures.append(request.headers["Stripe-Signature"])
        event = stripe.Webhook.construct_event(request.get_data(), self.signatures[-1], self.secret)
        self.events.append(event)
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
    assert receiver.seen.wait(PATIENCE)
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
    with serving(receiver) as address:
        url = f"{address}/hook"
        endpoint = client.v1.webhook_endpoints.create({"url": url, "enabled_events": ["*"]})
        assert endpoint.secret is not None
        assert "secret" not in client.v1.webhook_endpoints.retrieve(endpoint.id)
        receiver.secret = endpoint.secret
        client.v1.customers.create({"name": "Ada"})
        assert sandbox.webhooks.deliver() == [("customer.created", 200)]
    client.v1.customers.create({"name": "Bob"})
    assert sandbox.webhooks.deliver() == [("customer.created", 0)]


@pytest.mark.parametrize("status", [301, 302, 307, 400, 503])
def test_redirects_and_errors_count_as_failures(
    client: stripe.StripeClient, sandbox: Sandbox, status: int
) -> None:
    def app(environ: t.Any, start_response: t.Any) -> c.Iterable[bytes]:
        return Response(status=status, headers={"Location": "/elsewhere"})(environ, start_response)

    with serving(app) as address:
        url = f"{address}/hook"
        client.v1.webhook_endpoints.create({"url": url, "enabled_events": ["*"]})
        client.v1.customers.create({"name": "Ada"})
        assert sandbox.webhooks.deliver() == [("customer.created", status)]
    assert sandbox.webhooks.pending() == 1


def test_a_receiver_that_takes_too_long_fails(
    client: stripe.StripeClient, sandbox: Sandbox
) -> None:
    late = threading.Event()

    def app(environ: t.Any, start_response: t.Any) -> c.Iterable[bytes]:
        late.wait(PATIENCE)
        return Response()(environ, start_response)

    sandbox.webhooks.timeout = 0.2
    with serving(app) as address:
        url = f"{address}/hook"
        client.v1.webhook_endpoints.create({"url": url, "enabled_events": ["*"]})
        client.v1.customers.create({"name": "Ada"})
        assert sandbox.webhooks.deliver() == [("customer.created", 0)]
        late.set()


# retries


def test_retries_follow_the_clock_and_end(
    client: stripe.StripeClient, sandbox: Sandbox, receiver: Receiver
) -> None:
    receiver.statuses = [500] * 4
    client.v1.customers.create({"name": "Ada"})
    webhooks = sandbox.webhooks
    assert webhooks.deliver(due_only=True) == [("customer.created", 500)]
    assert webhooks.deliver(due_only=True) == []
    for wait in sandbox.settings.webhook_retry_seconds:
        sandbox.clock.advance(seconds=wait - 1)
        assert webhooks.deliver(due_only=True) == []
        sandbox.clock.advance(seconds=1)
        assert webhooks.deliver(due_only=True) == [("customer.created", 500)]
    assert (webhooks.log()[0].state, webhooks.log()[0].attempts) == ("failed", 4)
    sandbox.clock.advance(days=30)
    assert webhooks.deliver() == []
    assert len(set(receiver.ids)) == 1
    assert webhooks.retry() == [("customer.created", 200)]


def test_the_clock_brings_retries_by_itself(
    client: stripe.StripeClient, sandbox: Sandbox, receiver: Receiver
) -> None:
    sandbox.settings = Settings(webhook_retry_seconds=(86_400,))
    receiver.statuses = [500]
    client.v1.customers.create({"name": "Ada"})
    sandbox.webhooks.deliver()
    receiver.seen.clear()
    sandbox.webhooks.auto = True
    assert not receiver.seen.wait(0.2)
    sandbox.clock.advance(days=1)
    assert receiver.seen.wait(PATIENCE)


def test_a_retry_is_signed_anew(
    client: stripe.StripeClient,
    sandbox: Sandbox,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    receiver.statuses = [500]
    client.v1.customers.create({"name": "Ada"})
    sandbox.webhooks.deliver()
    later = time.time() + 1
    monkeypatch.setattr(time, "time", lambda: later)
    sandbox.webhooks.deliver()
    first, second = receiver.signatures
    assert first.split(",")[0] != second.split(",")[0]
    assert first.split(",")[1] != second.split(",")[1]
    assert receiver.events[0] == receiver.events[1]


# endpoints


def test_a_rolled_secret_signs_beside_the_old_one_for_a_while(
    client: stripe.StripeClient, sandbox: Sandbox, receiver: Receiver
) -> None:
    endpoint = client.v1.webhook_endpoints.list().data[0]
    new = sandbox.webhooks.roll_secret(endpoint.id, overlap=timedelta(hours=2))
    assert new != SECRET
    for secret in (SECRET, new):
        receiver.secret = secret
        client.v1.customers.create({"name": "Ada"})
        assert sandbox.webhooks.deliver() == [("customer.created", 200)]
    assert [header.count("v1=") for header in receiver.signatures] == [2, 2]
    sandbox.clock.advance(hours=2)
    client.v1.customers.create({"name": "Ada"})
    assert sandbox.webhooks.deliver() == [("customer.created", 200)]
    assert receiver.signatures[-1].count("v1=") == 1


def test_a_secret_cannot_overlap_for_longer_than_a_day(
    client: stripe.StripeClient, sandbox: Sandbox, receiver: Receiver
) -> None:
    endpoint = client.v1.webhook_endpoints.list().data[0]
    with pytest.raises(SandboxError, match="24 hours"):
        sandbox.webhooks.roll_secret(endpoint.id, overlap=timedelta(hours=25))


def test_a_disabled_endpoint_gets_nothing(
    client: stripe.StripeClient, sandbox: Sandbox, receiver: Receiver
) -> None:
    endpoint = client.v1.webhook_endpoints.list().data[0]
    client.v1.customers.create({"name": "waits"})
    client.v1.webhook_endpoints.update(endpoint.id, {"disabled": True})
    client.v1.customers.create({"name": "is for nobody"})
    assert sandbox.webhooks.deliver() == []
    assert sandbox.webhooks.pending() == 0
    client.v1.webhook_endpoints.update(endpoint.id, {"disabled": False})
    client.v1.customers.create({"name": "comes"})
    assert sandbox.webhooks.deliver() == [("customer.created", 200)]


def test_an_endpoint_switched_off_and_on_in_time_loses_nothing(
    client: stripe.StripeClient, sandbox: Sandbox, receiver: Receiver
) -> None:
    endpoint = client.v1.webhook_endpoints.list().data[0]
    client.v1.customers.create({"name": "waits"})
    client.v1.webhook_endpoints.update(endpoint.id, {"disabled": True})
    client.v1.webhook_endpoints.update(endpoint.id, {"disabled": False})
    assert sandbox.webhooks.deliver() == [("customer.created", 200)]


def test_enabled_events_can_change(
    client: stripe.StripeClient, sandbox: Sandbox, receiver: Receiver
) -> None:
    endpoint = client.v1.webhook_endpoints.list().data[0]
    client.v1.webhook_endpoints.update(endpoint.id, {"enabled_events": ["product.created"]})
    client.v1.customers.create({"name": "Ada"})
    client.v1.products.create({"name": "Pro"})
    assert sandbox.webhooks.deliver() == [("product.created", 200)]


def test_an_endpoint_names_its_api_version(client: stripe.StripeClient, sandbox: Sandbox) -> None:
    receiver = Receiver()
    with serving(receiver) as address:
        url = f"{address}/hook"
        endpoint = client.v1.webhook_endpoints.create(
            {"url": url, "enabled_events": ["*"], "api_version": "2026-03-25.dahlia"}
        )
        receiver.secret = str(endpoint.secret)
        client.v1.customers.create({"name": "Ada"})
        sandbox.webhooks.deliver()
    assert receiver.events[0].api_version == "2026-03-25.dahlia"


def test_events_count_the_endpoints_still_to_reach(
    client: stripe.StripeClient, sandbox: Sandbox, receiver: Receiver
) -> None:
    other = Receiver()
    sandbox.webhooks.add_endpoint(other, SECRET)
    other.statuses = [500]
    client.v1.customers.create({"name": "Ada"})
    event = client.v1.events.list().data[0]
    assert event.pending_webhooks == 2
    sandbox.webhooks.deliver()
    assert receiver.events[0].pending_webhooks == 2
    assert client.v1.events.retrieve(event.id).pending_webhooks == 1
    assert [one.id for one in client.v1.events.list({"delivery_success": False})] == [event.id]
    sandbox.webhooks.deliver()
    assert client.v1.events.retrieve(event.id).pending_webhooks == 0
    assert client.v1.events.list({"delivery_success": False}).data == []
    assert [one.id for one in client.v1.events.list({"delivery_success": True})] == [event.id]


def test_events_are_kept_for_thirty_days(client: stripe.StripeClient, sandbox: Sandbox) -> None:
    client.v1.customers.create({"name": "Ada"})
    event = client.v1.events.list().data[0]
    sandbox.clock.advance(days=31)
    assert client.v1.events.list().data == []
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.events.retrieve(event.id)
    assert len(sandbox.events()) == 1
