"""What became of the visits: closed, judged after 30 and 90 days, and counted."""

from __future__ import annotations

import datetime as dt

import pytest
import sqlalchemy as sa

from flask_billing import clock, retention, subscriptions
from flask_billing.cli import billing
from flask_billing.database import transaction
from flask_billing.models import Cancellation
from flask_billing.retention import report, survey
from flask_billing.retention.report import Share
from flask_billing.subscriptions.current import live_subscription

from ..host import Host
from .shop import pass_days, settle, visit


@pytest.fixture
def shop(any_host: Host) -> Host:
    settle(any_host)
    return any_host


def test_a_visit_that_leads_to_nothing_is_closed(shop: Host) -> None:
    with shop.app.app_context():
        visit(shop.customer(), "unused")
        assert retention.close_abandoned() == 0
        shop.sandbox.clock.advance(hours=3)
        assert retention.close_abandoned() == 1

    (row,) = shop.rows(Cancellation)
    assert (row.outcome, row.finished_at) == ("abandoned", row.started_at)


def test_two_tabs_are_one_visit(shop: Host) -> None:
    with shop.app.app_context():
        first, _ = visit(shop.customer(), "unused")
        second, _ = visit(shop.customer(), "too_complex")

    assert first.id == second.id
    assert [row.reason for row in shop.rows(Cancellation)] == ["too_complex"]


def test_visits_are_judged_after_a_month_and_after_three(shop: Host) -> None:
    with shop.app.app_context():
        customer = shop.customer()
        visit(customer)
        survey.end(customer, live_subscription(customer), "cancel", "cancelled")
        subscriptions.cancel(customer)
        assert retention.judge_due() == 0

    pass_days(shop, 31)

    with shop.app.app_context():
        assert retention.judge_due() == 1
        assert retention.judge_due() == 0

    assert [(row.judged_30, row.judged_90) for row in shop.rows(Cancellation)] == [
        ("lost_later", None)
    ]
    pass_days(shop, 60)

    with shop.app.app_context():
        assert retention.judge_due() == 1


def test_who_kept_the_plan_is_retained(shop: Host) -> None:
    with shop.app.app_context():
        customer = shop.customer()
        survey.end(customer, live_subscription(customer), "cancel", "cancelled")
        subscriptions.cancel(customer)
        subscriptions.resume(customer)

    pass_days(shop, 91)

    with shop.app.app_context():
        assert retention.judge_due() == 2

    assert [(row.judged_30, row.judged_90) for row in shop.rows(Cancellation)] == [
        ("retained", "retained")
    ]


def test_wilson_and_the_z_test_agree_with_the_books() -> None:
    low, high = Share(15, 100).interval or (0, 0)
    assert (round(low, 4), round(high, 4)) == (0.0931, 0.2328)
    assert round(report.p_value(Share(60, 100), Share(45, 100)), 4) == 0.0337
    assert report.p_value(Share(100, 100), Share(100, 100)) == 1


def test_the_report_counts_and_compares(shop: Host) -> None:
    with shop.app.app_context():
        now = clock.now()
        customer_id = shop.customer().id

        for arm, kept in (("size:thirty", 60), ("size:twenty", 45)):
            _write_visits(customer_id, arm, kept, now - dt.timedelta(days=40))

        found = report.report()

    assert (found.all.visits, found.all.saved.part) == (200, 105)
    assert found.by_offer["stay-20", "unused"].visits == 200
    (comparison,) = found.comparisons
    assert comparison.p_value is not None
    assert round(comparison.p_value, 4) == 0.0337

    printed = shop.app.test_cli_runner().invoke(billing, ["retention", "report"])
    assert printed.exit_code == 0, printed.output
    assert "size:thirty against size:twenty, retained after 30 days:" in printed.output
    assert "p = 0.034" in printed.output
    few = shop.app.test_cli_runner().invoke(billing, ["retention", "report", "--days", "30"])
    assert "No visit since" in few.output


def test_too_few_visits_are_not_compared(shop: Host) -> None:
    with shop.app.app_context():
        for arm in ("size:thirty", "size:twenty"):
            _write_visits(shop.customer().id, arm, 9, clock.now() - dt.timedelta(days=40), of=20)

    printed = shop.app.test_cli_runner().invoke(billing, ["retention", "report"])
    assert "Not enough data" in printed.output


def _write_visits(customer_id: int, arm: str, kept: int, at: dt.datetime, of: int = 100) -> None:
    """Visits of one arm, of which some ended with an offer taken and the plan kept."""
    with transaction() as connection:
        connection.execute(
            sa.insert(Cancellation),
            [
                {
                    "customer_id": customer_id,
                    "source": "cancel",
                    "reason": "unused",
                    "variant": arm,
                    "offers_shown": [{"offer": "stay-20"}],
                    "offer_accepted": "stay-20" if number < kept else None,
                    "outcome": "saved_discount" if number < kept else "cancelled",
                    "judged_30": "retained" if number < kept else "lost_later",
                    "started_at": at,
                    "finished_at": at,
                }
                for number in range(of)
            ],
        )
