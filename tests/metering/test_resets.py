"""An admin's reset: what was used before it counts before it, what comes after counts after."""

from __future__ import annotations

import collections.abc as c
import json
import subprocess
import sys

from flask_billing import metering
from flask_billing.metering import Fact
from flask_billing.models import UsageCounter, UsageEpoch, UsageNotice

from ..host import Host
from ..patience import PATIENCE
from .shop import NOON, Shop, balance, limits
from .worker import Answer, Call

MONTH = limits({"meter": "tokens", "included": 100, "window": "month"})
MANY = limits(
    {"meter": "tokens", "included": 100_000, "window": "month"},
    {"meter": "tokens", "included": 50_000, "window": "day", "scope": "member"},
)


def reset(host: Host, window: str = "month") -> None:
    """Reset the first customer's quota, as an admin does."""
    host.billing.reset_quota(
        host.customer(),
        "tokens",
        window,  # type: ignore[arg-type]
        actor="ada",
        reason="a test",
    )
    host.db.session.commit()


def test_use_in_the_second_of_a_reset_is_not_counted_twice(
    make_app: c.Callable[..., Host], database_url: str
) -> None:
    host = make_app(database_url, catalog=MONTH)
    shop = Shop(host)  # whose clock stands still, as the sandbox's does for a second

    with host.app.app_context():
        customer = host.customer()
        metering.consume("tokens", 5, key="before", customer=customer)
        reset(host)
        assert metering.usage("tokens", customer=customer).used == 0
        assert metering.consume("tokens", 81, customer=customer).used == 81
        hold = metering.reserve("tokens", 4, customer=customer)
        reset(host)
        assert metering.record("tokens", 2, customer=customer).used == 2
        hold.settle(3)
        host.billing.record_many([Fact("tokens", 1, "many", customer)])
        shop.wait(minutes=1)
        assert metering.record("tokens", 2, customer=customer).used == 5
        host.billing.correct("before", customer=customer, actor="ada", reason="-")

    assert sorted(used for used, _ in shop.counters().values()) == [0, 5, 84]
    assert [notice.percent for notice in host.rows(UsageNotice)] == [80]
    balance(host)


def test_a_correction_after_a_reset_leaves_the_old_period_alone(
    make_app: c.Callable[..., Host], database_url: str
) -> None:
    host = make_app(database_url, catalog=MONTH)
    shop = Shop(host)

    with host.app.app_context():
        customer = host.customer()
        metering.record("tokens", 50, key="old", customer=customer)
        shop.wait(hours=1)
        reset(host)
        shop.wait(hours=1)
        metering.record("tokens", 20, key="new", customer=customer)
        host.billing.correct("new", 12, customer=customer, actor="ada", reason="-")
        late = metering.record("tokens", 3, at=NOON, customer=customer)
        assert late.used == 53

    assert sorted(used for used, _ in shop.counters().values()) == [12, 53]
    balance(host)


def test_other_processes_notice_a_reset_at_once(
    make_app: c.Callable[..., Host], database_url: str
) -> None:
    host = make_app(database_url, catalog=MONTH)
    other = make_app(database_url, catalog=MONTH, create=False)

    with other.app.app_context():
        metering.consume("tokens", 60, customer=other.customer())

    with host.app.app_context():
        metering.consume("tokens", 10, customer=host.customer())
        reset(host)

    with other.app.app_context():  # its limits and counters are still in memory
        assert metering.consume("tokens", 60, customer=other.customer()).used == 60

    with host.app.app_context():
        assert metering.usage("tokens", customer=host.customer()).used == 60

    assert sorted(counter.used for counter in host.rows(UsageCounter)) == [60, 70]
    balance(host)


def test_resets_while_eight_processes_consume_and_reserve(
    make_app: c.Callable[..., Host], database_url: str
) -> None:
    """In four rounds that begin together, so that however they run there is use of each round's."""
    host = make_app(database_url, catalog=MANY)

    with host.app.app_context():
        host.customer()

    calls = [
        [
            Call(
                meter="tokens",
                quantity=1 + turn % 7,
                key=f"{number}-{turn}",
                together=turn % 6 == 0,
                **({"settled": turn % 5} if turn % 4 == 0 else {}),  # type: ignore[typeddict-item]
            )
            for turn in range(24)
        ]
        for number in range(8)
    ]
    resets = [
        Call(
            meter="tokens",
            quantity=0,
            key=f"reset-{turn}",
            together=turn % 6 == 0,
            reset="day" if turn % 2 else "month",
        )
        for turn in range(24)
    ]
    worker = subprocess.run(
        [sys.executable, "-m", "tests.metering.worker", database_url],
        input=json.dumps({"catalog": MANY, "before": [], "calls": [*calls, resets]}),
        stdout=subprocess.PIPE,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    answers: list[Answer] = json.loads(worker.stdout)

    assert len(answers) == 9 * 24
    assert all(answer["allowed"] for answer in answers)
    assert len(host.rows(UsageEpoch)) == len(resets)
    assert len(host.rows(UsageCounter)) >= 2 * 4
    balance(host)
