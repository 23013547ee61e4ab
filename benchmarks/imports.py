"""Booking a thousand facts at once, duplicates among them, beside the raw driver doing the same.

    .venv/bin/python benchmarks/imports.py [--rounds N] [--only sqlite|postgresql]

Of each thousand, 50 repeat one of the same batch and 50 one that was booked before. Raw is what
one would write by hand for this table: events, counter and daily sum, in one statement over
``unnest`` on PostgreSQL, in one transaction with ``json_each`` on SQLite. It checks nothing, and
does not say which facts were new. Both must leave the same books.
"""

from __future__ import annotations

import argparse
import collections.abc as c
import contextlib
import functools
import json
import sys
import time
import typing as t
from datetime import datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import rounds
import sqlalchemy as sa
from databases import DATABASES
from rounds import Target
from usage_host import METER, UsageHost, month

from flask_billing import metering
from flask_billing.clock import wall
from flask_billing.models import UsageCounter, UsageEvent, UsageRollup

SIZE: t.Final = 1_000
REPEATED: t.Final = 50
_COLUMNS: t.Final = {
    "idempotency_key": "text", "occurred_at": "timestamptz", "quantity": "bigint",
    "model": "text", "input_tokens": "bigint", "output_tokens": "bigint",
}  # fmt: skip
_EVENTS: t.Final = (
    f"INSERT INTO billing_usage_event ({', '.join(_COLUMNS)}, customer_id, meter, recorded_at) "
)
_ROLLUP: t.Final = (
    "INSERT INTO billing_usage_rollup (customer_id, meter, day, provider, model, endpoint, "
    "member, events, quantity, input_tokens, output_tokens, cached_tokens, cost_total) "
)
_ADDED: t.Final = (
    "ON CONFLICT (customer_id, meter, day, provider, model, endpoint, member) DO UPDATE SET "
    + ", ".join(
        f"{name} = billing_usage_rollup.{name} + excluded.{name}"
        for name in ("events", "quantity", "input_tokens", "output_tokens")
    )
)
#: One fact: key, time, quantity, model, tokens in and out.
Row = tuple[str, datetime, int, str, int, int]


class Contender:
    """A database whose one customer gets the same batches as the others'."""

    def __init__(self, url: str) -> None:
        self.host = UsageHost(url, 10**12)
        self.batches = 0

        with self.host.app.app_context():
            self.customer = self.host.customer("1")
            metering.consume(METER, 1, customer=self.customer)

    def run(self, prepare: c.Callable[[list[Row]], c.Callable[[], object]]) -> rounds.Run:
        """Seconds per fact.

        :param prepare: takes a batch and returns what books it.
        """

        def measure() -> float:
            self.batches += 1
            book = prepare(_batch(self.batches))

            with self.host.app.app_context():
                began = time.perf_counter()
                book()
                return (time.perf_counter() - began) / SIZE

        return measure

    def ours(self, rows: list[Row]) -> c.Callable[[], object]:
        """With the public function."""
        facts = [
            metering.Fact(
                METER,
                quantity,
                key,
                self.customer,
                at,
                {"model": model, "input_tokens": inside, "output_tokens": outside},
            )
            for key, at, quantity, model, inside, outside in rows
        ]
        return lambda: metering.record_many(facts)

    def books(self) -> list[t.Any]:
        """What stands in the tables, to be compared."""
        tables = (
            sa.select(UsageCounter.used),
            sa.select(sa.func.count(), sa.func.sum(UsageEvent.quantity)).select_from(UsageEvent),
            sa.select(
                UsageRollup.model,
                UsageRollup.events,
                UsageRollup.quantity,
                UsageRollup.input_tokens,
                UsageRollup.output_tokens,
            ).order_by(UsageRollup.model),
        )

        with self.host.app.app_context(), self.host.db.engine.connect() as connection:
            return [connection.execute(table).all() for table in tables]


class RawPostgresql:
    """One statement over arrays."""

    _SQL: t.Final = (
        "WITH said AS (SELECT * FROM unnest("
        + ", ".join(f"%({name})s::{kind}[]" for name, kind in _COLUMNS.items())
        + f") AS said({', '.join(_COLUMNS)})), "
        f"booked AS ({_EVENTS} SELECT *, %(customer)s, %(meter)s, %(now)s FROM said "
        "ON CONFLICT (customer_id, meter, idempotency_key) DO NOTHING "
        f"RETURNING {', '.join(_COLUMNS)}), "
        "counted AS (UPDATE billing_usage_counter SET used = used + "
        "(SELECT coalesce(sum(quantity), 0) FROM booked) WHERE customer_id = %(customer)s "
        "AND meter = %(meter)s AND bucket = %(bucket)s), "
        f"summed AS ({_ROLLUP} SELECT %(customer)s, %(meter)s, "
        "CAST(occurred_at AT TIME ZONE 'UTC' AS DATE), '', model, '', '', count(*), "
        "sum(quantity), sum(input_tokens), sum(output_tokens), 0, 0 FROM booked "
        f"GROUP BY 3, 5 {_ADDED}) SELECT count(*) FROM booked"
    )

    def __init__(self, driver: t.Any, customer_id: int) -> None:
        self._driver, self._customer_id = driver, customer_id

    def book(self, rows: list[Row]) -> None:
        """Book them."""
        columns = zip(*rows, strict=True)
        said = {name: list(values) for name, values in zip(_COLUMNS, columns, strict=True)}
        self._driver.execute(
            self._SQL,
            {
                **said,
                "customer": self._customer_id,
                "meter": METER,
                "now": wall(),
                "bucket": month(),
            },
        ).fetchone()


class RawSqlite:
    """One transaction whose events come as one JSON text."""

    _SQL: t.Final = (
        f"{_EVENTS} SELECT "
        + ", ".join(f"json_extract(value, '$[{index}]')" for index in range(len(_COLUMNS)))
        + ", ?, ?, ? FROM json_each(?) WHERE true ON CONFLICT "
        "(customer_id, meter, idempotency_key) DO NOTHING "
        "RETURNING date(occurred_at), model, quantity, input_tokens, output_tokens"
    )

    def __init__(self, driver: t.Any, customer_id: int) -> None:
        self._driver, self._customer_id = driver, customer_id

    def book(self, rows: list[Row]) -> None:
        """Book them."""
        said = json.dumps([(key, _text(at), *rest) for key, at, *rest in rows])
        cursor = self._driver.cursor()
        cursor.execute("BEGIN IMMEDIATE")
        booked = cursor.execute(
            self._SQL, (self._customer_id, METER, _text(wall()), said)
        ).fetchall()
        sums: dict[tuple[str, str], list[int]] = {}

        for day, model, quantity, inside, outside in booked:
            of_day = sums.setdefault((day, model), [0, 0, 0, 0])
            of_day[0] += 1
            of_day[1] += quantity
            of_day[2] += inside
            of_day[3] += outside

        cursor.execute(
            "UPDATE billing_usage_counter SET used = used + ? "
            "WHERE customer_id = ? AND meter = ? AND bucket = ?",
            (sum(of_day[1] for of_day in sums.values()), self._customer_id, METER, month()),
        )
        cursor.executemany(
            f"{_ROLLUP} VALUES (?, ?, ?, '', ?, '', '', ?, ?, ?, ?, 0, 0) {_ADDED}",
            [(self._customer_id, METER, day, model, *of_day)
             for (day, model), of_day in sums.items()],
        )  # fmt: skip
        cursor.execute("COMMIT")


def main() -> None:
    """Measure and print."""
    options = _options()

    for name, database in DATABASES.items():
        if options.only in (None, name.lower()):
            with database() as fresh, contextlib.ExitStack() as stack:
                ours, raw = Contender(fresh()), Contender(fresh())
                driver = stack.enter_context(raw.host.driver())
                stack.callback(ours.host.close)
                stack.callback(raw.host.close)
                made = RawPostgresql if raw.host.is_postgresql else RawSqlite
                _compare(name, ours, raw, made(driver, raw.customer.id), options.rounds)


def _compare(
    name: str,
    ours: Contender,
    raw: Contender,
    driver: RawPostgresql | RawSqlite,
    times: int,
) -> None:
    contenders = {
        "ours": ours.run(ours.ours),
        "raw": raw.run(lambda rows: functools.partial(driver.book, rows)),
    }
    rounds.interleave(contenders, 2)  # statements are compiled and prepared
    seconds = rounds.interleave(contenders, times)
    assert ours.books() == raw.books()
    rounds.ratio(f"{name}: facts per second, ours / raw", seconds["raw"], seconds["ours"],
                 Target("≥", 0.8))  # fmt: skip

    for contender, measured in seconds.items():
        rounds.absolute(f"a fact, {contender}", measured)


def _batch(number: int) -> list[Row]:
    """A thousand facts; the last hundred are repetitions."""
    new = SIZE - 2 * REPEATED
    rows = [_row(number, index) for index in range(new)]
    again = [_row(number - 1, index) for index in range(REPEATED)]
    return [*rows, *rows[:REPEATED], *again]


def _row(number: int, index: int) -> Row:
    return f"{number}-{index}", wall(), 3, f"model-{index % 4}", 100 + index, 20


def _text(at: datetime) -> str:
    return at.replace(tzinfo=None).isoformat(" ", "microseconds")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=rounds.ROUNDS)
    parser.add_argument("--only", choices=[name.lower() for name in DATABASES])
    return parser.parse_args()


if __name__ == "__main__":
    main()
