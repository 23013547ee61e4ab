"""An endpoint that sends five types of events only is enough, on the sandbox from end to end."""

from __future__ import annotations

import collections.abc as c
import typing as t

import pytest
from stripe.params import WebhookEndpointUpdateParams

from flask_billing import metering
from flask_billing.models import WebhookEvent

from ..host import Host
from ..views.person import Person

FIVE = [
    "checkout.session.completed",
    "customer.subscription.updated",
    "customer.subscription.deleted",
    "invoice.payment_succeeded",
    "invoice.payment_failed",
]


@pytest.fixture
def host(make_app: c.Callable[..., Host]) -> Host:
    host = make_app()
    endpoints = host.sandbox.client().v1.webhook_endpoints
    [endpoint] = endpoints.list().data
    wanted = t.cast("WebhookEndpointUpdateParams", {"enabled_events": FIVE})
    endpoints.update(endpoint.id, wanted)
    return host


def now(host: Host) -> tuple[str | None, str, int, int | None]:
    """Plan, reason, and the tokens used and included, once the news have come."""
    host.sandbox.webhooks.deliver()

    with host.app.app_context():
        customer = host.customer()
        access = host.billing.access(customer)
        tokens = metering.usage("tokens", customer=customer)
        return access.plan.key if access.plan else None, access.reason, tokens.used, tokens.limit


def test_five_types_of_events_tell_a_whole_life(host: Host) -> None:
    client = host.sandbox.client()

    with host.app.app_context():
        host.billing.consume("tokens", 60_000, customer=host.customer())

    for _ in range(2):  # leaving and coming back gives no second allowance
        Person(host).pay("starter")
        assert now(host)[::3] == ("starter", 500_000)
        assert now(host)[1] == "active"

        host.sandbox.clock.advance(days=32)
        assert now(host) == ("starter", "active", 0, 500_000)

        subscription = client.v1.subscriptions.list().data[0]
        card = client.v1.payment_methods.attach(
            "pm_card_chargeCustomerFail", {"customer": str(subscription.customer)}
        )
        client.v1.subscriptions.update(subscription.id, {"default_payment_method": card.id})
        host.sandbox.clock.advance(days=31)
        assert now(host)[:2] == ("starter", "past_due")

        client.v1.subscriptions.cancel(subscription.id)
        assert now(host) == ("free", "free", 60_000, 100_000)

    events = host.rows(WebhookEvent)
    assert {event.type for event in events} == set(FIVE)
    assert {event.state for event in events} == {"handled"}
