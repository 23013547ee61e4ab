"""What happens by itself when simulated time passes."""

from collections.abc import Callable

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.checkout.session import expire
from flask_billing.sandbox.engine import (
    bank_debits,
    charges,
    collecting,
    ending,
    finalizing,
    holds,
    pending_updates,
    phase_change,
    renewal,
    schedules,
)
from flask_billing.sandbox.engine import preview as previews

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
    "payment_intent.hold_expires": holds.expire,
    "bank_debit.settle": bank_debits.settle_when_due,
}


def next_due(account: Account, until: int) -> int | None:
    """The earliest appointment up to a time."""
    row = account.connection.execute(
        "SELECT at FROM due WHERE at <= ? ORDER BY at, seq LIMIT 1", (until,)
    ).fetchone()
    return None if row is None else int(row[0])


def run_moment(account: Account, at: int) -> None:
    """Run everything that is due at a moment, in the order it was appointed."""
    account.now = at
    rows = account.connection.execute(
        "SELECT seq, task, object FROM due WHERE at <= ? ORDER BY at, seq", (at,)
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
