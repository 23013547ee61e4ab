"""What happens by itself when simulated time passes."""

import sqlite3
import time
from collections.abc import Callable

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.checkout.session import expire
from flask_billing.sandbox.engine import (
    bank_debits,
    charges,
    collecting,
    disputes,
    ending,
    finalizing,
    holds,
    meter_errors,
    pending_updates,
    phase_change,
    renewal,
    schedules,
)
from flask_billing.sandbox.engine import preview as previews
from flask_billing.sandbox.resources import tax_ids, test_clocks

_UPCOMING = "subscription.upcoming"


def _resume_collection(account: Account, subscription: Body) -> None:
    with account.changing(subscription, "customer.subscription.updated"):
        subscription["pause_collection"] = None


TASKS: dict[str, Callable[[Account, Body], None]] = {
    "subscription.turn": renewal.turn,
    "subscription.trial_will_end": renewal.remind_of_trial_end,
    "subscription.incomplete": ending.expire_incomplete,
    "subscription.pending_update": pending_updates.expire,
    "subscription.resume_collection": _resume_collection,
    "schedule.turn": phase_change.turn,
    "schedule.expiring": schedules.announce_end,
    "invoice.finalize": finalizing.finish,
    "invoice.collect": collecting.retry,
    "invoice.overdue": finalizing.overdue,
    "checkout.expire": expire,
    "charge.enter_books": charges.enter_books_late,
    "charge.dispute": disputes.open_dispute,
    "payment_intent.hold_expires": holds.expire,
    "tax_id.verify": tax_ids.verify,
    "bank_debit.settle": bank_debits.settle_when_due,
}


def next_due(
    connection: sqlite3.Connection, until: int, test_clock: str | None = None
) -> int | None:
    """The earliest appointment up to a time, of the account or of one of its test clocks."""
    row = connection.execute(
        "SELECT at FROM due WHERE clock IS ? AND at <= ? ORDER BY at, seq LIMIT 1",
        (test_clock, until),
    ).fetchone()
    return None if row is None else int(row[0])


def run(account: Account, until: int, deadline: float) -> int:
    """Run what is due up to a time, moment by moment; the time reached.

    It is ``until``, or earlier if wall time reached ``deadline`` (of `time.monotonic`) before.
    """
    reached: int | None = None
    while (at := next_due(account.connection, until)) is not None:
        if reached is not None and time.monotonic() > deadline:
            return reached
        reached = account.now = account.wall = at
        account.clock = None
        _run_moment(account, at)
    return until


def advance_test_clock(account: Account, test_clock: Body) -> None:
    """Run what is due for the customers of a test clock; then it is ready at its new time."""
    target: int = test_clock["status_details"]["advancing"]["target_frozen_time"]
    with account.at_clock(test_clock):
        while (at := next_due(account.connection, target, test_clock["id"])) is not None:
            account.now = at
            _run_moment(account, at)
    test_clock.update(status="ready", frozen_time=target, status_details={})
    account.save(test_clock)
    account.emit("test_helpers.test_clock.ready", test_clock)


def _run_moment(account: Account, at: int) -> None:
    """Run everything that is due at a moment, in the order it was appointed."""
    rows = account.connection.execute(
        "SELECT seq, task, object FROM due WHERE clock IS ? AND at <= ? ORDER BY at, seq",
        (account.clock, at),
    ).fetchall()
    for seq, task, object_id in rows:
        deleted = account.connection.execute("DELETE FROM due WHERE seq = ?", (seq,))
        body = account.anything(object_id)
        if deleted.rowcount == 0 or body is None or body.get("deleted"):
            continue
        if task == _UPCOMING:
            previews.announce(account, body)
        else:
            TASKS[task](account, body)


TASKS["meter.report_errors"] = meter_errors.report
TASKS["test_clock.advance"] = advance_test_clock
TASKS["test_clock.delete"] = test_clocks.remove
