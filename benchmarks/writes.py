"""One durable check-and-record a call, beside the raw driver doing the same in one round trip.

    .venv/bin/python benchmarks/writes.py [--rounds N] [--only sqlite|postgresql]

Ours is ``metering.consume`` for a customer with a limit in the calendar month; raw is in
`raw_ledger.py`. In the end both must have left the same books.
"""

from __future__ import annotations

import argparse
import collections.abc as c
import contextlib
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import rounds
import sqlalchemy as sa
from databases import DATABASES
from raw_ledger import RawPostgresql, RawSqlite
from rounds import Target
from usage_host import METER, UsageHost

from flask_billing import metering
from flask_billing.models import UsageCounter, UsageEvent, UsageRollup

LIMIT = 10**12
TARGETS = {"SQLite": 0.60, "PostgreSQL": 0.75}


def main() -> None:
    """Measure and print."""
    options = _options()

    for name, database in DATABASES.items():
        if options.only in (None, name.lower()):
            with database() as fresh, contextlib.ExitStack() as stack:
                ours, raw = UsageHost(fresh(), LIMIT), UsageHost(fresh(), LIMIT)
                stack.callback(ours.close)
                stack.callback(raw.close)
                driver = stack.enter_context(raw.driver())
                _compare(name, ours, raw, driver, options)


def _compare(
    name: str, ours: UsageHost, raw: UsageHost, driver: object, options: argparse.Namespace
) -> None:
    made = (RawPostgresql if raw.is_postgresql else RawSqlite)(driver, LIMIT)  # type: ignore[arg-type]
    customers = {}

    for host in (ours, raw):
        with host.app.app_context():
            customers[host] = host.customer("1")
            metering.consume(METER, 1, customer=customers[host])

    of_ours, of_raw = customers[ours], customers[raw].id
    contenders = {
        "ours": _run(ours, lambda: metering.consume(METER, 1, customer=of_ours), options.calls),
        "raw": _run(raw, lambda: made.consume(of_raw), options.calls),
    }
    rounds.interleave(contenders, 1)  # statements are compiled and prepared
    seconds = rounds.interleave(contenders, options.rounds)
    assert _books(ours) == _books(raw)
    rounds.ratio(f"{name}: calls per second, ours / raw", seconds["raw"], seconds["ours"],
                 Target("≥", TARGETS[name]))  # fmt: skip

    for contender, measured in seconds.items():
        rounds.absolute(f"a call, {contender}", measured)


def _run(host: UsageHost, call: c.Callable[[], object], times: int) -> rounds.Run:
    """Seconds per call."""

    def measure() -> float:
        with host.app.app_context():
            began = time.perf_counter()

            for _ in range(times):
                call()

            return (time.perf_counter() - began) / times

    return measure


def _books(host: UsageHost) -> list[object]:
    with host.app.app_context(), host.db.engine.connect() as connection:
        return [
            connection.scalar(sa.select(sa.func.sum(column)))
            for column in (UsageCounter.used, UsageEvent.quantity, UsageRollup.quantity)
        ]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=rounds.ROUNDS)
    parser.add_argument("--calls", type=int, default=300)
    parser.add_argument("--only", choices=[name.lower() for name in DATABASES])
    return parser.parse_args()


if __name__ == "__main__":
    main()
