"""What each job does: the domain is called, chunk by chunk, and the result told."""

from __future__ import annotations

import collections.abc as c
import datetime as dt
import logging
import typing as t

import sqlalchemy as sa

from .. import (
    billing_details,
    invoices,
    metering,
    notifications,
    outbox,
    payment_methods,
    retention,
    subscriptions,
    webhooks,
)
from ..errors import BillingError
from ..metering.replay import replay
from ..reconciliation import reconcile_all
from ..webhooks.missed import receive_missed
from ..webhooks.pruning import prune
from .running import Run

log = logging.getLogger("flask_billing.jobs")

#: Things done between two questions whether to go on.
_CHUNK: t.Final = 100
#: The same of what asks Stripe, which takes long to be given up while it does not answer.
_FEW: t.Final = 10
#: What records its writes to Stripe before it makes them.
_WRITES_TO_STRIPE: t.Final = {
    "subscriptions": subscriptions,
    "payment methods": payment_methods,
    "offers": retention,
    "payments": invoices,
    "billing details": billing_details,
}
_LAST_DAY: t.Final = dt.timedelta(days=1)
#: Older invoices hardly change; the last cycle's are looked at, monthly ones and a bit.
_RECENT_INVOICES: t.Final = dt.timedelta(days=40)


def drain_outbox(run: Run) -> str:
    """Send signals that a crash or a failing listener left waiting."""
    return f"sent {_in_chunks(run, lambda: outbox.drain(limit=_CHUNK))}"


def send_mails(run: Run) -> str:
    """Send the mails that wait in the outbox."""
    return f"sent {_in_chunks(run, lambda: notifications.send_waiting(limit=_CHUNK))}"


def retry_webhooks(run: Run) -> str:
    """Process the events whose time has come."""
    outcomes: dict[str, int] = {}

    while run.goes_on() and (found := webhooks.retry_due(limit=_FEW)):
        for outcome, count in found.items():
            outcomes[outcome] = outcomes.get(outcome, 0) + count

    return _counted(outcomes) or "none was due"


def reset_quotas(run: Run) -> str:
    """Close the periods that have ended, and open the next."""
    return f"closed {metering.close_all_ended(run.goes_on)}"


def expire_reservations(run: Run) -> str:
    """Let go of reservations that nobody settled in time."""
    return f"let go of {metering.expire_reservations()}"


def replay_usage(run: Run) -> str:
    """Book what was spooled while the database was down."""
    booked = 0

    while run.goes_on():
        found = replay(_CHUNK)
        booked += found.booked

        if found.booked + found.known < _CHUNK:
            break

    return f"booked {booked}"


def export_usage(run: Run) -> str:
    """Report to Stripe what was used of the meters it bills, and collect what ended plans owe."""
    exported = metering.export_usage(run.goes_on)
    collected = subscriptions.collect_last_invoices(run.goes_on)
    return f"{exported}, {collected} last invoices collected" if collected else str(exported)


def find_late_usage(run: Run) -> str:
    """Report what is reported every five minutes, and look for what comes too late for that."""
    return str(metering.export_usage(run.goes_on, of_any_age=True))


def finish_open_intents(run: Run) -> str:
    """Finish writes to Stripe that a crash left open, and put back what made way for nothing.

    What cannot be finished of one kind keeps no other waiting.
    """
    finished, failed = 0, []

    for name, part in _WRITES_TO_STRIPE.items():
        if not run.goes_on():
            return f"finished {finished}"

        try:
            finished += part.finish_open()
        except sa.exc.SQLAlchemyError:
            raise  # the next one would meet it too
        except Exception:  # whatever it is, it is of this kind
            log.exception("Open changes of %s could not be finished", name)
            failed.append(name)

    put_back = subscriptions.put_back()
    told = f"finished {finished}" + (f", put back {put_back}" if put_back else "")

    if failed:
        raise BillingError(
            f"{told.capitalize()}; those of {', '.join(failed)} could not be. The log "
            "'flask_billing.jobs' says why, and the next run tries again."
        )

    return told


def receive_missed_events(run: Run) -> str:
    """Receive the events of the last day that never came."""
    return _counted(receive_missed(_LAST_DAY, run.goes_on)) or "none was missing"


def reconcile(run: Run) -> str:
    """Compare our rows with Stripe, and repair what differs."""
    report = reconcile_all(invoices_since=_RECENT_INVOICES, goes_on=run.goes_on)

    if report.unrepaired:
        raise BillingError(
            f"{str(report).capitalize()}. The log 'flask_billing.reconciliation' names the rest."
        )

    return str(report)


def look_at_books(run: Run) -> str:
    """Compare what is counted with the events. Nothing is changed."""
    books = metering.reconcile_usage(goes_on=run.goes_on)

    if books.unrepaired:
        raise BillingError(
            f"{str(books).capitalize()}. 'flask billing usage reconcile' shows them, and with "
            "--repair puts them right."
        )

    return str(books)


def prune_inbox(run: Run) -> str:
    """Forget the payloads of old events, and cards that somebody began to add."""
    events = _in_chunks(run, lambda: prune(limit=_CHUNK))
    return f"pruned {events}, and {_in_chunks(run, payment_methods.prune_abandoned)} cards"


def judge_retention(run: Run) -> str:
    """Close the visits that led to nothing, and judge what became of those before."""
    abandoned = _in_chunks(run, retention.close_abandoned)
    return f"judged {_in_chunks(run, retention.judge_due)}, closed {abandoned}"


def announce_expiring_cards(run: Run) -> str:
    """Tell customers of cards that are about to expire."""
    return f"announced {_in_chunks(run, payment_methods.announce_expiring)}"


def _counted(outcomes: c.Mapping[t.Any, int]) -> str:
    return ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items()))


def _in_chunks(run: Run, step: c.Callable[[], int]) -> int:
    """Repeat a step until it finds no more. Counts what it did."""
    done = 0

    while run.goes_on() and (found := step()):
        done += found

    return done
