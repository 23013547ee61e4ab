"""Processes that consume at the same time.

Run as ``python -m tests.metering.worker DATABASE_URL``. A catalog and one list of calls for each
process come on stdin as JSON; what the calls met goes to stdout. The processes are forked from
one that has imported everything and may have booked, and begin together at a barrier.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
import typing as t
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime

from flask_billing import clock, metering
from flask_billing.catalog import Window
from flask_billing.errors import InvalidUsageError

from ..host import Host, make_host
from ..patience import PATIENCE

CONTEXT = multiprocessing.get_context("fork")


class Call(t.TypedDict):
    """One call to ``consume``, or with ``settled`` to ``reserve`` and what it settles twice.

    A ``settled`` of None leaves the reservation open. With ``corrected`` it is one to ``correct``,
    with ``reset`` an admin's reset of that window. ``together`` waits for all other processes to
    come to such a call too.
    """

    meter: str
    quantity: int
    key: str
    settled: t.NotRequired[int | None]
    corrected: t.NotRequired[int | None]
    reset: t.NotRequired[Window]
    together: t.NotRequired[bool]


class Answer(t.TypedDict):
    """What a call met."""

    key: str
    quantity: int
    allowed: bool
    replayed: bool


class Work(t.TypedDict):
    """What the processes are told. ``before`` are calls made before they are forked.

    ``now`` is where their clocks stand still; they follow the wall clock without it.
    """

    catalog: dict[str, t.Any]
    before: t.NotRequired[list[Call]]
    calls: list[list[Call]]
    now: t.NotRequired[str]


def main() -> None:
    """Let one process for each list of calls make them."""
    work: Work = json.load(sys.stdin)
    host = make_host(sys.argv[1], catalog=work["catalog"], create=False)

    if "now" in work:
        now = datetime.fromisoformat(work["now"])
        clock.set_source(host.app, lambda: now)

    with host.app.app_context():
        for call in work.get("before", []):
            _answer(call, host.customer())

        host.db.session.remove()
        host.db.engine.dispose()  # the host's own connections are the host's affair

    together = host, CONTEXT.Barrier(len(work["calls"]))

    # A process that dies breaks the pool, and nobody waits for it.
    with ProcessPoolExecutor(len(work["calls"]), CONTEXT, _begin, together) as processes:
        answers = list(processes.map(_make, work["calls"]))

    print(json.dumps([answer for made in answers for answer in made]))


_host: Host
_barrier: t.Any


def _begin(host: Host, barrier: t.Any) -> None:
    global _host, _barrier
    _host, _barrier = host, barrier


def _make(calls: list[Call]) -> list[Answer]:
    with _host.app.app_context():
        customer = _host.customer()
        _barrier.wait(PATIENCE)
        made = [_answer(call, customer) for call in calls]

    _host.close()
    return made


def _answer(call: Call, customer: t.Any) -> Answer:
    asked = {"key": call["key"], "quantity": call["quantity"]}

    if call.get("together"):
        _barrier.wait(PATIENCE)

    try:
        if "reset" in call:
            _host.billing.reset_quota(
                customer, call["meter"], call["reset"], actor="ada", reason="a test"
            )
            _host.db.session.commit()
            return t.cast("Answer", {**asked, "allowed": True, "replayed": False})

        if "corrected" in call:
            changed = metering.correct(
                call["key"], call["corrected"], reason="-", actor="ada", customer=customer
            )
            return t.cast("Answer", {**asked, "allowed": True, "replayed": changed == 0})

        if "settled" in call:
            reservation = metering.reserve(
                call["meter"], call["quantity"], key=call["key"], customer=customer
            )

            if call["settled"] is not None:
                replays = [reservation.settle(call["settled"]).replayed for _ in range(2)]
                assert replays[1]
                replayed = replays[0]
            else:
                replayed = reservation.decision.replayed

            return t.cast("Answer", {**asked, "allowed": True, "replayed": replayed})

        decision = metering.consume(
            call["meter"], call["quantity"], key=call["key"], customer=customer
        )
    except (metering.QuotaExceeded, InvalidUsageError):
        return t.cast("Answer", {**asked, "allowed": False, "replayed": False})

    return t.cast("Answer", {**asked, "allowed": True, "replayed": decision.replayed})


if __name__ == "__main__":
    main()
