"""Does anything wait that should have gone?"""

from __future__ import annotations

import collections.abc as c
import datetime as dt
import typing as t

import sqlalchemy as sa

from .. import clock, metering
from ..database import reading
from ..models import (
    DEAD_LETTER,
    UNHANDLED,
    CustomerChange,
    MeterExport,
    Outbox,
    PaymentMethodChange,
    SubscriptionChange,
    WebhookEvent,
)
from .finding import Finding, failure, ok, warning

#: How long something may wait before it is worth a word.
PATIENCE: t.Final = dt.timedelta(minutes=15)


def inbox() -> c.Iterator[Finding]:
    """Events that are not processed, and those that were given up."""
    dead = _count(DEAD_LETTER)
    lag = inbox_lag()

    if dead:
        yield failure(
            "inbox",
            f"{dead} events were given up after many attempts.",
            "'flask billing webhooks list --state dead' shows them, 'flask billing webhooks show' "
            "says why; 'flask billing webhooks retry --dead' processes them once that is mended.",
        )

    if lag is not None and lag >= PATIENCE:
        yield warning(
            "inbox",
            f"The oldest event that is not processed waits for {_minutes(lag)}.",
            "Run 'flask billing webhooks retry', and see that the jobs run.",
        )

    if not dead and (lag is None or lag < PATIENCE):
        yield ok("inbox", "Every event is processed.")


def outbox() -> c.Iterator[Finding]:
    """Signals and mails that did not leave."""
    dead = _count(Outbox.state == "dead")
    oldest = _oldest(Outbox.created_at, Outbox.state == "waiting")
    lag = None if oldest is None else clock.wall() - oldest

    if dead:
        yield failure(
            "outbox",
            f"{dead} signals or mails were given up after many attempts.",
            "'flask billing outbox list' says why; 'flask billing outbox retry' lets them leave "
            "once that is mended.",
        )

    if lag is not None and lag >= PATIENCE:
        yield warning(
            "outbox",
            f"The oldest signal or mail that has not left waits for {_minutes(lag)}.",
            "Run 'flask billing jobs run outbox' and 'flask billing jobs run mail', and see that "
            "the jobs run.",
        )

    if not dead and (lag is None or lag < PATIENCE):
        yield ok("outbox", "Every signal and mail has left.")


def changes() -> c.Iterator[Finding]:
    """Writes to Stripe that were asked for, and of which its answer is not known."""
    well = True

    for what, asked_at, is_open in _WRITES:
        oldest = _oldest(asked_at, is_open)

        if oldest is not None and clock.wall() - oldest >= PATIENCE:
            well = False
            yield failure(
                "changes",
                f"A change of {what} is unfinished for {_minutes(clock.wall() - oldest)}.",
                "Run 'flask billing jobs run open-intents'; the log says what keeps it.",
            )

    if well:
        yield ok("changes", "Every change that was asked for is finished.")


#: What changes, when that was asked for, and whether it still waits.
_WRITES: t.Final = (
    ("a subscription", SubscriptionChange.asked_at, SubscriptionChange.state == "open"),
    (
        "payment methods",
        PaymentMethodChange.created_at,
        # A card that somebody began to add waits for them.
        sa.and_(PaymentMethodChange.state == "open", PaymentMethodChange.kind != "add"),
    ),
    (
        "billing details",
        CustomerChange.asked_at,
        sa.and_(CustomerChange.state == "open", CustomerChange.kind == "details"),
    ),
)


def meter_exports() -> c.Iterator[Finding]:
    """Usage that Stripe refused, has not confirmed for a day, or takes no more."""
    day_ago = clock.now() - dt.timedelta(days=1)
    refused = _count(sa.and_(MeterExport.state == "failed", MeterExport.created_at > day_ago))
    waiting = _count(
        sa.and_(MeterExport.state.in_(("open", "sent")), MeterExport.created_at <= day_ago)
    )

    found = [one.quantity for one in metering.late_usage()]
    late, back = sum(max(0, one) for one in found), -sum(min(0, one) for one in found)

    if back:
        yield failure(
            "meter-exports",
            f"{back:,} units of usage were taken back when the invoice that charges them was "
            "final. They are paid for.",
            "'flask billing usage late' lists them, below zero. Credit them by hand, as by a "
            "credit note, and run it with --settle.",
        )

    if late:
        yield failure(
            "meter-exports",
            f"{late:,} units of usage came too late for Stripe, which takes 35 days. They are "
            "billed nowhere.",
            "'flask billing usage late' lists them. Bill them by hand, as by an invoice item, and "
            "run it with --settle.",
        )

    if refused:
        yield warning(
            "meter-exports",
            f"Stripe refused {refused} reports of usage within a day. They are made again by the "
            "hour.",
            "The column 'error' of billing_meter_export says why.",
        )

    if waiting:
        yield warning(
            "meter-exports",
            f"{waiting} reports of usage wait for more than a day for Stripe to count them.",
            "'flask billing usage reconcile' shows where Stripe's total differs; the column "
            "'error' of billing_meter_export says what is known.",
        )

    if not refused and not waiting and not late:
        yield ok("meter-exports", "Every report of usage was taken by Stripe.")


def inbox_lag() -> dt.timedelta | None:
    """How long the oldest unprocessed event has been waiting; None where none does."""
    unprocessed = sa.and_(UNHANDLED, WebhookEvent.state.in_(("waiting", "failed")))
    oldest = _oldest(WebhookEvent.received_at, unprocessed)
    return None if oldest is None else clock.wall() - oldest


def _count(condition: sa.ColumnElement[bool]) -> int:
    with reading() as connection:
        found: int = connection.scalar(sa.select(sa.func.count()).where(condition)) or 0

    return found


def _oldest(column: t.Any, condition: sa.ColumnElement[bool]) -> dt.datetime | None:
    with reading() as connection:
        found: dt.datetime | None = connection.scalar(
            sa.select(column).where(condition).order_by(column).limit(1)
        )

    return found


def _minutes(lag: dt.timedelta) -> str:
    minutes = int(lag.total_seconds() // 60)
    return f"{minutes} minutes" if minutes < 120 else f"{minutes // 60} hours"
