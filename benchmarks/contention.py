"""Eight at once on one counter, and on a thousand: the limit admits exactly itself.

    .venv/bin/python benchmarks/contention.py [--rounds N] [--only sqlite|postgresql]

Eight threads of one process, then eight processes, consume at once. A figure is the time from the
first call to the last answer, by the number of calls, while nobody is near a limit and the limits
are in memory. Then they go on until the limits have refused all of them, and the counters and
events are read: no customer may have used more than the limit, nor less. Raw is in `raw_ledger.py`.
"""

from __future__ import annotations

import argparse
import collections.abc as c
import contextlib
import multiprocessing
import random
import sys
import threading
import time
import typing as t
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import rounds
import sqlalchemy as sa
from databases import DATABASES
from raw_ledger import RawPostgresql, RawSqlite
from rounds import Target
from usage_host import METER, UsageHost, month

from flask_billing import metering
from flask_billing.clock import wall
from flask_billing.database import close
from flask_billing.metering.buckets import add_months
from flask_billing.models import Customer, UsageCounter, UsageEvent

AT_ONCE: t.Final = 8
CALLS: t.Final = 150
CONTEXT: t.Final = multiprocessing.get_context("fork")

#: When somebody began and ended, by the monotonic clock, and how many calls were admitted.
Turn = tuple[float, float, int]
#: Makes calls for customers and says how many were admitted.
Consume = c.Callable[[int], bool]
#: Takes the customers to come, and gives what consumes for them.
Made = c.Callable[[c.Sequence[int]], contextlib.AbstractContextManager[Consume]]


class Plan(t.NamedTuple):
    """Whom one of the eight consumes for: while it is timed, and then beyond their limits."""

    timed: list[int]
    beyond: list[int]


class Arena:
    """A database with fresh customers for each run."""

    def __init__(self, url: str, limit: int) -> None:
        self.url, self.limit = url, limit
        self.host = UsageHost(url, limit)
        self.host.app.config["BILLING_LIMIT_CACHE"] = timedelta(minutes=1)
        self._last = 0

    def fresh(self, rows: int) -> list[int]:
        """Customers of their own for one run, with their counters open."""
        ids = [self._last + number for number in range(1, rows + 1)]
        self._last += rows
        customers = [
            {"id": one, "owner_type": "user", "owner_id": str(one), "created_at": wall()}
            for one in ids
        ]
        counters = [
            {"customer_id": one, "meter": METER, "bucket": month(), **_open(self.limit)}
            for one in ids
        ]

        with self.host.app.app_context(), self.host.db.engine.begin() as connection:
            connection.execute(sa.insert(Customer), customers)
            connection.execute(sa.insert(UsageCounter), counters)

        return ids

    def check(self, ids: list[int], asked: dict[int, int], admitted: int) -> None:
        """The limit admitted exactly itself."""
        counters = sa.select(UsageCounter.customer_id, UsageCounter.used)
        events = sa.select(UsageEvent.customer_id, sa.func.sum(UsageEvent.quantity)).group_by(
            UsageEvent.customer_id
        )

        with self.host.app.app_context(), self.host.db.engine.connect() as connection:
            used = {row[0]: row[1] for row in connection.execute(counters)}
            booked = {row[0]: row[1] for row in connection.execute(events)}

        for one in ids:
            assert used[one] == booked.get(one, 0) == min(self.limit, asked.get(one, 0))

        assert admitted == sum(used[one] for one in ids)

    @contextlib.contextmanager
    def ours(self, plan: c.Sequence[int]) -> c.Iterator[Consume]:
        """``metering.consume``, the limits of its customers in memory."""
        with self.host.app.app_context():
            for one in set(plan):
                metering.check(METER, 1, customer=Customer(id=one))

            yield self._consume

    @contextlib.contextmanager
    def raw(self, _: c.Sequence[int]) -> c.Iterator[Consume]:
        """The driver."""
        with self.host.driver() as driver:
            made = RawPostgresql if self.host.is_postgresql else RawSqlite
            yield made(driver, self.limit).consume

    def _consume(self, customer_id: int) -> bool:
        try:
            metering.consume(METER, 1, customer=Customer(id=customer_id))
        except metering.QuotaExceeded:
            return False

        return True


def in_threads(made: Made, plans: list[Plan]) -> list[Turn]:
    """Eight threads of this process."""
    barrier = threading.Barrier(len(plans))
    turns: list[Turn] = []
    threads = [
        threading.Thread(target=lambda plan=plan: turns.append(_turn(made, plan, barrier)))
        for plan in plans
    ]

    for thread in threads:
        thread.start()

    for thread in threads:
        thread.join()

    return turns


def in_processes(made: Made, plans: list[Plan]) -> list[Turn]:
    """Eight processes, forked from this one."""
    barrier, queue = CONTEXT.Barrier(len(plans)), CONTEXT.SimpleQueue()
    processes = [
        CONTEXT.Process(target=lambda plan=plan: queue.put(_turn(made, plan, barrier)))
        for plan in plans
    ]

    for process in processes:
        process.start()

    turns = [queue.get() for _ in processes]

    for process in processes:
        process.join()

    return turns


WAYS: t.Final = {"threads": in_threads, "processes": in_processes}


def main() -> None:
    """Measure and print."""
    options = _options()

    for name, database in DATABASES.items():
        if options.only in (None, name.lower()):
            limits = {1: AT_ONCE * options.calls * 4 // 3, 1_000: 20}

            for rows, limit in limits.items():
                with database() as fresh, contextlib.ExitStack() as stack:
                    arenas = [Arena(fresh(), limit) for _ in range(2)]

                    for arena in arenas:
                        stack.callback(arena.host.close)

                    _compare(name, rows, arenas[0], arenas[1], options)


def _compare(name: str, rows: int, ours: Arena, raw: Arena, options: argparse.Namespace) -> None:
    for way, run in WAYS.items():
        contenders = {
            "ours": _measured(ours, ours.ours, run, rows, options.calls),
            "raw": _measured(raw, raw.raw, run, rows, options.calls),
        }
        rounds.interleave(contenders, 1)
        seconds = rounds.interleave(contenders, options.rounds)
        at_most = Target("≤", 1.25) if rows == 1 and name == "PostgreSQL" else None
        label = f"{name}: {AT_ONCE} {way} on {rows:,} {'row' if rows == 1 else 'rows'}"
        rounds.ratio(f"{label}, a call, ours / raw", seconds["ours"], seconds["raw"], at_most)

        for contender, measured in seconds.items():
            rounds.absolute(f"a call, {contender}", measured)


def _measured(
    arena: Arena,
    made: Made,
    run: c.Callable[[Made, list[Plan]], list[Turn]],
    rows: int,
    calls: int,
) -> rounds.Run:
    dice = random.Random(rows)

    def measure() -> float:
        ids = arena.fresh(rows)
        plans = [
            Plan(
                [dice.choice(ids) for _ in range(calls)],
                # Some are asked for more than they have.
                [one for one in ids[:3] for _ in range(arena.limit // AT_ONCE + 1)],
            )
            for _ in range(AT_ONCE)
        ]

        with arena.host.app.app_context():  # a fork inherits no connection
            arena.host.db.engine.dispose()
            close(arena.host.app.extensions["billing"])

        turns = run(made, plans)
        asked: dict[int, int] = {}

        for plan in plans:
            for one in (*plan.timed, *plan.beyond):
                asked[one] = asked.get(one, 0) + 1

        arena.check(ids, asked, sum(admitted for _, _, admitted in turns))
        began, ended = min(turn[0] for turn in turns), max(turn[1] for turn in turns)
        return (ended - began) / (AT_ONCE * calls)

    return measure


def _turn(made: Made, plan: Plan, barrier: t.Any) -> Turn:
    with made(plan.timed) as consume:
        barrier.wait(60)
        began = time.perf_counter()
        admitted = sum([consume(one) for one in plan.timed])
        ended = time.perf_counter()
        barrier.wait(60)
        return began, ended, admitted + sum([consume(one) for one in plan.beyond])


def _open(limit: int) -> dict[str, object]:
    start = wall().replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return {
        "used": 0,
        "reserved": 0,
        "reported": 0,
        "plan": "free",
        "limit": limit,
        "period_start": start,
        "period_end": add_months(start, 1),
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=rounds.ROUNDS)
    parser.add_argument("--calls", type=int, default=CALLS)
    parser.add_argument("--only", choices=[name.lower() for name in DATABASES])
    return parser.parse_args()


if __name__ == "__main__":
    main()
