"""What a probe is told: whether billing does its work, and nothing about anybody."""

from __future__ import annotations

import datetime as dt

import pytest
import sqlalchemy as sa

from flask_billing import clock
from flask_billing.database import transaction
from flask_billing.models import WebhookEvent

from ..host import Host
from ..views.person import Person


def test_a_probe_hears_that_all_is_well(any_host: Host) -> None:
    Person(any_host).buy("starter")
    any_host.sandbox.webhooks.deliver()
    answer = any_host.client(None).get("/billing/health")

    assert answer.status_code == 200
    assert answer.json is not None
    assert answer.json["status"] == "ok"
    assert answer.json["inbox_lag_seconds"] is None
    assert "no-store" in answer.headers["Cache-Control"]
    assert "example.com" not in answer.text


def test_a_probe_hears_of_events_that_wait_too_long(any_host: Host) -> None:
    Person(any_host).buy("starter")
    any_host.sandbox.webhooks.deliver()

    with any_host.app.app_context(), transaction() as connection:
        connection.execute(
            sa.update(WebhookEvent)
            .where(WebhookEvent.id == 1)
            .values(state="failed", received_at=clock.wall() - dt.timedelta(hours=1))
        )

    answer = any_host.client(None).get("/billing/health")
    assert answer.status_code == 503
    assert answer.json is not None
    assert answer.json["inbox_lag_seconds"] >= 3600


def test_a_probe_hears_that_the_database_is_down(any_host: Host) -> None:
    with any_host.app.app_context():
        any_host.db.session.remove()

    with any_host.app.app_context(), any_host.db.engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE billing_webhook_event"))

    answer = any_host.client(None).get("/billing/health")
    assert (answer.status_code, answer.json) == (503, {"status": "failing", "database": "down"})


def test_hosts_count_rows_by_state(any_host: Host) -> None:
    Person(any_host).buy("starter")
    any_host.sandbox.webhooks.deliver()

    with any_host.app.app_context():
        counters = any_host.billing.counters()

    assert counters["billing_webhook_events_handled"] > 0
    assert all(isinstance(count, int) for count in counters.values())


@pytest.mark.parametrize("path", ["/billing/health"])
def test_it_asks_nothing_of_stripe(any_host: Host, path: str) -> None:
    with any_host.sandbox.outage():
        assert any_host.client(None).get(path).status_code == 200
