"""Rows that differ from Stripe are told and repaired; rows that do not are left alone."""

from __future__ import annotations

import typing as t
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from flask_billing import sync
from flask_billing.models import Customer, Invoice, Outbox, PaymentMethod, Subscription
from flask_billing.reconciliation import Report, reconcile_all, reconcile_changed
from flask_billing.testing import StripeSandbox, cards

from ..host import Host, user
from ..webhooks.test_missed import command, lose_everything, run, subscribe_unheard

STATUSES: t.Final = ("active", "trialing", "past_due", "ending", "canceled", "paused", "incomplete")


def edit(host: Host, model: type[t.Any], **values: object) -> None:
    """Somebody edits rows by hand."""
    with host.app.app_context():
        host.db.session.execute(sa.update(model).values(**values))
        host.db.session.commit()


def everybody(host: Host, **options: t.Any) -> Report:
    with host.app.app_context():
        return reconcile_all(**options)


def told(report: Report) -> list[tuple[str, tuple[str, ...], bool]]:
    return [(drift.kind, drift.fields, drift.repaired) for drift in report.drifts]


@pytest.mark.parametrize("scope", ["one", "all", "changed", "job"])
def test_nothing_differs_after_all_that_webhooks_brought(any_host: Host, scope: str) -> None:
    with StripeSandbox(any_host.app) as sandbox:
        for number, status in enumerate(STATUSES):
            sandbox.customer(user(str(number))).subscribe("pro", status=status)  # type: ignore[arg-type]

        before = [row.applied_ticket for row in any_host.rows(Subscription)]
        signals = len(any_host.rows(Outbox))

        with any_host.app.app_context():
            match scope:
                case "one":
                    code, output = command(any_host, "user", "0")
                    assert (code, output.endswith("0 differed, 0 repaired.\n")) == (0, True), output
                case "all":
                    report = reconcile_all()
                    assert (report.drifts, report.compared > 20) == ([], True)
                case "changed":
                    report = reconcile_changed(timedelta(days=30))
                    assert (report.drifts, report.compared > 10) == ([], True)
                case "job":
                    assert run(any_host, "reconciliation").told.endswith("0 differed, 0 repaired")

        assert [row.applied_ticket for row in any_host.rows(Subscription)] == before
        assert len(any_host.rows(Outbox)) == signals


def test_rows_that_were_edited_are_repaired_and_told_without_values(any_host: Host) -> None:
    with StripeSandbox(any_host.app) as sandbox:
        customer = sandbox.subscribe(user("1"), "starter")
        edit(any_host, Subscription, status="canceled", plan="pro", unit_amount=1)
        edit(any_host, Invoice, total=7, status="open")
        edit(any_host, PaymentMethod, last4="9999")
        edit(any_host, Customer, email="eve@example.com")
        report = everybody(any_host)

        assert told(report) == [
            ("customer", ("email",), True),
            ("subscription", ("status", "plan", "unit_amount"), True),
            ("invoice", ("status", "total"), True),
            ("payment_method", ("last4",), True),
        ]
        assert "eve@example.com" not in str(report.drifts[0])
        assert customer.plan == "starter"
        assert everybody(any_host).drifts == []


def test_the_command_repairs_one_customer_and_leaves_others_alone(any_host: Host) -> None:
    with StripeSandbox(any_host.app) as sandbox:
        first, second = (sandbox.subscribe(user(one), "starter") for one in "12")
        edit(any_host, Subscription, plan="pro")
        code, output = command(any_host, "user", "1")

        assert code == 0
        assert f"subscription {first.stripe_subscription.id} of customer" in output
        assert ": plan; repaired\nCompared 4, 1 differed, 1 repaired." in output
        assert (first.plan, second.plan) == ("starter", "pro")


def test_what_no_webhook_told_of_is_made_up_for_with_its_signals(any_host: Host) -> None:
    with StripeSandbox(any_host.app) as sandbox:
        customer = subscribe_unheard(sandbox)
        outcome = run(any_host, "reconciliation")
        assert outcome.state == "ok", outcome
        assert customer.plan == "starter"
        activated = any_host.rows(Outbox, kind="signal", name="subscription.activated")
        assert [row.state for row in activated] == ["sent"]

        sandbox.webhooks.hold()
        customer.cancel(now=True)
        lose_everything(sandbox)
        assert customer.plan == "starter"
        code, output = command(any_host, "--since", "1h")
        assert (code, "status" in output) == (0, True)
        assert customer.plan == "free"


def test_only_those_are_asked_about_to_whom_something_happened_since(any_host: Host) -> None:
    with StripeSandbox(any_host.app) as sandbox:
        sandbox.customer(user("1")).subscribe("starter", "year")
        sandbox.advance(days=3)
        second = sandbox.subscribe(user("2"), "starter")
        edit(any_host, Subscription, unit_amount=1)

        with any_host.app.app_context():
            report = reconcile_changed(timedelta(days=1))

        assert [drift.customer_id for drift in report.drifts] == [second.id]


def test_cards_and_customers_that_went_away_are_let_go_of(any_host: Host) -> None:
    with StripeSandbox(any_host.app) as sandbox:
        first = sandbox.subscribe(user("1"), "starter").use_card(cards.PAYS)
        second = sandbox.customer(user("2"))
        client = sandbox.client()
        sandbox.webhooks.hold()
        unused = client.v1.customers.payment_methods.list(first.stripe_id).data[-1]
        client.v1.payment_methods.detach(unused.id)
        client.v1.customers.delete(second.stripe_id)
        lose_everything(sandbox)
        report = everybody(any_host)

        assert ("payment_method", ("detached_at",), True) in told(report)
        assert ("customer", ("stripe_id",), True) in told(report)
        assert everybody(any_host).drifts == []
        [row] = any_host.rows(PaymentMethod, stripe_id=unused.id)
        assert row.detached_at is not None


def test_a_plan_ends_with_its_customer_though_only_one_was_heard_of(any_host: Host) -> None:
    with StripeSandbox(any_host.app) as sandbox:
        customer = sandbox.subscribe(user("1"), "starter")
        sandbox.webhooks.hold()
        sandbox.client().v1.customers.delete(customer.stripe_id)
        lose_everything(sandbox)

        with any_host.app.app_context():
            sync.pull("customer", customer.stripe_id)

        assert [row.status for row in any_host.rows(Subscription)] == ["active"]
        [told] = everybody(any_host).drifts
        assert (told.kind, told.repaired) == ("subscription", True)
        assert [row.status for row in any_host.rows(Subscription)] == ["canceled"]
        assert everybody(any_host).drifts == []


def test_a_draft_that_was_deleted_leaves_the_books(any_host: Host) -> None:
    with StripeSandbox(any_host.app) as sandbox:
        customer = sandbox.subscribe(user("1"), "starter")
        client = sandbox.client()
        draft = client.v1.invoices.create({"customer": customer.stripe_id})
        sandbox.deliver()
        assert any_host.rows(Invoice, status="draft")
        sandbox.webhooks.hold()
        client.v1.invoices.delete(draft.id)
        lose_everything(sandbox)

        assert told(everybody(any_host)) == [("invoice", ("status",), True)]
        assert any_host.rows(Invoice, status="draft") == []


def test_what_other_apps_sell_on_the_account_is_none_of_ours(any_host: Host) -> None:
    with StripeSandbox(any_host.app) as sandbox:
        sandbox.subscribe(user("1"), "starter")
        client = sandbox.client()
        other = client.v1.customers.create({"email": "eve@example.com"})
        client.v1.invoices.create({"customer": other.id})

        assert everybody(any_host).drifts == []


def test_a_row_that_stripe_does_not_know_is_told_and_left(any_host: Host) -> None:
    with StripeSandbox(any_host.app) as sandbox:
        customer = sandbox.subscribe(user("1"), "starter")

        with any_host.app.app_context():
            any_host.db.session.add(
                Subscription(
                    customer_id=customer.id,
                    stripe_id="sub_of_another_account",
                    status="active",
                    quantity=1,
                    currency="usd",
                    synced_at=datetime.now(UTC),
                )
            )
            any_host.db.session.commit()

        code, output = command(any_host, "--all")
        assert code == 1
        assert "sub_of_another_account" in output
        assert "not repaired: Stripe does not know it" in output
        assert run(any_host, "reconciliation").state == "failed"
        assert len(any_host.rows(Subscription)) == 2


def test_a_walk_ends_between_pages_when_it_is_asked_to(any_host: Host) -> None:
    with StripeSandbox(any_host.app) as sandbox:
        sandbox.subscribe(user("1"), "starter")
        edit(any_host, Subscription, plan="pro")
        answers = iter([True])
        report = everybody(any_host, goes_on=lambda: next(answers, False))

        assert report.stopped
        assert (report.drifts, report.compared) == ([], 1)


def test_a_customer_who_was_never_at_stripe_is_said_so(host: Host) -> None:
    with host.app.app_context():
        host.customer()

    code, output = command(host, "user", "1")
    assert (code, "has never been at Stripe" in output) == (1, True)
    assert command(host, "user", "99")[0] == 1
