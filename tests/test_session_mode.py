"""Billing inside ``db.session``: what was asked for is kept where the host has only read."""

from __future__ import annotations

import collections.abc as c

import pytest

from flask_billing import metering
from flask_billing.models import (
    Customer,
    CustomerChange,
    PaymentMethod,
    Subscription,
    UsageEvent,
    WebhookEvent,
)

from .host import Host
from .views.person import Person, words


@pytest.fixture
def session_host(make_app: c.Callable[..., Host], database_url: str) -> Host:
    """A host whose usage is booked in its own session."""
    return make_app(database_url, BILLING_METERING_CONNECTION="session")


def test_a_purchase_and_its_webhooks_are_kept(session_host: Host) -> None:
    person = Person(session_host)
    assert person.buy("starter").status_code == 303
    session_host.sandbox.webhooks.deliver()

    assert [row.plan for row in session_host.rows(Subscription)] == ["starter"]
    assert len(session_host.rows(PaymentMethod)) == 1
    assert {row.state for row in session_host.rows(WebhookEvent)} == {"handled", "ignored"}
    assert "Starter Active" in words(person.open("/billing/"))


def test_a_wish_is_kept_while_stripe_is_down(session_host: Host) -> None:
    person = Person(session_host)
    person.open("/billing/address")

    with session_host.sandbox.outage():
        answer = person.press("/billing/address", name="Ada", email="ada@b.example")

    assert "We recorded your billing details" in words(answer)
    assert [row.state for row in session_host.rows(CustomerChange)] == ["open"]


def test_what_the_host_began_stays_its_own(session_host: Host) -> None:
    with session_host.app.app_context():
        customer = session_host.customer()
        customer.timezone = "Europe/Berlin"
        metering.record("tokens", 5, customer=customer)
        session_host.db.session.rollback()

    assert [row.timezone for row in session_host.rows(Customer)] == [None]
    assert session_host.rows(UsageEvent) == []
