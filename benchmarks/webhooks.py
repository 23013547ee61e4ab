"""Webhook deliveries: verified, stored and processed, beside dj-stripe and a hand-written view.

    .venv/bin/python benchmarks/webhooks.py [--rounds N] [--only sqlite|postgresql]

Each contender is a process of its own and takes the same signed stream through its real route.
Stripe's answers come from memory at the SDK's HTTP client, whose time is subtracted.
"""

from __future__ import annotations

import argparse
import collections
import collections.abc as c
import json
import os
import subprocess
import sys
import typing as t
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import rounds
from databases import DATABASES
from rounds import Target
from stream import Happening, Life, account_objects, deliveries, shuffled

HERE: t.Final = Path(__file__).parent
CACHE: t.Final = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
DJSTRIPE: t.Final = "2.11.*"

TARGETS: t.Final = {"SQLite": 12.0, "PostgreSQL": 9.0}
LIVES_A_ROUND: t.Final = 12
NEW_LIVES_A_ROUND: t.Final = 6
#: Contenders take turns this often, so that a busy moment of the machine hits them all.
EVENTS_A_TURN: t.Final = 28

Report = dict[str, t.Any]
#: Contender -> seconds a delivery, round by round.
Seconds = dict[str, list[float]]


class Worker:
    """A contender in its own process."""

    def __init__(self, python: str, script: str, database_url: str) -> None:
        self._process = subprocess.Popen(
            [python, str(HERE / script), database_url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._read()

    def tell(self, **command: object) -> Report:
        """Send a command and wait for its answer."""
        assert self._process.stdin is not None
        print(json.dumps(command), file=self._process.stdin, flush=True)
        return self._read()

    def deliver(self, stream: list[Happening]) -> Report:
        """Deliver a stream, freshly signed; all of it must be accepted."""
        report = self.tell(deliveries=deliveries(stream))
        refused = [status for status in report["statuses"] if status != "200"]
        assert not refused, f"{self._process.args!r}: {refused}"
        return report

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def _read(self) -> Report:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"{self._process.args!r} died"
        found: Report = json.loads(line)
        return found


class World:
    """All customers there will be, and the streams of their months."""

    def __init__(self, count: int) -> None:
        lives = LIVES_A_ROUND + (count + 2) * NEW_LIVES_A_ROUND
        self.lives = [Life(number) for number in range(lives)]
        self._started = LIVES_A_ROUND

    def objects(self) -> list[dict[str, t.Any]]:
        """What Stripe knows from the start."""
        return [*account_objects(), *(found for life in self.lives for found in life.objects())]

    def customers(self) -> list[dict[str, t.Any]]:
        """The Stripe customers among them."""
        return [found for found in self.objects() if found["object"] == "customer"]

    def warm_up(self) -> list[Happening]:
        """The first month of those who are customers before the rounds begin."""
        return shuffled([life.live_a_month() for life in self.lives[:LIVES_A_ROUND]], seed=0)

    def next_round(self, number: int) -> list[Happening]:
        """A month of some old customers and some new ones."""
        self._started += NEW_LIVES_A_ROUND
        chosen = self.lives[self._started - LIVES_A_ROUND : self._started]
        return shuffled([life.live_a_month() for life in chosen], seed=number)


def main() -> None:
    """Measure on each database."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=rounds.ROUNDS)
    parser.add_argument("--only", choices=[name.lower() for name in DATABASES])
    options = parser.parse_args()
    python = djstripe_python()

    for name, databases in DATABASES.items():
        if options.only in (None, name.lower()):
            with databases() as fresh:
                workers = {
                    "Flask-Billing": Worker(sys.executable, "worker_billing.py", fresh()),
                    "hand-written view": Worker(sys.executable, "worker_plain.py", fresh()),
                    "dj-stripe": Worker(python, "worker_djstripe.py", fresh()),
                }

                try:
                    measure(name, workers, options.rounds)
                finally:
                    for worker in workers.values():
                        worker.close()


def measure(database: str, workers: c.Mapping[str, Worker], count: int) -> None:
    """Run the rounds on one database and print what came out."""
    world = World(count)
    warm_up = world.warm_up()

    for worker in workers.values():
        worker.tell(objects=world.objects(), customers=world.customers())
        worker.deliver(warm_up)

    streams = [world.next_round(number) for number in range(count)]
    counted = world.next_round(count)
    seconds: Seconds = {name: [] for name in workers}
    cpu_seconds: Seconds = {name: [] for name in workers}

    for number, stream in enumerate(streams):
        for name, report in run_round(workers, stream, number).items():
            seconds[name].append(report["seconds"] / len(stream))
            cpu_seconds[name].append(report["cpu_seconds"] / len(stream))

    sizes = sorted(len(one["body"]) for one in deliveries(streams[0]))
    print(
        f"\nWebhook deliveries on {database}: {len(streams[0])} a round, bodies of "
        f"{sizes[0]} to {sizes[-1]} bytes (median {sizes[len(sizes) // 2]})"
    )
    print_times(database, seconds, cpu_seconds)
    print_counts(database, workers, counted)


def run_round(
    workers: c.Mapping[str, Worker], stream: list[Happening], number: int
) -> dict[str, collections.Counter[str]]:
    """What each contender took for a stream, delivered in turns of some events."""
    taken: dict[str, collections.Counter[str]] = {name: collections.Counter() for name in workers}
    names = list(workers)

    for start in range(0, len(stream), EVENTS_A_TURN):
        shift = (start // EVENTS_A_TURN + number) % len(names)

        for name in names[shift:] + names[:shift]:
            report = workers[name].deliver(stream[start : start + EVENTS_A_TURN])
            taken[name].update({key: report[key] for key in ("seconds", "cpu_seconds")})

    return taken


def print_times(database: str, seconds: Seconds, cpu_seconds: Seconds) -> None:
    """Print the ratios, by the clock and by the processor's time, and orientation."""
    ours, theirs, plain = "Flask-Billing", "dj-stripe", "hand-written view"
    target = Target("≥", TARGETS[database])
    rounds.ratio(f"{database}: {theirs} / {ours}", seconds[theirs], seconds[ours], target)
    rounds.ratio(f"{database}: {theirs} / {plain}", seconds[theirs], seconds[plain])
    rounds.ratio(f"{database}: {theirs} / {ours}, CPU", cpu_seconds[theirs], cpu_seconds[ours])
    rounds.ratio(f"{database}: {theirs} / {plain}, CPU", cpu_seconds[theirs], cpu_seconds[plain])

    for name in seconds:
        rounds.absolute(f"{name}, a delivery", seconds[name])
        rounds.absolute(f"{name}, a delivery, CPU of its process", cpu_seconds[name])


def print_counts(database: str, workers: c.Mapping[str, Worker], stream: list[Happening]) -> None:
    """Print statements and Stripe calls, which no clock can blur."""
    for name, worker in workers.items():
        worker.tell(count=True)
        reports = [worker.deliver([happening]) for happening in stream]
        again = worker.deliver([stream[-1]])
        statements = [report["statements"] for report in reports]
        calls = [report["calls"] for report in reports]
        ours = name == "Flask-Billing"
        rounds.value(
            f"{database}: {name}, statements a delivery (mean)",
            sum(statements) / len(statements),
            f"({min(statements)}-{max(statements)})",
        )

        if ours:
            most = Target("≤", 8, "")
            rounds.value(f"{database}: {name}, most statements", max(statements), "", most)
            once = Target("≤", 1, "")
            rounds.value(
                f"{database}: {name}, statements for a duplicate", again["statements"], "", once
            )

        print_by_type(stream, reports)
        rounds.value(
            f"{database}: {name}, Stripe calls a delivery (mean)",
            sum(calls) / len(calls),
            f"({min(calls)}-{max(calls)})",
        )


def print_by_type(stream: list[Happening], reports: list[Report]) -> None:
    """Print how many statements each type of event took."""
    statements: dict[str, list[int]] = {}

    for happening, report in zip(stream, reports, strict=True):
        statements.setdefault(happening.event["type"], []).append(report["statements"])

    for kind, found in sorted(statements.items()):
        print(f"  {kind:<56} {sum(found) / len(found):7.2f} ({min(found)}-{max(found)})")


def djstripe_python() -> str:
    """The Python of an environment with dj-stripe, made at the first run."""
    folder = CACHE / "flask-billing-benchmarks" / "djstripe-2.11"
    python = folder / "bin" / "python"

    if not (folder / "ready").exists():
        print("Making an environment for dj-stripe, once ...", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        packages = [f"dj-stripe=={DJSTRIPE}", "psycopg[binary]>=3.2"]
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *packages], check=True)
        (folder / "ready").touch()

    return str(python)


if __name__ == "__main__":
    main()
