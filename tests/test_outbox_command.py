"""``flask billing outbox``: what was given up leaves after all."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa

from flask_billing import clock
from flask_billing.database import transaction
from flask_billing.models import Outbox

from .host import Host
from .views.person import Person

Answer = tuple[int, str]


def run(host: Host, *arguments: str) -> Answer:
    """Exit code and output of a command."""
    result = host.app.test_cli_runner().invoke(args=["billing", *arguments])
    return result.exit_code, result.output


def fail_for_the_last_time(host: Host) -> None:
    """Let what waits have failed eleven times, and try it once more."""
    with host.app.app_context(), transaction() as connection:
        connection.execute(
            sa.update(Outbox)
            .where(Outbox.state == "waiting", Outbox.kind == "signal")
            .values(
                attempts=11, next_attempt_at=None, created_at=clock.wall() - dt.timedelta(hours=5)
            )
        )

    run(host, "jobs", "run", "outbox")


def test_a_listener_that_failed_for_hours_hears_it_once_it_is_mended(any_host: Host) -> None:
    heard: list[str] = []
    mended = False

    @any_host.billing.on("subscription.activated")
    def listen(app: object, *, plan: str, **facts: object) -> None:
        if not mended:
            raise OSError("the disk is full")

        heard.append(plan)

    Person(any_host).buy("starter")
    any_host.sandbox.webhooks.deliver()
    fail_for_the_last_time(any_host)

    code, told = run(any_host, "doctor", "outbox")
    assert (code, "flask billing outbox retry" in told) == (1, True)
    assert (
        "signal subscription.activated of customer 1: OSError" in run(any_host, "outbox", "list")[1]
    )

    mended = True
    assert run(any_host, "outbox", "retry") == (
        0,
        "1 will leave when the jobs 'outbox' and 'mail' run next.\n",
    )
    run(any_host, "jobs", "run", "outbox")
    assert heard == ["starter"]
    assert run(any_host, "doctor", "outbox")[0] == 0


def test_nothing_was_given_up(host: Host) -> None:
    assert run(host, "outbox", "list") == (0, "")
    assert run(host, "outbox", "retry") == (0, "Nothing was given up.\n")
    assert run(host, "outbox", "list", "--limit", "0")[0] == 2
