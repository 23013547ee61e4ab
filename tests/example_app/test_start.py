"""The first start, the second, and the one after a crash."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import click
import sqlalchemy as sa

from example_app import create_app, live_sandbox
from example_app.extensions import db
from example_app.history import DAYS
from flask_billing.models import UsageEvent, WebhookEvent

from .demo import Demo


def test_first_start_puts_both_databases_and_a_secret_in_place(history: Path) -> None:
    assert {path.name for path in history.iterdir()} == {
        "linnet.sqlite",
        "stripe.sqlite",
        "secret_key",
    }
    assert (history / "secret_key").stat().st_mode & 0o077 == 0
    assert len((history / "secret_key").read_text()) == 64


def test_second_start_keeps_what_there_is(history: Path, demo: Demo) -> None:
    assert demo.app.secret_key == (history / "secret_key").read_text()
    assert not list(demo.folder.glob("seeding-*"))


def test_database_of_an_earlier_checkout_is_made_anew(demo: Demo) -> None:
    live_sandbox.close(demo.app)

    with contextlib.closing(sqlite3.connect(demo.folder / "linnet.sqlite")) as connection:
        connection.execute("ALTER TABLE billing_customer DROP COLUMN locale")

    demo.app = create_app(demo.folder, TESTING=True)

    assert "1.7M of 2M 86%" in demo.visitor("Night Heron").page("/billing/")


def test_history_reaches_back_ninety_days_and_up_to_now(demo: Demo) -> None:
    with demo.app.app_context():
        first, last, count = db.session.execute(
            sa.select(
                sa.func.min(UsageEvent.occurred_at),
                sa.func.max(UsageEvent.occurred_at),
                sa.func.count(),
            )
        ).one()
        assert DAYS - 8 <= (last - first).days <= DAYS
        assert count > 300
        now = demo.sandbox.clock.now()
        assert abs((now - last).total_seconds()) < 3 * 86400


def test_one_receiver_of_each_sort_of_event_is_left_at_the_address_of_now(demo: Demo) -> None:
    runner = demo.app.test_cli_runner()

    for port in (5001, 5002):  # as another ``flask run`` would
        context = click.Context(click.Command("run"), info_name="run")
        context.params["port"] = port

        with context:
            live_sandbox.post_webhooks(demo.app)

    client = demo.sandbox.client()
    [endpoint] = client.v1.webhook_endpoints.list().data
    assert ":5002/" in endpoint.url
    shown = client.v2.core.event_destinations.list({"include": ["webhook_endpoint.url"]}).data
    assert [one.webhook_endpoint and one.webhook_endpoint.url for one in shown] == [endpoint.url]
    found = runner.invoke(args=["billing", "doctor", "endpoint", "destination"])
    assert "WARNING" not in found.output


def test_every_webhook_of_the_history_was_taken(demo: Demo) -> None:
    with demo.app.app_context():
        open_events = db.session.execute(
            sa.select(WebhookEvent.type, WebhookEvent.state, WebhookEvent.error).where(
                WebhookEvent.state.not_in(("handled", "ignored"))
            )
        ).all()

    assert open_events == []
    assert {delivery.status for delivery in demo.sandbox.webhooks.log(1000)} == {200}
    assert demo.sandbox.webhooks.pending() == 0
