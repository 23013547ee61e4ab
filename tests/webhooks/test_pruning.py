"""Payloads hold names and addresses, and are forgotten after 90 days; that an event came is not."""

from __future__ import annotations

import collections.abc as c
import datetime as dt

import pytest
import sqlalchemy as sa

from flask_billing import clock
from flask_billing.models import WebhookEvent

from ..stripe_double import CannedHost, event
from .stories import inbox, made, rows, sign_up
from .test_cli import run

Make = c.Callable[..., CannedHost]
UPDATED = "customer.subscription.updated"


@pytest.fixture
def host(make_canned: Make) -> CannedHost:
    """An event of each fate, all of them old but one."""
    host = make_canned(made("subscription"), made("subscription", id="sub_2", customer="cus_2"))
    sign_up(host)
    host.deliver(event(UPDATED, made("subscription"), id="evt_young"))
    host.deliver(event(UPDATED, made("subscription"), id="evt_good"))
    host.deliver(event("payout.paid", made("payout"), id="evt_payout"))

    for name in ("evt_dead", "evt_bad"):
        stranger = made("subscription", id="sub_2", customer="cus_2")
        host.deliver(event(UPDATED, stranger, id=name))

    change(host, "evt_dead", state="dead")

    for name in ("evt_good", "evt_payout", "evt_dead", "evt_bad"):
        change(host, name, received_at=clock.wall() - dt.timedelta(days=90, minutes=1))

    change(host, "evt_young", received_at=clock.wall() - dt.timedelta(days=89, hours=23))
    return host


def change(host: CannedHost, name: str, **values: object) -> None:
    with host.app.app_context():
        host.db.session.execute(
            sa.update(WebhookEvent).where(WebhookEvent.stripe_id == name).values(**values)
        )
        host.db.session.commit()


def prune(host: CannedHost) -> str:
    result = host.app.test_cli_runner().invoke(args=["billing", "jobs", "run", "inbox-pruning"])
    assert result.exit_code == 0, result.output
    return result.output


def test_old_payloads_are_forgotten_but_those_that_are_still_needed(host: CannedHost) -> None:
    assert "pruned 3" in prune(host)
    kept = {row.stripe_id for row in rows(host, WebhookEvent) if row.payload is not None}
    assert kept == {"evt_young", "evt_bad"}
    assert "pruned 0" in prune(host)
    assert "The payload was pruned." in run(host, "show", "evt_good", "--payload")[1]


def test_a_pruned_event_is_still_a_duplicate(host: CannedHost) -> None:
    prune(host)
    calls = len(host.stripe.requests)
    assert host.deliver(event(UPDATED, made("subscription"), id="evt_good")).status_code == 200
    assert len(host.stripe.requests) == calls


@pytest.mark.parametrize("command", ["replay", "retry"])
@pytest.mark.parametrize("name", ["evt_good", "evt_payout", "evt_dead"])
def test_it_cannot_be_processed_again_and_stays_what_it_was(
    host: CannedHost, command: str, name: str
) -> None:
    prune(host)
    before = inbox(host)
    code, output = run(host, command, name)
    assert code == 1
    assert command == "retry" or "flask billing sync" in output
    assert inbox(host) == before


def test_a_dead_letter_without_payload_alarms_nobody(host: CannedHost) -> None:
    assert "1 events were given up" in doctor(host)
    prune(host)
    assert "were given up" not in doctor(host)
    assert run(host, "retry", "--dead") == (0, "No event is waiting.\n")


def doctor(host: CannedHost) -> str:
    return host.app.test_cli_runner().invoke(args=["billing", "doctor"]).output
