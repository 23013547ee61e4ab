"""Quotas of the billing cycle beside the subscription's own life at Stripe."""

from __future__ import annotations

import typing as t

import pytest

from flask_billing import jobs
from flask_billing.models import Outbox, UsageCounter
from flask_billing.testing import StripeSandbox, cards

from ..host import Host, user


def cycles(host: Host) -> list[tuple[int, bool]]:
    """Units used and whether closed, of each billing period of tokens."""
    return [
        (one.used, one.closed_at is not None)
        for one in host.rows(UsageCounter, meter="tokens")
        if one.bucket.startswith("b:")
    ]


def told(host: Host, name: str) -> list[t.Any]:
    """Bodies of the outbox rows of that name about tokens."""
    return [row.body for row in host.rows(Outbox, name=name) if row.body["meter"] == "tokens"]


def run(host: Host, name: str) -> str:
    """What became of a job."""
    with host.app.app_context():
        return jobs.run_job(jobs.find_job(name)).state


def test_a_paid_renewal_closes_the_period_before_it_at_once(any_host: Host) -> None:
    with StripeSandbox(any_host.app) as sandbox:
        customer = sandbox.subscribe(user("1"), "starter").use("tokens", percent=100)
        customer.renew()

        assert cycles(any_host) == [(500_000, True), (0, False)]
        [facts] = told(any_host, "quota.reset")
        assert (facts["plan"], facts["used"], facts["limit"]) == ("starter", 500_000, 500_000)
        assert len(told(any_host, "quota_refreshed")) == 1
        assert run(any_host, "quota-resets") == "ok"
        assert len(told(any_host, "quota.reset")) == 1


@pytest.mark.parametrize("lost", [True, False], ids=["lost", "late"])
def test_without_news_of_the_renewal_the_job_closes_it(any_host: Host, lost: bool) -> None:
    with StripeSandbox(any_host.app) as sandbox:
        customer = sandbox.subscribe(user("1"), "starter").use("tokens", 500_000)
        sandbox.webhooks.hold()
        customer.renew()
        assert customer.usage("tokens").remaining == 500_000, "nobody waits for news or a job"
        customer.use("tokens", 7)
        assert run(any_host, "quota-resets") == "ok"
        assert cycles(any_host) == [(500_000, True), (7, False)]

        if lost:
            sandbox.webhooks.drop(sandbox.webhooks.pending())

        sandbox.webhooks.release()
        sandbox.deliver()
        run(any_host, "quota-resets")
        assert cycles(any_host) == [(500_000, True), (7, False)]
        assert len(told(any_host, "quota.reset")) == len(told(any_host, "quota_refreshed")) == 1


def test_a_paid_upgrade_or_a_failed_renewal_is_no_reset_before_its_time(any_host: Host) -> None:
    with StripeSandbox(any_host.app) as sandbox:
        customer = sandbox.subscribe(user("1"), "starter").use("tokens", 400_000)
        customer.change_plan("pro")
        assert told(any_host, "quota.reset") == []
        assert customer.usage("tokens").remaining == 1_600_000

        customer.use_card(cards.DECLINED_LATER).renew()
        assert customer.status == "past_due"
        assert cycles(any_host) == [(400_000, False)], "an unpaid renewal leaves it to the job"
        assert customer.usage("tokens").remaining == 2_000_000
        run(any_host, "quota-resets")
        assert cycles(any_host) == [(400_000, True), (0, False)]
