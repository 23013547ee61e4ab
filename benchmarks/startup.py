"""Start of an app with us, beside the same app without us.

    .venv/bin/python benchmarks/startup.py [--rounds N]

Each start is a process of its own: it imports, makes a Flask app with Flask-SQLAlchemy and
one model, and with us also reads a catalog file and runs ``init_app``.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import typing as t
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import rounds
from rounds import Target

RATIO: t.Final = Target("≤", 1.35)
MEMORY: t.Final = Target("≤", 13, " MiB")

#: Modules that must not be loaded before somebody uses them.
LATE: t.Final = (
    "stripe",
    "requests",
    "apscheduler",
    "babel",
    "wtforms",
    "alembic",
    "flask_wtf",
    "pydantic",
)

CATALOG: t.Final = """
currency = "usd"

[meters.tokens]
name = "Tokens"
unit = "token"

[meters.api_calls]
name = "API calls"

[plans.free]
name = "Free"
limits = [{ meter = "tokens", included = 100_000, window = "lifetime" }]

[plans.starter]
name = "Starter"
rank = 1
features = ["500K tokens a month", "1,000 calls a month"]
prices = [{ interval = "month", amount = 2900 }, { interval = "year", amount = 28_884 }]
limits = [
  { meter = "tokens", included = 500_000, window = "billing_period" },
  { meter = "api_calls", included = 1000, window = "month" },
]

[plans.pro]
name = "Pro"
rank = 2
features = ["2M tokens a month", "Priority support"]
trial_days = 14
prices = [{ interval = "month", amount = 9900 }, { interval = "year", amount = 98_604 }]
limits = [
  { meter = "tokens", included = 2_000_000, window = "billing_period" },
  { meter = "api_calls", included = 10_000, window = "month" },
]

[plans.enterprise]
name = "Enterprise"
rank = 3
features = ["Unlimited tokens"]
prices = [{ interval = "month", amount = 49_900 }]
limits = [{ meter = "tokens", included = -1, window = "month" }]
"""

HOST: t.Final = """
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
app = Flask("host")
app.config.update(SECRET_KEY="x", SQLALCHEMY_DATABASE_URI="sqlite://")
db = SQLAlchemy(app)
class User(db.Model):
    id = db.Column(db.Integer, primary_key=True)
    email = db.Column(db.String(255))
@app.get("/")
def index():
    return "home"
"""

PROGRAMS: t.Final = {
    "without us": HOST,
    "with Flask-Billing": HOST
    + """
from flask_billing import Billing
billing = Billing(app, db=db, catalog=catalog)
@billing.owner_loader
def load_owner():
    return None
""",
}

#: Reports seconds of processor time since the process began, memory in use, and modules.
REPORT: t.Final = """
import json, os, sys, time
print(json.dumps({
    "cpu": time.process_time(),
    "memory": int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20,
    "modules": sorted({name.partition(".")[0] for name in sys.modules}),
}))
"""

Start = dict[str, t.Any]


def main() -> None:
    """Start each program in turn, round after round."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        catalog = Path(folder) / "billing.toml"
        catalog.write_text(CATALOG)
        starts: dict[str, list[Start]] = {name: [] for name in PROGRAMS}

        def start(name: str) -> float:
            began = time.perf_counter()
            found = run(PROGRAMS[name], catalog)
            found["wall"] = time.perf_counter() - began
            starts[name].append(found)
            return float(found["wall"])

        for name in PROGRAMS:
            run(PROGRAMS[name], catalog)  # writes the bytecode

        contenders = {name: functools.partial(start, name) for name in PROGRAMS}
        rounds.interleave(contenders, options.rounds)

    report(starts)


def run(program: str, catalog: Path) -> Start:
    """Run a program in a process of its own."""
    source = f"catalog = {str(catalog)!r}\n{program}{REPORT}"
    # Whether the source folder may hold bytecode must not matter: an installed package has it.
    bytecode = {"PYTHONPYCACHEPREFIX": str(catalog.parent), "PYTHONDONTWRITEBYTECODE": ""}
    done = subprocess.run(
        [sys.executable, "-c", source],
        check=True,
        capture_output=True,
        text=True,
        env=os.environ | bytecode,
    )
    found: Start = json.loads(done.stdout)
    return found


def report(starts: dict[str, list[Start]]) -> None:
    """Print the ratios and the memory."""
    bare, ours = starts["without us"], starts["with Flask-Billing"]

    for key, name in (("cpu", "CPU"), ("wall", "wall")):
        with_us, without = values(ours, key), values(bare, key)
        rounds.ratio(f"Start, {name}: with / without us", with_us, without, RATIO)

    base, full = (statistics.median(values(s, "memory")) for s in (bare, ours))
    rounds.value("Memory: added by us", full - base, "MiB", MEMORY)
    loaded = [name for name in LATE if name in ours[0]["modules"]]
    print(f"Loaded early though meant to be late: {', '.join(loaded) or 'nothing'}")

    for name, found in starts.items():
        rounds.absolute(f"{name}, CPU", values(found, "cpu"))


def values(starts: list[Start], key: str) -> list[float]:
    """One figure of each start."""
    return [float(start[key]) for start in starts]


if __name__ == "__main__":
    main()
