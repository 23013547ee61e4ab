"""Eight processes at once: the limit admits exactly itself, and a key books once."""

from __future__ import annotations

import collections.abc as c
import json
import random
import subprocess
import sys
import typing as t

from flask_billing import metering
from flask_billing.models import UsageCounter, UsageEvent, UsageNotice, UsageRollup

from ..host import Host
from .shop import balance
from .worker import Answer, Call

PROCESSES = 8
DAY, MONTH = 1500, 1100
CATALOG: dict[str, t.Any] = {
    "meters": {"tokens": {"name": "Tokens"}, "calls": {"name": "Calls"}, "jobs": {"name": "Jobs"}},
    "plans": {
        "free": {
            "name": "Free",
            "limits": [
                {"meter": "tokens", "included": DAY, "window": "day"},
                {"meter": "tokens", "included": MONTH, "window": "month"},
                {"meter": "calls", "included": -1, "window": "month"},
                {"meter": "jobs", "included": 40, "window": "lifetime"},
            ],
        }
    },
}


def test_eight_processes_never_pass_a_limit(
    make_app: c.Callable[..., Host], database_url: str
) -> None:
    host = make_app(database_url, catalog=CATALOG)
    dice = random.Random(7)
    calls = [
        [
            Call(meter="tokens", quantity=dice.randint(1, 60), key=f"{number}-{turn}")
            for turn in range(30)
        ]
        + [Call(meter="calls", quantity=1, key=f"call-{number}-{turn}") for turn in range(20)]
        for number in range(PROCESSES)
    ]
    answers = run(host, database_url, calls)
    tokens = [answer for answer in answers if not answer["key"].startswith("call")]
    granted = sum(answer["quantity"] for answer in tokens if answer["allowed"])
    events = host.rows(UsageEvent, meter="tokens")
    refused = min(answer["quantity"] for answer in tokens if not answer["allowed"])

    assert granted <= MONTH < granted + 60
    assert granted + refused > MONTH, "a call was refused that fitted"
    assert {counter.used for counter in host.rows(UsageCounter, meter="tokens")} == {granted}
    assert sum(event.quantity for event in events) == granted
    assert sum(rollup.quantity for rollup in host.rows(UsageRollup, meter="tokens")) == granted
    assert [counter.used for counter in host.rows(UsageCounter, meter="calls")] == [160]
    crossed = [
        (notice.bucket[0], notice.percent)
        for notice in host.rows(UsageNotice)
        if notice.bucket[0] == "m"
    ]
    assert sorted(crossed) == [
        ("m", percent) for percent in (80, 95, 100) if granted * 100 >= MONTH * percent
    ]


def test_one_key_from_eight_processes_books_once(
    make_app: c.Callable[..., Host], database_url: str
) -> None:
    host = make_app(database_url, catalog=CATALOG)
    keys = [f"job-{number}" for number in range(30)]
    calls: list[Call] = [{"meter": "jobs", "quantity": 1, "key": key} for key in keys]
    answers = run(host, database_url, [calls] * PROCESSES)
    booked = [answer["key"] for answer in answers if not answer["replayed"]]

    assert all(answer["allowed"] for answer in answers)
    assert sorted(booked) == sorted(keys)
    assert [counter.used for counter in host.rows(UsageCounter)] == [30]
    assert len(host.rows(UsageEvent)) == 30


def test_eight_processes_reserve_settle_and_consume_with_the_same_keys(
    make_app: c.Callable[..., Host], database_url: str
) -> None:
    host = make_app(database_url, catalog=CATALOG)
    dice = random.Random(11)

    with host.app.app_context():
        metering.grant_credits(
            host.customer(),
            "tokens",
            300,
            kind="topup",
            source_key="order",
            actor="ada",
            reason="-",
        )
        host.db.session.commit()

    def some(number: int) -> Call:
        call = Call(meter="tokens", quantity=dice.randint(20, 60), key=f"key-{number}")

        if number % 3:
            call["settled"] = None if number % 5 == 0 else dice.randint(0, call["quantity"])

        return call

    calls = [some(number) for number in range(60)]
    answers = run(host, database_url, [dice.sample(calls, 40) for _ in range(PROCESSES)])
    keys = [answer["key"] for answer in answers if answer["allowed"] and not answer["replayed"]]
    (month,) = [counter for counter in host.rows(UsageCounter) if counter.bucket.startswith("m:")]

    assert len(keys) == len(set(keys)), "a key was booked twice"
    assert month.used + month.reserved - month.credited <= MONTH
    assert month.used + month.reserved > MONTH, "the credits were not reached"
    balance(host)


def run(host: Host, database_url: str, calls: c.Sequence[list[Call]]) -> list[Answer]:
    """Let each process make its calls, all at the same time."""
    with host.app.app_context():
        host.customer()

    worker = subprocess.run(
        [sys.executable, "-m", "tests.metering.worker", database_url],
        input=json.dumps({"catalog": CATALOG, "calls": calls}),
        stdout=subprocess.PIPE,
        text=True,
        timeout=120,
        check=True,
    )
    answers: list[Answer] = json.loads(worker.stdout)
    return answers
