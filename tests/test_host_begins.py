"""Hosts that begin their SQLite transactions themselves, at the first read."""

from __future__ import annotations

import collections.abc as c
import sys
import typing as t

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from flask_billing import checkout
from flask_billing.errors import HostSessionBusyError
from flask_billing.metering import QuotaExceeded
from flask_billing.models import Checkout, Subscription, UsageCounter, WebhookEvent

from .host import Host
from .views.person import Person

NEWER_DRIVER: t.Final = pytest.mark.skipif(
    sys.version_info < (3, 12), reason="sqlite3 can begin by itself from Python 3.12 on"
)


@pytest.fixture(params=["BEGIN", "BEGIN IMMEDIATE", pytest.param("autocommit", marks=NEWER_DRIVER)])
def eager_host(make_app: c.Callable[..., Host], request: pytest.FixtureRequest) -> Host:
    """A host with the usual recipe for SQLite's transactions, or the driver's own switch."""
    host = make_app()

    if request.param == "autocommit":
        options = {"connect_args": {"autocommit": False}}
        return make_app(create=False, SQLALCHEMY_ENGINE_OPTIONS=options)

    with host.app.app_context():
        engine = host.db.engine
        engine.dispose()

        @event.listens_for(engine, "connect")
        def connect(connection: t.Any, record: object) -> None:
            connection.isolation_level = None

        @event.listens_for(engine, "begin")
        def begin(connection: sa.Connection) -> None:
            connection.exec_driver_sql(request.param)

    return host


def test_usage_stays_booked_in_a_view_that_only_read(eager_host: Host) -> None:
    for _ in range(3):
        with eager_host.app.app_context():
            eager_host.db.session.execute(sa.text("SELECT 1"))
            eager_host.billing.consume("api_calls", customer=eager_host.customer())

    [counter] = eager_host.rows(UsageCounter)
    assert counter.used == 3

    with eager_host.app.app_context(), pytest.raises(QuotaExceeded):
        eager_host.billing.consume("api_calls", customer=eager_host.customer())


def test_the_host_can_write_after_usage_was_booked(eager_host: Host) -> None:
    with eager_host.app.app_context():
        eager_host.db.session.execute(sa.text("SELECT 1"))
        customer = eager_host.customer()
        eager_host.billing.consume("api_calls", customer=customer)
        eager_host.db.session.execute(sa.text("UPDATE billing_customer SET name = 'Ada'"))
        eager_host.db.session.commit()
        assert customer.name == "Ada"


def test_a_purchase_and_its_webhooks_are_kept(eager_host: Host) -> None:
    assert Person(eager_host).buy("starter").status_code == 303
    eager_host.sandbox.webhooks.deliver()

    assert [row.plan for row in eager_host.rows(Subscription)] == ["starter"]
    assert {row.state for row in eager_host.rows(WebhookEvent)} == {"handled", "ignored"}


def test_a_checkout_starts_after_a_read(eager_host: Host) -> None:
    with eager_host.app.app_context():
        assert buy(eager_host).url


def test_a_checkout_waits_for_the_hosts_own_write(eager_host: Host) -> None:
    with eager_host.app.app_context():
        customer = eager_host.customer()
        eager_host.db.session.execute(sa.text("UPDATE billing_customer SET name = 'Ada'"))
        eager_host.sandbox.forget_requests()

        with pytest.raises(HostSessionBusyError):
            buy(eager_host)

        eager_host.db.session.rollback()
        assert customer.name != "Ada"

    assert eager_host.sandbox.requests == []


def buy(host: Host) -> Checkout:
    """Start a checkout of Starter."""
    return checkout.start(
        host.customer(),
        plan="starter",
        interval="month",
        success_url="http://localhost/?id={CHECKOUT_SESSION_ID}",
        cancel_url="http://localhost/",
    )
