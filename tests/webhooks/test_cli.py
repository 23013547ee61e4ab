"""``flask billing webhooks``: look into the inbox, and try events again."""

from __future__ import annotations

import collections.abc as c

import pytest
import sqlalchemy as sa

from flask_billing.models import WebhookEvent

from ..stripe_double import CannedHost, event
from .stories import announced, inbox, let_time_pass, made, sign_up

Make = c.Callable[..., CannedHost]
UPDATED = "customer.subscription.updated"


def run(host: CannedHost, *arguments: str) -> tuple[int, str]:
    """Exit code and output of a command."""
    result = host.app.test_cli_runner().invoke(args=["billing", "webhooks", *arguments])
    return result.exit_code, result.output


@pytest.fixture
def host(make_canned: Make) -> CannedHost:
    """One handled, one ignored and one failed event, the last for want of a linked customer."""
    host = make_canned(made("subscription"), made("subscription", id="sub_2", customer="cus_2"))
    sign_up(host)
    host.deliver(event(UPDATED, made("subscription"), id="evt_good"))
    host.deliver(event("payout.paid", made("payout"), id="evt_payout"))
    host.deliver(event(UPDATED, made("subscription", id="sub_2", customer="cus_2"), id="evt_bad"))
    return host


def test_list_shows_the_newest_first(host: CannedHost) -> None:
    code, output = run(host, "list")

    assert code == 0
    assert [line.split()[4] for line in output.splitlines()] == [
        "evt_bad",
        "evt_payout",
        "evt_good",
    ]
    assert "failed" in output.splitlines()[0]
    assert UPDATED in output.splitlines()[0]


def test_list_can_be_narrowed(host: CannedHost) -> None:
    assert "evt_bad" in run(host, "list", "--state", "failed")[1]
    assert "evt_good" not in run(host, "list", "--state", "failed")[1]
    assert len(run(host, "list", "--limit", "1")[1].splitlines()) == 1
    assert run(host, "list", "--state", "lost")[0] == 2


@pytest.mark.parametrize("name", ["evt_bad", "3"])
def test_show_tells_why_an_event_failed(host: CannedHost, name: str) -> None:
    code, output = run(host, "show", name)

    assert code == 0
    assert "evt_bad (number 3)" in output
    assert "failed" in output
    assert "No customer here is linked to Stripe customer cus_2" in output
    assert '"object"' not in output


def test_show_prints_the_payload_when_asked(host: CannedHost) -> None:
    assert '"object": "event"' in run(host, "show", "evt_good", "--payload")[1]


@pytest.mark.parametrize("command", ["show", "retry", "replay"])
@pytest.mark.parametrize("name", ["evt_none", "77", "9" * 30, "'; drop table"])
def test_an_event_nobody_knows_is_an_error(host: CannedHost, command: str, name: str) -> None:
    code, output = run(host, command, name)

    assert code == 1
    assert "There is no webhook event" in output


def test_retry_takes_what_is_due(host: CannedHost) -> None:
    assert run(host, "retry") == (0, "No event is waiting.\n")
    let_time_pass(host)
    assert run(host, "retry") == (1, "1 failed\n")
    sign_up(host, "bob", "cus_2")
    let_time_pass(host)
    assert run(host, "retry") == (0, "1 handled\n")


def test_retry_of_an_event_does_not_wait_for_its_time(host: CannedHost) -> None:
    sign_up(host, "bob", "cus_2")

    assert run(host, "retry", "evt_bad") == (0, "1 handled\n")
    assert inbox(host)["evt_bad"] == "handled"


def test_retry_leaves_what_did_not_fail_alone(host: CannedHost) -> None:
    code, output = run(host, "retry", "evt_bad", "evt_good")

    assert code == 1
    assert "evt_good did not fail" in output
    assert inbox(host)["evt_bad"] == "failed"


def test_retry_brings_a_dead_letter_back(make_canned: Make) -> None:
    host = make_canned(made("subscription"), BILLING_WEBHOOK_MAX_ATTEMPTS=1)
    host.deliver(event(UPDATED, made("subscription"), id="evt_dead"))
    assert inbox(host) == {"evt_dead": "dead"}
    sign_up(host)

    assert run(host, "retry", "evt_dead") == (0, "1 handled\n")


def test_all_dead_letters_come_back_at_once(make_canned: Make) -> None:
    host = make_canned(made("subscription"), BILLING_WEBHOOK_MAX_ATTEMPTS=1)

    for n in range(3):
        host.deliver(
            event("customer.subscription.trial_will_end", made("subscription"), id=f"e{n}")
        )

    assert set(inbox(host).values()) == {"dead"}
    assert run(host, "retry") == (0, "No event is waiting.\n")
    assert run(host, "retry", "--dead") == (1, "3 failed\n"), "each once"
    sign_up(host)
    assert run(host, "retry", "--dead", "e1")[0] == 2
    assert run(host, "retry", "--dead") == (0, "3 handled\n")


def test_an_event_may_fail_ever_so_often(host: CannedHost) -> None:
    with host.app.app_context():
        host.db.session.execute(sa.update(WebhookEvent).values(attempts=60))
        host.db.session.commit()

    assert run(host, "retry", "evt_bad") == (1, "1 failed\n")
    assert "61 failed" in run(host, "show", "evt_bad")[1]


def test_retry_empties_a_deferred_inbox(make_canned: Make) -> None:
    host = make_canned(made("subscription"), BILLING_WEBHOOK_PROCESSING="deferred")
    sign_up(host)

    for _ in range(3):
        host.deliver(event("customer.subscription.trial_will_end", made("subscription")))

    assert run(host, "retry") == (0, "3 handled\n")


def test_replay_looks_again_and_announces_nothing_twice(host: CannedHost) -> None:
    before = announced(host)

    assert run(host, "replay", "evt_good") == (0, "1 handled\n")
    assert announced(host) == before
    assert run(host, "replay", "evt_bad") == (1, "1 failed\n")
    assert run(host, "replay", "evt_payout") == (0, "1 ignored\n")
