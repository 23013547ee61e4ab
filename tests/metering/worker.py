"""Processes that consume at the same time.

Run as ``python -m tests.metering.worker DATABASE_URL``. A catalog and one list of calls for each
process come on stdin as JSON; what the calls met goes to stdout. The processes are forked from
one that has imported everything, and begin together at a barrier.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
import typing as t

from flask_billing import metering

from ..host import make_host

CONTEXT = multiprocessing.get_context("fork")


class Call(t.TypedDict):
    """One call to ``consume``, or with ``settled`` to ``reserve`` and what it settles twice.

    A ``settled`` of None leaves the reservation open.
    """

    meter: str
    quantity: int
    key: str
    settled: t.NotRequired[int | None]


class Answer(t.TypedDict):
    """What a call met."""

    key: str
    quantity: int
    allowed: bool
    replayed: bool


class Work(t.TypedDict):
    """What the processes are told."""

    catalog: dict[str, t.Any]
    calls: list[list[Call]]


def main() -> None:
    """Let one process for each list of calls make them."""
    work: Work = json.load(sys.stdin)
    barrier = CONTEXT.Barrier(len(work["calls"]))
    answers = CONTEXT.SimpleQueue()
    processes = [
        CONTEXT.Process(target=_make, args=(work["catalog"], calls, barrier, answers))
        for calls in work["calls"]
    ]

    for process in processes:
        process.start()

    print(json.dumps([answer for _ in processes for answer in answers.get()]))

    for process in processes:
        process.join()


def _make(catalog: dict[str, t.Any], calls: list[Call], barrier: t.Any, answers: t.Any) -> None:
    host = make_host(sys.argv[1], catalog=catalog, create=False)
    made: list[Answer] = []

    with host.app.app_context():
        customer = host.customer()
        barrier.wait(60)

        for call in calls:
            made.append(_answer(call, customer))

    answers.put(made)
    host.close()


def _answer(call: Call, customer: t.Any) -> Answer:
    asked = {"key": call["key"], "quantity": call["quantity"]}

    try:
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
    except metering.QuotaExceeded:
        return t.cast("Answer", {**asked, "allowed": False, "replayed": False})

    return t.cast("Answer", {**asked, "allowed": True, "replayed": decision.replayed})


if __name__ == "__main__":
    main()
