"""``flask billing usage``."""

from __future__ import annotations

import pytest

from flask_billing.models import UsageEvent

from ..host import Host


@pytest.fixture
def host(any_host: Host) -> Host:
    """A host app on SQLite and on PostgreSQL in turn."""
    return any_host


def run(host: Host, *arguments: str) -> tuple[int, str]:
    """Run a command; exit code and output."""
    with host.app.app_context():
        host.customer("7")

    result = host.app.test_cli_runner().invoke(args=["billing", "usage", *arguments])
    return result.exit_code, result.output


def test_usage_is_shown_and_recorded(host: Host) -> None:
    booked = run(host, "record", "user", "7", "tokens", "85000", "--key", "import-1")
    again = run(host, "record", "user", "7", "tokens", "85000", "--key", "import-1")
    shown = run(host, "show", "user", "7")

    assert booked == (0, "Booked 85000. tokens (lifetime): 85,000 of 100,000, warning\n")
    assert again[1].startswith("Already booked 85000.")
    assert shown[1].splitlines()[0] == "tokens (lifetime): 85,000 of 100,000, warning"
    assert shown[1].splitlines()[1].startswith("api_calls (day): 0 of 3, ok, resets ")


def test_a_late_fact_can_be_dated(host: Host) -> None:
    code, _ = run(host, "record", "user", "7", "api_calls", "2", "--at", "2026-01-05T10:00")

    assert code == 0
    assert [event.occurred_at.isoformat() for event in host.rows(UsageEvent)] == [
        "2026-01-05T10:00:00+00:00"
    ]


def test_mistakes_are_said_in_a_line(host: Host) -> None:
    unknown = run(host, "show", "user", "8")
    meter = run(host, "record", "user", "7", "minutes", "1")
    moment = run(host, "record", "user", "7", "tokens", "1", "--at", "yesterday")

    assert (unknown[0], meter[0], moment[0]) == (1, 1, 2)
    assert "There is no customer user 8" in unknown[1]
    assert "The catalog has no meter 'minutes'" in meter[1]
    assert "'yesterday' is no time" in moment[1]
