"""The worked example of docs/sandbox.md does what it says, in a host of its own."""

from __future__ import annotations

import pytest

from .conftest import Run, block, edit_app

pytest_plugins = ["pytester"]

EXAMPLE = block("docs/sandbox.md", "python test_billing.py")


def test_it_runs_on_a_file(run: Run) -> None:
    run(EXAMPLE).assert_outcomes(passed=3)


def test_it_runs_in_memory(host: pytest.Pytester, run: Run) -> None:
    edit_app(host, "sqlite:///app.db", "sqlite://")

    run(EXAMPLE).assert_outcomes(passed=3)


def test_it_runs_beside_other_plugins(host: pytest.Pytester, run: Run) -> None:
    edit_app(host, "sqlite:///app.db", "sqlite://")  # one for each of the workers

    run(EXAMPLE, "-n2", plugins=["flask", "xdist"]).assert_outcomes(passed=3)


def test_it_runs_without_a_sandbox_in_the_settings(host: pytest.Pytester, run: Run) -> None:
    edit_app(host, "BILLING_SANDBOX=True", "BILLING_SANDBOX=False")

    run(EXAMPLE).assert_outcomes(passed=3)


def test_each_test_of_it_has_five_lines() -> None:
    tests = EXAMPLE.split("def test_")[1:]
    bodies = [[line for line in test.splitlines()[1:] if line.strip()] for test in tests]

    assert len(bodies) == 3
    assert max(map(len, bodies)) == 5
