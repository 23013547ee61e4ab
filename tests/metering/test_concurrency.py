"""Eight processes at once: the limit admits exactly itself, and a key books once."""

from __future__ import annotations

import collections.abc as c
import concurrent.futures
import json
import random
import subprocess
import sys
import threading
import typing as t

from flask_billing import metering
from flask_billing.errors import InvalidUsageError
from flask_billing.models import UsageCounter, UsageEvent, UsageNotice, UsageRollup

from ..host import Host
from ..patience import PATIENCE
from .shop import NOON, Shop, balance
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
    host = Shop(make_app(database_url, catalog=CATALOG)).host  # today stays today
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


def test_processes_forked_from_one_that_has_booked_share_none_of_its_connections(
    make_app: c.Callable[..., Host], database_url: str
) -> None:
    """As under a server that loads the app before it forks."""
    host = Shop(make_app(database_url, catalog=CATALOG)).host  # today stays today
    before = [Call(meter="tokens", quantity=1, key=f"before-{turn}") for turn in range(3)]
    calls = [
        [Call(meter="tokens", quantity=20, key=f"{number}-{turn}") for turn in range(10)]
        for number in range(PROCESSES)
    ]
    answers = run(host, database_url, calls, before)

    assert sum(answer["quantity"] for answer in answers if answer["allowed"]) == 1080
    assert {counter.used for counter in host.rows(UsageCounter)} == {1083}
    assert len(host.rows(UsageEvent)) == 3 + 54
    assert sum(rollup.quantity for rollup in host.rows(UsageRollup)) == 1083


def test_one_key_from_eight_processes_books_once(
    make_app: c.Callable[..., Host], database_url: str
) -> None:
    host = Shop(make_app(database_url, catalog=CATALOG)).host  # today stays today
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
    host = Shop(make_app(database_url, catalog=CATALOG)).host  # today stays today
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


def test_an_event_that_many_correct_ends_on_one_of_their_targets(
    make_app: c.Callable[..., Host], database_url: str
) -> None:
    host = Shop(make_app(database_url, catalog=CATALOG)).host  # today stays today
    keys = [f"key-{number}" for number in range(12)]

    with host.app.app_context():
        for key in keys:
            metering.record("jobs", 50, key=key, customer=host.customer())

    # The first events are taken back by some while others put other quantities in their place.
    targets = [None, 30, 70, None, 30, 70, 50, 20]
    calls = [
        [
            Call(meter="jobs", quantity=50, key=key, corrected=target or (None if early else 90))
            for early, key in [(number < 6, key) for number, key in enumerate(keys)]
        ]
        for target in targets
    ]
    answers = run(host, database_url, calls)
    events = host.rows(UsageEvent)
    ends = {
        event.idempotency_key: sum(
            other.quantity
            for other in events
            if other.id == event.id or (other.extra or {}).get("corrects") == event.id
        )
        for event in events
        if event.idempotency_key in keys
    }

    assert [ends[key] for key in keys[:6]] == [0] * 6
    assert {ends[key] for key in keys[6:]} <= {20, 30, 50, 70, 90}
    assert sum(answer["allowed"] for answer in answers) >= 6 * 8
    assert sum(rollup.quantity for rollup in host.rows(UsageRollup)) == sum(ends.values())
    assert [counter.used for counter in host.rows(UsageCounter)] == [sum(ends.values())]


def run(
    host: Host,
    database_url: str,
    calls: c.Sequence[list[Call]],
    before: c.Sequence[Call] = (),
) -> list[Answer]:
    """Let each process make its calls, all at the same time.

    :param before: made by the process that forks them.
    """
    with host.app.app_context():
        host.customer()

    worker = subprocess.run(
        [sys.executable, "-m", "tests.metering.worker", database_url],
        input=json.dumps(
            {"catalog": CATALOG, "calls": calls, "before": before, "now": NOON.isoformat()}
        ),
        stdout=subprocess.PIPE,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    answers: list[Answer] = json.loads(worker.stdout)
    return answers


def test_admins_who_reverse_and_correct_an_event_at_once_leave_it_on_one_target(
    make_app: c.Callable[..., Host], database_url: str
) -> None:
    host = Shop(make_app(database_url, catalog=CATALOG)).host  # today stays today
    targets = [None, 30, 40, None, 50]
    kept: list[int] = []

    def correct(key: str, target: int | None, barrier: threading.Barrier) -> str:
        with host.app.app_context():
            customer = host.customer()
            barrier.wait(PATIENCE)

            try:
                metering.correct(key, target, actor="ada", reason="-", customer=customer)
            except InvalidUsageError as error:
                return str(error)

            return "done"

    with host.app.app_context(), concurrent.futures.ThreadPoolExecutor(len(targets)) as pool:
        customer = host.customer()

        for number in range(12):
            # Some are reversed by nobody, some refunded by the call that booked them.
            key, mine = f"event-{number}", [one for one in targets if one or number % 3]
            decision = metering.consume("tokens", 20, key=key, customer=customer)
            barrier = threading.Barrier(len(mine) + 1)
            told = [pool.submit(correct, key, target, barrier) for target in mine]
            barrier.wait(PATIENCE)

            if number % 3 == 2:
                metering.refund(decision)

            answers = [one.result(PATIENCE) for one in told]
            left = sum(event.quantity for event in host.rows(UsageEvent)) - sum(kept)
            kept.append(left)
            assert left == 0 if number % 3 else left in targets
            assert all(answer == "done" or "was taken back" in answer for answer in answers)

    assert {counter.used for counter in host.rows(UsageCounter, meter="tokens")} == {sum(kept)}
    assert sum(one.quantity for one in host.rows(UsageRollup, meter="tokens")) == sum(kept)
    balance(host)
