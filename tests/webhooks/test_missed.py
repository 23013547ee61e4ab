"""A webhook that was lost heals by itself, from Stripe's own list of events."""

from __future__ import annotations

import collections.abc as c
import contextlib

import pytest
import sqlalchemy as sa

from flask_billing import jobs
from flask_billing.models import JobLease, Outbox, WebhookEvent
from flask_billing.testing import SandboxCustomer, StripeSandbox

from ..host import Host, user
from .test_crashes import CrashAt, CrashError, crashing


def lose_everything(sandbox: StripeSandbox) -> None:
    """Let the deliveries that were held never be made."""
    sandbox.webhooks.drop(sandbox.webhooks.pending())
    sandbox.webhooks.release()


def subscribe_unheard(sandbox: StripeSandbox, owner_id: str = "1") -> SandboxCustomer:
    """Start a plan of which no webhook tells."""
    customer = sandbox.customer(user(owner_id))
    sandbox.deliver()
    sandbox.webhooks.hold()
    customer.subscribe("starter")
    lose_everything(sandbox)
    assert customer.status is None
    return customer


def run(host: Host, name: str = "event-sync") -> jobs.Outcome:
    with host.app.app_context():
        return jobs.run_job(jobs.find_job(name))


def command(host: Host, *arguments: str) -> tuple[int, str]:
    result = host.app.test_cli_runner().invoke(args=["billing", "sync", *arguments])
    return result.exit_code, result.output


def mails(host: Host) -> list[str]:
    return sorted(row.name for row in host.rows(Outbox, kind="mail"))


def test_a_plan_that_no_webhook_told_of_is_found_by_the_job(any_host: Host) -> None:
    with StripeSandbox(any_host.app) as sandbox:
        customer = subscribe_unheard(sandbox)
        told = run(any_host)

        assert told.state == "ok"
        assert "handled" in told.told
        assert customer.plan == "starter"
        assert mails(any_host) == ["receipt", "welcome"]
        assert run(any_host).told == "none was missing"
        assert {row.state for row in any_host.rows(WebhookEvent)} <= {"handled", "ignored"}


def test_what_arrives_after_all_is_a_duplicate(any_host: Host) -> None:
    with StripeSandbox(any_host.app) as sandbox:
        customer = sandbox.customer(user("1"))
        sandbox.webhooks.hold()
        customer.subscribe("starter")
        run(any_host)
        sandbox.webhooks.release(order="shuffled", seed=7)

        assert customer.plan == "starter"
        assert mails(any_host) == ["receipt", "welcome"]


def test_stripe_down_for_an_hour_heals_at_the_next_run(
    make_app: c.Callable[..., Host], database_url: str
) -> None:
    host = make_app(database_url, BILLING_STRIPE_RETRIES=0)

    with StripeSandbox(host.app) as sandbox:
        customer = subscribe_unheard(sandbox)

        with sandbox.outage():
            for name in ("event-sync", "reconciliation"):
                told = run(host, name)
                assert (told.state, customer.plan) == ("failed", "free")
                assert "Stripe did not answer" in told.told

        sandbox.clock.advance(hours=1)
        assert run(host).state == "ok"
        assert customer.plan == "starter"


def test_an_outage_in_the_middle_leaves_the_rest_to_the_retries(
    make_app: c.Callable[..., Host], database_url: str
) -> None:
    host = make_app(database_url, BILLING_STRIPE_RETRIES=0)

    with StripeSandbox(host.app) as sandbox:
        customer = subscribe_unheard(sandbox)
        sandbox.fail("GET", "/v1/subscriptions/*", times=100)
        sandbox.fail("GET", "/v1/invoices/*", times=100)
        told = run(host)
        assert "failed" in told.told
        sandbox.repair()

        with host.app.app_context():
            host.db.session.execute(
                sa.update(WebhookEvent).values(next_attempt_at=WebhookEvent.received_at)
            )
            host.db.session.commit()

        assert "handled" in run(host, "webhook-retries").told
        assert customer.plan == "starter"
        assert mails(host) == ["receipt", "welcome"]


@pytest.mark.parametrize("moment", ["before_cursor_execute", "commit"])
def test_a_worker_that_dies_at_any_step_is_made_up_for(
    make_app: c.Callable[..., Host], database_url: str, moment: str
) -> None:
    host = make_app(database_url)

    with StripeSandbox(host.app) as sandbox:
        # As far as the first events go; the others take the same steps.
        for turn in (*range(1, 16), *range(16, 200, 9)):
            customer = subscribe_unheard(sandbox, str(turn))
            crash = CrashAt(turn)

            with crashing(host, moment, crash), contextlib.suppress(CrashError):
                run(host)

            let_waiting_be_due(host)
            assert run(host).state == run(host, "webhook-retries").state == "ok"
            assert customer.plan == "starter"
            mine = host.rows(Outbox, kind="mail", customer_id=customer.id)
            assert sorted(row.name for row in mine) == ["receipt", "welcome"]

            if not crash.happened:
                break

        assert turn > (2 if moment == "commit" else 6)


def let_waiting_be_due(host: Host) -> None:
    """Let the dead worker's lease and the patience with what it left end."""
    with host.app.app_context():
        host.db.session.execute(sa.update(JobLease).values(expires_at=None))
        host.db.session.execute(
            sa.update(WebhookEvent)
            .where(WebhookEvent.next_attempt_at.is_not(None))
            .values(next_attempt_at=WebhookEvent.received_at)
        )
        host.db.session.commit()


def test_the_command_looks_as_far_back_as_stripe_tells(host: Host) -> None:
    with StripeSandbox(host.app) as sandbox:
        customer = subscribe_unheard(sandbox)
        sandbox.webhooks.hold()
        sandbox.clock.advance(days=20)
        assert command(host, "--events", "--since", "19d") == (0, "No event was missing.\n")

        code, output = command(host, "--events")
        assert code == 0
        assert "handled" in output
        assert customer.plan == "starter"


@pytest.mark.parametrize("arguments", [[], ["--events", "--all"], ["user"], ["--since", "soon"]])
def test_the_command_says_how_it_is_used(host: Host, arguments: list[str]) -> None:
    code, output = command(host, *arguments)
    assert code == 2
    assert "Usage:" in output
