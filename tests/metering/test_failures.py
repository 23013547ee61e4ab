"""What a request meets while the usage store is down, and what is tried again."""

from __future__ import annotations

import collections.abc as c
import contextlib
import datetime as dt
import logging
import threading
import typing as t

import pytest
import sqlalchemy as sa

from flask_billing import metering
from flask_billing.errors import MeteringUnavailableError
from flask_billing.models import Customer, UsageEvent

from ..host import Host
from .outage import down, locked

CATALOG: dict[str, t.Any] = {
    "meters": {
        "calls": {"name": "Calls"},
        "runs": {"name": "Runs", "on_error": "closed"},
    },
    "plans": {
        "free": {
            "name": "Free",
            "limits": [
                {"meter": "calls", "included": 100, "window": "month"},
                {"meter": "runs", "included": 100, "window": "month"},
            ],
        }
    },
}


@pytest.fixture
def shop(make_app: c.Callable[..., Host], database_url: str) -> Host:
    """A host that gives up on its database quickly, with two metered views."""
    host = make_app(
        database_url, catalog=CATALOG, BILLING_SQLITE_BUSY_TIMEOUT=dt.timedelta(milliseconds=50)
    )

    @host.app.get("/call")
    @host.billing.metered("calls")
    def call() -> str:
        return "called"

    @host.app.get("/run")
    @host.billing.metered("runs")
    def run() -> str:
        return "ran"

    client = host.client()
    assert (client.get("/call").status_code, client.get("/run").status_code) == (200, 200)
    return host


def known(host: Host) -> Customer:
    """The customer, whom no session holds."""
    with host.app.app_context():
        customer = host.customer()
        assert customer.id
        return customer


def test_an_open_meter_lets_the_request_go_on(shop: Host, caplog: pytest.LogCaptureFixture) -> None:
    customer = known(shop)

    with down(shop), caplog.at_level(logging.ERROR, "flask_billing.metering"):
        answer = shop.client().get("/call")

        with shop.app.app_context():
            decision = metering.consume("calls", 3, customer=customer, key="kept")

    assert answer.status_code == 200
    assert (decision.allowed, decision.degraded, decision.reason) == (True, True, "degraded")
    assert "3 of calls cannot be counted" in caplog.text
    assert "'key': 'kept'" in caplog.text
    assert len(shop.rows(UsageEvent, meter="calls")) == 1


def test_without_a_spool_the_log_says_whose_usage_it_was(
    shop: Host, caplog: pytest.LogCaptureFixture
) -> None:
    customer = known(shop)

    with down(shop), caplog.at_level(logging.ERROR, "flask_billing.metering"):
        assert shop.client("never-seen").get("/call").status_code == 200
        assert "'owner': ('user', 'never-seen')" in caplog.text

        with shop.app.app_context():
            metering.record("calls", 3, customer=customer, key="kept")

    assert f"'customer_id': {customer.id}" in caplog.messages[-1]
    assert "Try again" not in caplog.text


def test_a_closed_meter_answers_503(shop: Host) -> None:
    customer = known(shop)

    with down(shop):
        answer = shop.client().get("/run")

        with shop.app.app_context(), pytest.raises(MeteringUnavailableError):
            metering.consume("runs", 1, customer=customer)

    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "60"
    assert shop.client().get("/run").status_code == 200


def test_a_lock_that_is_let_go_of_is_waited_for(
    make_app: c.Callable[..., Host], sqlite_url: str
) -> None:
    host = make_app(catalog=CATALOG)

    with host.app.app_context():
        customer = host.customer()
        metering.consume("calls", 1, customer=customer)

        with contextlib.ExitStack() as lock:
            lock.enter_context(locked(sqlite_url))
            timer = threading.Timer(0.3, lock.close)
            timer.start()
            decision = metering.consume("calls", 1, customer=customer)
            timer.join()

    assert (decision.degraded, decision.used) == (False, 2)


@pytest.mark.postgres
def test_a_connection_that_died_is_replaced(
    make_app: c.Callable[..., Host], postgres_url: str
) -> None:
    # However slow the machine is, and however short it waits for locks.
    host = make_app(postgres_url, catalog=CATALOG, BILLING_SQLITE_BUSY_TIMEOUT=dt.timedelta(0))

    @host.app.get("/call")
    @host.billing.metered("calls")
    def call() -> str:
        return "called"

    client = host.client()
    assert client.get("/call").status_code == 200
    engine = sa.create_engine(postgres_url, isolation_level="AUTOCOMMIT")

    with engine.connect() as connection:
        connection.execute(
            sa.text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )

    engine.dispose()

    with host.app.app_context():
        host.db.engine.dispose()  # the host's own connections are the host's affair

    assert client.get("/call").status_code == 200
    assert len(host.rows(UsageEvent)) == 2
