"""Periods end by the clock; closing them makes it seen, recorded and announced, each once."""

from __future__ import annotations

import collections.abc as c
import json
import subprocess
import sys
import typing as t
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from flask_billing import metering
from flask_billing.catalog import Catalog
from flask_billing.errors import BillingError
from flask_billing.models import CreditGrant, Outbox, Subscription, UsageCounter

from ..host import Host
from ..patience import PATIENCE
from .shop import Opener, Shop, balance, limits

MONTHLY = {"meter": "tokens", "included": 100, "window": "month"}
MONTH = limits(MONTHLY)
ROLLING = limits({**MONTHLY, "rollover": True})
ONCE = limits({"meter": "tokens", "included": 100, "window": "lifetime"})
CYCLE = {"meter": "tokens", "included": 100, "window": "billing_period"}


def use(shop: Shop, quantity: int, **options: t.Any) -> metering.Decision:
    """Record the customer's tokens."""
    return metering.record("tokens", quantity, customer=shop.host.customer(), **options)


def counters(shop: Shop) -> dict[str, tuple[int, str | None, int | None, bool]]:
    """Bucket -> used, plan, limit and whether it is closed."""
    return {
        one.bucket: (one.used, one.plan, one.limit, one.closed_at is not None)
        for one in shop.host.rows(UsageCounter)
    }


def told(shop: Shop, name: str = "quota.reset") -> list[t.Any]:
    """Bodies of the outbox rows of that name."""
    return [row.body for row in shop.host.rows(Outbox, name=name)]


def test_an_ended_period_is_closed_once_and_the_next_is_open_without_a_gap(
    open_shop: Opener,
) -> None:
    shop = open_shop(MONTH)
    heard: list[t.Any] = []
    shop.host.billing.on("quota.reset")(lambda app, **facts: heard.append(facts))
    use(shop, 30)
    assert metering.close_all_ended() == 0
    shop.wait(days=11)

    assert [metering.close_all_ended() for _ in range(2)] == [1, 0]
    assert counters(shop) == {
        "m:2026-11": (30, "free", 100, True),
        "m:2026-12": (0, "free", 100, False),
    }
    closed, following = shop.host.rows(UsageCounter)
    assert closed.period_end == following.period_start
    assert closed.closed_at == shop.now
    [facts] = heard
    assert (facts["meter"], facts["used"], facts["limit"]) == ("tokens", 30, 100)
    assert facts["resets_at"] == "2027-01-01T00:00:00+00:00"
    assert told(shop, "quota_refreshed") == [], "nobody was stopped or warned"


def test_a_scheduler_that_was_down_for_three_periods_catches_up_in_one_run(
    open_shop: Opener,
) -> None:
    shop = open_shop(MONTH)
    use(shop, 30)
    shop.wait(days=40)
    use(shop, 100)
    shop.wait(days=60)

    assert metering.close_all_ended() == 3
    assert counters(shop) == {
        "m:2026-11": (30, "free", 100, True),
        "m:2026-12": (100, "free", 100, True),
        "m:2027-01": (0, "free", 100, True),
        "m:2027-02": (0, "free", 100, False),
    }
    assert [facts["bucket"] for facts in told(shop)] == ["m:2026-11", "m:2026-12", "m:2027-01"]
    assert told(shop, "quota_refreshed") == [], "what was stopped in December is long fresh"


def test_who_was_blocked_or_warned_gets_one_mail(open_shop: Opener) -> None:
    shop = open_shop(MONTH)
    use(shop, 85)
    shop.wait(days=11)
    metering.close_all_ended()
    metering.close_all_ended()

    [mail] = told(shop, "quota_refreshed")
    assert (mail["meter"], mail["used"], mail["included"]) == ("tokens", 85, 100)


def test_who_was_refused_a_call_gets_a_mail_without_any_threshold(open_shop: Opener) -> None:
    shop = open_shop(limits({**MONTHLY, "thresholds": []}))

    with pytest.raises(metering.QuotaExceeded):
        metering.consume("tokens", 101, customer=shop.host.customer())

    use(shop, 1)
    shop.wait(days=11)
    metering.close_all_ended()
    assert len(told(shop, "quota_refreshed")) == 1


def test_no_mail_while_another_limit_still_refuses(open_shop: Opener) -> None:
    day = {"meter": "tokens", "included": 50, "window": "day"}
    shop = open_shop(limits(day, {**MONTHLY, "included": 60}))
    use(shop, 60)
    shop.wait(days=1)
    metering.close_all_ended()

    assert [facts["window"] for facts in told(shop)] == ["day"]
    assert told(shop, "quota_refreshed") == []


def test_no_mail_where_usage_mails_are_off(open_shop: Opener) -> None:
    shop = open_shop(MONTH, BILLING_USAGE_MAILS=False)
    use(shop, 100)
    shop.wait(days=11)
    metering.close_all_ended()
    assert told(shop, "quota_refreshed") == []


def test_one_shot_quotas_never_reset_but_by_hand(open_shop: Opener) -> None:
    shop = open_shop(ONCE)
    use(shop, 100)
    shop.wait(days=4000)
    assert metering.close_all_ended() == 0
    assert counters(shop) == {"life": (100, "free", 100, False)}

    metering.reset_quota(
        shop.host.customer(), "tokens", "lifetime", actor="ada", reason="A second chance"
    )
    shop.host.db.session.commit()
    assert metering.close_all_ended() == 1
    assert counters(shop) == {"life": (100, "free", 100, True), "life#1": (0, "free", 100, False)}
    assert len(told(shop)) == len(told(shop, "quota_refreshed")) == 1
    assert use(shop, 10).remaining == 90


def test_a_reset_by_hand_is_one_reset_and_the_period_goes_on_after_it(open_shop: Opener) -> None:
    shop = open_shop(MONTH)
    use(shop, 100)
    shop.wait(hours=1)
    metering.reset_quota(shop.host.customer(), "tokens", "month", actor="ada", reason="-")
    shop.host.db.session.commit()
    use(shop, 10)
    shop.wait(hours=1)
    metering.close_all_ended()
    shop.wait(days=11)
    metering.close_all_ended()

    assert [(facts["bucket"], facts["used"]) for facts in told(shop)] == [
        ("m:2026-11", 100),
        ("m:2026-11#1", 10),
    ]
    assert counters(shop)["m:2026-12#1"] == (0, "free", 100, False)


def test_a_late_fact_is_booked_into_its_period_whose_terms_stay(open_shop: Opener) -> None:
    shop = open_shop(MONTH)
    happened = shop.now
    use(shop, 30)
    shop.wait(days=11)
    metering.close_all_ended()
    shop.host.state.catalog = Catalog.parse(limits({**MONTHLY, "included": 500}))
    shop.host.state.caches.clear()
    use(shop, 5, at=happened)

    assert counters(shop) == {
        "m:2026-11": (35, "free", 100, True),
        "m:2026-12": (0, "free", 100, False),
    }


def test_a_period_keeps_the_plan_and_limit_it_was_last_used_under(open_shop: Opener) -> None:
    plan = {"name": "Pro", "rank": 1, "limits": [{**MONTHLY, "included": 1000}]}
    prices = {"prices": [{"interval": "month", "amount": 900}]}
    catalog = {**MONTH, "plans": {**MONTH["plans"], "pro": {**plan, **prices}}}
    shop = open_shop(catalog)
    use(shop, 30)
    shop.subscribe("pro")
    shop.wait(hours=1)
    metering.consume("tokens", 200, customer=shop.host.customer())
    shop.wait(days=11)
    shop.subscribe("free")
    metering.close_all_ended()

    assert counters(shop) == {
        "m:2026-11": (230, "pro", 1000, True),
        "m:2026-12": (0, "free", 100, False),
    }


def test_what_is_reserved_is_settled_or_expires_before_its_period_is_closed(
    open_shop: Opener,
) -> None:
    shop = open_shop(MONTH)
    customer = shop.host.customer()
    shop.wait(days=8)
    long = metering.reserve("tokens", 40, key="long", ttl=timedelta(days=5), customer=customer)
    metering.reserve("tokens", 20, key="short", ttl=timedelta(minutes=5), customer=customer)
    shop.wait(days=3)
    assert metering.close_all_ended() == 0
    assert shop.counters() == {"m:2026-11": (0, 40)}, "what nobody settled in time has expired"

    long.settle(35)
    assert metering.close_all_ended() == 1
    assert counters(shop)["m:2026-11"] == (35, "free", 100, True)


def test_what_is_left_rolls_over_for_those_who_use_nothing(open_shop: Opener) -> None:
    shop = open_shop(ROLLING)
    use(shop, 30)
    shop.wait(days=40)
    assert metering.close_all_ended() == 1
    shop.wait(days=30)
    assert metering.close_all_ended() == 1

    grants = [(one.source_key, one.amount) for one in shop.host.rows(CreditGrant)]
    assert grants == [("rollover:m:2026-11", 70), ("rollover:m:2026-12", 100)]
    assert metering.usage("tokens", customer=shop.host.customer()).remaining == 200


def test_the_first_use_and_the_job_roll_over_once(open_shop: Opener) -> None:
    shop = open_shop(ROLLING)
    use(shop, 30)
    shop.wait(days=11)
    use(shop, 10)
    metering.close_all_ended()
    use(shop, 10)

    assert [one.amount for one in shop.host.rows(CreditGrant)] == [70]


def test_short_windows_grow_no_rows_for_those_who_left(open_shop: Opener) -> None:
    shop = open_shop(limits({"meter": "tokens", "included": 10, "window": "hour"}))
    use(shop, 3)

    for _ in range(5):
        shop.wait(hours=1)
        metering.close_all_ended()

    assert [one[0] for one in counters(shop).values()] == [3, 0]
    assert len(told(shop)) == 2


def subscription_plans(interval: str = "month") -> dict[str, t.Any]:
    """A free plan and one whose quota goes by the billing cycle."""
    return {
        "meters": {"tokens": {"name": "Tokens"}},
        "plans": {
            "free": {"name": "Free", "limits": [{**CYCLE, "included": 10}]},
            "pro": {
                "name": "Pro",
                "rank": 1,
                "prices": [{"interval": interval, "amount": 900}],
                "limits": [CYCLE],
            },
        },
    }


@pytest.mark.parametrize("interval", ["month", "year"])
def test_cycle_quotas_follow_the_anchor_though_no_renewal_was_heard_of(
    open_shop: Opener, interval: str
) -> None:
    shop = open_shop(subscription_plans(interval))
    shop.now = datetime(2027, 1, 31, 9, 30, tzinfo=UTC)
    shop.subscribe("pro")
    use(shop, 60)
    shop.wait(days=70)
    metering.close_all_ended()

    periods = [(one.period_start, one.period_end) for one in shop.host.rows(UsageCounter)]
    assert [f"{start:%m-%d %H:%M}" for start, _ in periods] == [
        "01-31 09:30",
        "02-28 09:30",
        "03-31 09:30",
    ]
    assert [end for _, end in periods][:-1] == [start for start, _ in periods][1:]
    assert len(told(shop)) == 2


def test_a_period_left_early_for_a_new_anchor_is_closed_quietly(open_shop: Opener) -> None:
    shop = open_shop(subscription_plans())
    use(shop, 5)
    shop.wait(days=10)
    shop.subscribe("pro")
    use(shop, 60)
    shop.wait(days=22)
    metering.close_all_ended()

    assert sorted(counters(shop).values()) == [(5, "free", 10, True), (60, "pro", 100, False)]
    assert told(shop) == []
    shop.wait(days=10)
    metering.close_all_ended()
    assert [(facts["plan"], facts["used"]) for facts in told(shop)] == [("pro", 60)]


def test_an_extended_trial_is_one_period_to_its_new_end(open_shop: Opener) -> None:
    shop = open_shop(subscription_plans())
    shop.subscribe("pro")
    row = shop.host.db.session.query(Subscription).one()
    row.status, row.trial_start = "trialing", shop.now
    row.trial_end = row.anchor = shop.now + timedelta(days=7)
    shop.host.db.session.commit()
    use(shop, 60)
    shop.wait(days=6)
    row = shop.host.db.session.query(Subscription).one()
    row.trial_end = row.anchor = shop.now + timedelta(days=8)
    shop.host.db.session.commit()
    shop.wait(days=2)
    assert metering.close_all_ended() == 0
    assert use(shop, 10).used == 70

    shop.wait(days=7)
    row = shop.host.db.session.query(Subscription).one()
    row.status = "active"
    shop.host.db.session.commit()
    assert metering.close_all_ended() == 1
    assert [facts["used"] for facts in told(shop)] == [70]


def test_a_meter_that_left_the_catalog_is_closed_quietly(open_shop: Opener) -> None:
    shop = open_shop(MONTH)
    use(shop, 30)
    shop.host.state.catalog = Catalog.parse(limits({**MONTHLY, "meter": "words"}))
    shop.host.state.caches.clear()
    shop.wait(days=11)
    assert metering.close_all_ended() == 0, "a process with another catalog may have it"

    shop.wait(days=3)
    assert metering.close_all_ended() == 1
    assert told(shop) == []


def test_a_customer_who_cannot_be_closed_keeps_nobody_elses_open(
    make_app: c.Callable[..., Host], caplog: pytest.LogCaptureFixture
) -> None:
    host = make_app(catalog=MONTH)

    with host.app.app_context():
        shop = Shop(host)
        use(shop, 30)
        metering.record("tokens", 40, customer=host.customer("2"))
        shop.wait(days=11)
        execute(
            host,
            "CREATE TRIGGER damaged BEFORE UPDATE ON billing_usage_counter WHEN old.used = 30 "
            "BEGIN SELECT RAISE(ABORT, 'damaged'); END",
        )

        with pytest.raises(BillingError, match="those of 1 customers could not be closed"):
            metering.close_all_ended()

        assert [one.closed_at is not None for one in host.rows(UsageCounter, used=40)] == [True]
        assert "damaged" in caplog.text
        execute(host, "DROP TRIGGER damaged")
        assert metering.close_all_ended() == 1


def execute(host: Host, statement: str) -> None:
    """Run a statement and commit it."""
    host.db.session.execute(sa.text(statement))
    host.db.session.commit()


def test_processes_that_close_at_once_close_each_period_once(
    make_app: c.Callable[..., Host], database_url: str
) -> None:
    host = make_app(database_url, catalog=ROLLING)

    with host.app.app_context():
        shop = Shop(host)

        for number in range(1, 6):
            metering.record("tokens", 10 * number, customer=host.customer(str(number)))

        worker = subprocess.run(
            [sys.executable, "-m", "tests.metering.closers", database_url],
            input=json.dumps({"catalog": ROLLING, "now": "2027-01-02T00:00:00+00:00"}),
            stdout=subprocess.PIPE,
            text=True,
            timeout=PATIENCE,
            check=True,
        )
        closed = json.loads(worker.stdout)

        assert sum(closed) == 10, "two periods of each of five customers"
        assert len(told(shop)) == 10
        assert len(host.rows(CreditGrant)) == 5
        assert len(host.rows(UsageCounter)) == 15
        balance(host)
