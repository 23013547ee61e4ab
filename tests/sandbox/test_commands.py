"""``flask billing sandbox advance``, ``events`` and ``reset``, on an app's store and on a file."""

from __future__ import annotations

import collections.abc as c
import json
import os
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from flask_billing.cli import billing, sandbox_store
from flask_billing.models import Subscription, WebhookEvent
from flask_billing.sandbox import Sandbox

from ..host import Host
from ..views.person import Person
from .conftest import START

MakeApp = c.Callable[..., Host]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Where the sandbox keeps its state."""
    return tmp_path / "stripe.sqlite"


@pytest.fixture
def host(make_app: MakeApp, store: Path) -> Host:
    """An app on a sandbox whose clock stands at noon of 31 January 2026."""
    return make_app(sandbox=Sandbox(store, now=START))


def run(host: Host, *arguments: str, answer: str | None = None) -> Result:
    """What a command does."""
    return host.app.test_cli_runner().invoke(args=["billing", "sandbox", *arguments], input=answer)


def run_alone(*arguments: str) -> Result:
    """What a command does where there is no app."""
    return CliRunner().invoke(billing, ["sandbox", *arguments])


def test_advance_runs_what_happens_on_the_way(host: Host) -> None:
    buy(host)
    result = run(host, "advance", "--days", "28.5")

    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[0] == "2026-01-31 12:00 -> 2026-03-01 00:00 UTC"
    assert any("2026-02-28 12:00:00" in line and "invoice.created" in line for line in lines)
    assert any("2026-02-28 13:00:00" in line and "invoice.paid" in line for line in lines)
    assert lines[-1].endswith("webhooks delivered")
    [row] = host.rows(Subscription)
    assert row.current_period_start == datetime(2026, 2, 28, 12, tzinfo=UTC)


def test_advance_to_a_day(host: Host) -> None:
    assert run(host, "advance", "--to", "2026-02-03").exit_code == 0
    assert host.sandbox.clock.now() == datetime(2026, 2, 3, tzinfo=UTC)

    back = run(host, "advance", "--to", "2026-02-01")
    assert back.exit_code == 2
    assert "only moves forward" in back.output
    assert run(host, "advance").exit_code == 2
    assert run(host, "advance", "--days", "-1").exit_code == 2


def test_advance_fails_where_the_app_does(host: Host) -> None:
    buy(host)
    host.sandbox.fail("GET", "/v1/invoices/*", times=99)
    result = run(host, "advance", "--days", "29")

    assert result.exit_code == 1
    assert "invoice.created was answered 500" in result.output


def test_events_newest_first(host: Host) -> None:
    buy(host)
    lines = run(host, "events").output.splitlines()

    assert len(lines) == len(host.sandbox.events())
    assert lines[-1].split()[3] == host.sandbox.events()[0]["type"]
    [line] = run(host, "events", "--limit", "1").output.splitlines()
    assert line == lines[0]
    assert host.sandbox.events("invoice.paid")[0]["id"] in (
        run(host, "events", "--type", "invoice.paid").output
    )
    assert run(host, "events", "--type", "payout.paid").output == ""


def test_events_for_programs(host: Host) -> None:
    buy(host)
    found = json.loads(run(host, "events", "--type", "invoice.paid", "--json").output)

    assert found == host.sandbox.events("invoice.paid")


def test_an_event_is_shown_and_sent_again(host: Host) -> None:
    buy(host)
    [event] = host.sandbox.events("invoice.paid")
    shown = run(host, "events", "show", event["id"])
    assert json.loads(shown.stdout) == event
    assert "delivered after 1 attempts, last answer 200" in shown.stderr

    assert "1 webhooks delivered" in run(host, "events", "resend", event["id"]).output
    [row] = host.rows(WebhookEvent, stripe_id=event["id"])
    assert row.deliveries == 2

    for command in ("show", "resend"):
        missing = run(host, "events", command, "evt_none")
        assert missing.exit_code == 1
        assert "There is no event 'evt_none'" in missing.output


def test_reset_asks(host: Host) -> None:
    buy(host)
    assert run(host, "reset", answer="n\n").exit_code == 1
    assert host.sandbox.events()

    assert run(host, "reset", answer="y\n").exit_code == 0
    assert host.sandbox.events() == []
    assert host.sandbox.clock.now() == START
    assert len(host.rows(Subscription)) == 1


def test_after_a_reset_the_app_still_hears(host: Host, make_app: MakeApp, store: Path) -> None:
    secrets = host.state.stripe.webhook_secrets
    assert run(host, "reset", "--yes").exit_code == 0

    host.sandbox.client().v1.customers.create({"name": "Ada"})
    assert host.sandbox.webhooks.deliver() == [("customer.created", 200)]
    again = make_app(sandbox=Sandbox(store), create=False)
    assert again.state.stripe.webhook_secrets == secrets


def test_a_store_without_an_app(host: Host, store: Path) -> None:
    buy(host)
    where = ("--store", str(store))

    assert "invoice.paid" in run_alone("events", *where).output
    told = run_alone("advance", "--days", "40", *where)
    assert told.exit_code == 0
    assert "left to the process that receives them" in told.output
    [event] = host.sandbox.events("checkout.session.completed")
    assert run_alone("events", "show", event["id"], *where).exit_code == 0
    assert run_alone("reset", "--yes", *where).exit_code == 0
    assert host.sandbox.events() == []


@pytest.mark.parametrize("command", [("events",), ("advance", "--days=1"), ("reset", "--yes")])
def test_what_is_no_sandbox_store_is_left_alone(tmp_path: Path, command: tuple[str, ...]) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("not a database, whatever its name is")
    other = tmp_path / "app.sqlite"

    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE objects (id)")

    before = text.read_bytes(), other.read_bytes()

    for file in (text, other):
        result = run_alone(*command, "--store", str(file))
        assert result.exit_code == 1
        assert "is no sandbox store" in result.output

    missing = run_alone(*command, "--store", str(tmp_path / "none.sqlite"))
    assert missing.exit_code == 1
    assert "There is no sandbox store" in missing.output
    assert (text.read_bytes(), other.read_bytes()) == before
    assert not (tmp_path / "none.sqlite").exists()


def test_a_locked_store_is_told(host: Host, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox_store, "PATIENCE", 0.1)

    with sqlite3.connect(store, isolation_level=None) as busy:
        busy.execute("BEGIN IMMEDIATE")
        result = run_alone("advance", "--days", "1", "--store", str(store))

    assert result.exit_code == 1
    assert "is locked by another process" in result.output


def test_an_app_in_memory_is_told(make_app: MakeApp) -> None:
    result = run(make_app(), "advance", "--days", "1")

    assert result.exit_code == 1
    assert "BILLING_SANDBOX_STORE" in result.output


def test_an_app_that_is_not_on_a_sandbox_is_told(host: Host) -> None:
    host.state.sandbox = None
    result = run(host, "reset", "--yes")

    assert result.exit_code == 1
    assert "BILLING_SANDBOX = True" in result.output
    assert host.sandbox.clock.now() == START


def test_no_app_is_told(tmp_path: Path) -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "flask", "billing", "sandbox", "events"],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if name != "FLASK_APP"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert "--store" in done.stderr
    assert "Traceback" not in done.stderr


def buy(host: Host) -> None:
    """A customer buys Starter, and the app hears of it."""
    Person(host).buy("starter")
    host.sandbox.webhooks.deliver()
