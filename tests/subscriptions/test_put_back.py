"""Who had asked for less, and then did not go through with more, gets the less."""

from __future__ import annotations

import pytest

from flask_billing import subscriptions

from ..host import Host
from .subscriber import BANK_ASKS, Subscriber


@pytest.fixture
def customer(any_host: Host) -> Subscriber:
    """On Pro, with Starter to follow, and a bank that is asked for the upgrade to Enterprise."""
    found = Subscriber(any_host, "starter")
    found.pass_days(3)
    found.change("pro")
    found.change("starter")
    found.use_card(BANK_ASKS)
    assert found.change("enterprise").state == "pending"
    return found


def run_job(customer: Subscriber) -> str:
    """Run the job; what it says."""
    runner = customer.host.app.test_cli_runner()
    output = runner.invoke(args=["billing", "jobs", "run", "open-intents"]).output
    customer.host.sandbox.webhooks.deliver()
    return output


def test_an_upgrade_nobody_confirms_gives_the_downgrade_back(customer: Subscriber) -> None:
    run_job(customer)
    assert [state for _, state in customer.changes][1:] == ["undone", "pending"]

    customer.pass_days(1)
    assert "put back 1" in run_job(customer)
    assert "put back" not in run_job(customer)
    assert customer.changes[1:] == [
        ("downgrade", "undone"),
        ("upgrade", "failed"),
        ("downgrade", "pending"),
    ]

    customer.pass_days(28)
    assert customer.plan == ("starter", "month", 1)
    assert customer.invoices[0].total == 2900


def test_who_undoes_the_upgrade_keeps_the_plan(customer: Subscriber) -> None:
    with customer.host.app.app_context():
        subscriptions.undo_change(customer.host.customer())

    customer.pass_days(1)
    run_job(customer)
    assert customer.changes[-1] == ("undo_change", "done")
    assert customer.at_stripe.schedule is None


def test_who_chose_something_else_since_has_that(customer: Subscriber) -> None:
    customer.pass_days(1)

    with customer.host.app.app_context():
        subscriptions.cancel(customer.host.customer())

    run_job(customer)
    assert customer.changes[-1] == ("cancel", "pending")
    assert customer.at_stripe.schedule is None


def test_what_was_undone_before_the_upgrade_stays_undone(any_host: Host) -> None:
    customer = Subscriber(any_host, "starter")
    customer.pass_days(3)
    customer.change("pro")
    customer.change("starter")

    with any_host.app.app_context():
        subscriptions.undo_change(any_host.customer())

    customer.use_card(BANK_ASKS)
    customer.change("enterprise")
    customer.pass_days(1)
    run_job(customer)
    assert customer.changes[-1] == ("upgrade", "failed")
    assert customer.at_stripe.schedule is None
