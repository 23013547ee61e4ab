"""Reading usage with few and with many events: the cost must not grow with them.

    .venv/bin/python benchmarks/reads.py [--rounds N] [--only sqlite|postgresql] [--five-million]

Two databases hold the same days, models and endpoints, one with 10 thousand events and one with a
million (or five). The current period and the 30 days before are read from both in turns. Beside
them stand one read of a counter by its primary key, and a SUM over the events, which is what one
would write without daily sums.
"""

from __future__ import annotations

import argparse
import collections.abc as c
import contextlib
import sys
import time
import typing as t
from datetime import date, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import rounds
import sqlalchemy as sa
from databases import DATABASES
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from rounds import Target

from flask_billing import Billing, Owner, metering
from flask_billing.clock import wall
from flask_billing.database import close, reading
from flask_billing.models import Customer, UsageCounter, UsageEvent

SMALL: t.Final = 10_000
CATALOG: t.Final = {
    "meters": {"tokens": {"name": "Tokens", "unit": "token"}},
    "plans": {
        "free": {
            "name": "Free",
            "limits": [{"meter": "tokens", "included": 10**12, "window": "month"}],
        }
    },
}
_NUMBERS: t.Final = {
    "sqlite": "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < :count)",
    "postgresql": "WITH s(n) AS (SELECT generate_series(1, CAST(:count AS INTEGER)))",
}
_MOMENTS: t.Final = {
    "sqlite": "strftime('%Y-%m-%d 12:00:00.000000', :today, '-' || (n % 30) || ' days')",
    "postgresql": "CAST(:today AS TIMESTAMPTZ) + interval '12 hours' - (n % 30) * interval '1 day'",
}
#: Six combinations of dimensions a day, whatever the number of events.
_EVENTS: t.Final = """
INSERT INTO billing_usage_event (customer_id, meter, idempotency_key, quantity, occurred_at,
    recorded_at, provider, model, endpoint)
{numbers} SELECT :customer, 'tokens', 'k' || n, 3, {moment}, {moment}, 'acme',
    'model-' || (n / 30 % 3), 'view-' || (n / 90 % 2) FROM s
"""
_ROLLUPS: t.Final = """
INSERT INTO billing_usage_rollup (customer_id, meter, day, provider, model, endpoint, member,
    events, quantity, input_tokens, output_tokens, cached_tokens, cost_total)
SELECT customer_id, meter, {day}, provider, model, endpoint, '', count(*), sum(quantity),
    0, 0, 0, 0 FROM billing_usage_event GROUP BY 1, 2, 3, 4, 5, 6
"""
_DAYS: t.Final = {
    "sqlite": "date(occurred_at)",
    "postgresql": "CAST(occurred_at AT TIME ZONE 'UTC' AS DATE)",
}


class Reader:
    """An app whose only customer has some number of events."""

    def __init__(self, url: str, events: int) -> None:
        self.app = Flask("reads")
        self.app.config["SQLALCHEMY_DATABASE_URI"] = url
        self.db = SQLAlchemy(self.app)
        billing = Billing(self.app, db=self.db, catalog=CATALOG)
        self.today = wall().date()
        self.events = events

        with self.app.app_context():
            self.db.create_all()
            self.customer = billing.customer_for(Owner("user", "1"))
            self._fill()
            metering.consume("tokens", 1, customer=self.customer)
            self.db.session.commit()
            self.customer = billing.customer_for(Owner("user", "1"))
            assert self.customer.id  # loaded, so that no read below asks for it
            self.db.session.expunge(self.customer)
            self.db.session.remove()

    def period(self) -> None:
        """The current period."""
        metering.usage("tokens", customer=self.customer)

    def series(self) -> None:
        """The last 30 days."""
        metering.history(self.customer, "tokens", self._first, self.today)

    def counter(self) -> None:
        """One counter, by its key."""
        with reading() as connection:
            connection.execute(
                sa.select(UsageCounter.used).where(
                    UsageCounter.customer_id == self.customer.id,
                    UsageCounter.meter == "tokens",
                    UsageCounter.bucket == f"m:{self.today:%Y-%m}",
                )
            ).one()

    def sums(self) -> None:
        """The same days by a SUM over events."""
        day = sa.func.date(UsageEvent.occurred_at)

        with reading() as connection:
            connection.execute(
                sa.select(day, sa.func.sum(UsageEvent.quantity))
                .where(UsageEvent.customer_id == self.customer.id, UsageEvent.meter == "tokens")
                .group_by(day)
            ).all()

    def run(self, read: c.Callable[[], None], times: int) -> rounds.Run:
        """Seconds per read."""

        def measure() -> float:
            with self.app.app_context():
                read()
                began = time.perf_counter()

                for _ in range(times):
                    read()

                return (time.perf_counter() - began) / times

        return measure

    def close(self) -> None:
        """Give back all connections."""
        with self.app.app_context():
            close(self.app.extensions["billing"])
            self.db.engine.dispose()

    @property
    def _first(self) -> date:
        return self.today - timedelta(days=29)

    def _fill(self) -> None:
        kind = self.db.engine.dialect.name
        filling = _EVENTS.format(numbers=_NUMBERS[kind], moment=_MOMENTS[kind])

        with self.db.engine.begin() as connection:
            connection.execute(
                sa.text(filling),
                {
                    "count": self.events,
                    "today": str(self.today - timedelta(days=1)),
                    "customer": connection.scalar(sa.select(Customer.id)),
                },
            )
            connection.execute(sa.text(_ROLLUPS.format(day=_DAYS[kind])))

        with self.db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sa.text("ANALYZE"))


def main() -> None:
    """Measure and print."""
    options = _options()
    many = 5_000_000 if options.five_million else options.many

    for name, database in DATABASES.items():
        if options.only in (None, name.lower()):
            with database() as fresh, contextlib.ExitStack() as stack:
                few, lots = Reader(fresh(), SMALL), Reader(fresh(), many)
                stack.callback(few.close)
                stack.callback(lots.close)
                _compare(name, few, lots, options)


def _compare(name: str, few: Reader, lots: Reader, options: argparse.Namespace) -> None:
    seconds = rounds.interleave(
        {
            f"{size} {what}": reader.run(getattr(reader, what), options.reads)
            for size, reader in (("few", few), ("lots", lots))
            for what in ("period", "series", "counter")
        },
        options.rounds,
    )
    grown = f"{lots.events:,} / {few.events:,} events"
    rounds.ratio(f"{name}: current period, {grown}", seconds["lots period"],
                 seconds["few period"], Target("≤", 1.2))  # fmt: skip
    rounds.ratio(f"{name}: 30 days, {grown}", seconds["lots series"],
                 seconds["few series"], Target("≤", 1.2))  # fmt: skip
    rounds.ratio(f"{name}: 30 days / one counter, {lots.events:,} events",
                 seconds["lots series"], seconds["lots counter"], Target("≤", 3))  # fmt: skip
    sums = rounds.interleave(
        {"few": few.run(few.sums, 1), "lots": lots.run(lots.sums, 1)}, min(options.rounds, 3)
    )
    rounds.ratio(f"{name}: a SUM over events, {grown}", sums["lots"], sums["few"])

    for what in ("period", "series", "counter"):
        rounds.absolute(f"{what}, {lots.events:,} events", seconds[f"lots {what}"])

    rounds.absolute(f"a SUM over {lots.events:,} events", sums["lots"])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=rounds.ROUNDS)
    parser.add_argument("--reads", type=int, default=100)
    parser.add_argument("--many", type=int, default=1_000_000)
    parser.add_argument("--five-million", action="store_true")
    parser.add_argument("--only", choices=[name.lower() for name in DATABASES])
    return parser.parse_args()


if __name__ == "__main__":
    main()
