"""``flask billing jobs``: looking at the jobs, and running one."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from flask_billing.models import UsageReservation

from ..host import Host


def command(host: Host, *arguments: str) -> tuple[int, str]:
    """Exit code and output."""
    result = host.app.test_cli_runner().invoke(args=["billing", "jobs", *arguments])
    return result.exit_code, result.output


def test_list_tells_last_run_result_duration_and_next_run(host: Host) -> None:
    assert command(host, "run", "outbox")[0] == 0
    code, output = command(host, "list")
    [outbox, *others] = output.splitlines()

    assert code == 0
    assert outbox.startswith("outbox ")
    assert "ok: sent 0" in outbox
    assert " s  next 2" in outbox
    assert all("never ran" in line and "LATE" in line for line in others)


def test_run_does_a_job_once(host: Host) -> None:
    with host.app.app_context():
        customer = host.customer()
        hold = host.billing.reserve("api_calls", 1, customer=customer)
        hold.__enter__()
        host.db.session.execute(
            sa.update(UsageReservation).values(expires_at=UsageReservation.created_at)
        )
        host.db.session.commit()

    assert "reservation-sweep: ok, let go of 1" in command(host, "run", "reservation-sweep")[1]
    assert "reservation-sweep: ok, let go of 0" in command(host, "run", "reservation-sweep")[1]


@pytest.mark.parametrize("name", ["", "nightly", "'; drop table"])
def test_a_job_nobody_knows_is_an_error(host: Host, name: str) -> None:
    code, output = command(host, "run", name)

    assert code == 1
    assert "There is no job" in output
    assert "reservation-sweep" in output, "the names there are"
