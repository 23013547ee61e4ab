"""How mails leave the outbox: each claimed by one process, sent, and marked.

A process that dies between sending and marking leaves a claim that runs out, and the mail goes
a second time: at least once, like every message here.
"""

from __future__ import annotations

import datetime as dt
import logging
import traceback
import typing as t

import sqlalchemy as sa
from flask import current_app

from .. import clock
from ..database import reread, transaction
from ..models import Customer, Outbox
from ..outbox import retry_values
from . import transport
from .letters import letter_for
from .rendering import render

log = logging.getLogger("flask_billing.notifications")

#: How long a claimed mail is left to the process that is sending it.
CLAIM: t.Final = dt.timedelta(minutes=5)


def send_waiting(*, limit: int = 100) -> int:
    """Send the mails that wait, oldest first.

    :returns: how many left.
    """
    sent = 0

    for _ in range(limit):
        row = _claim()

        if row is None:
            break

        sent += _leave(row)

    return sent


def _claim() -> sa.Row[t.Any] | None:
    now = clock.wall()
    due = sa.or_(Outbox.next_attempt_at.is_(None), Outbox.next_attempt_at <= now)
    waiting = sa.and_(Outbox.kind == "mail", Outbox.state == "waiting", due)
    first = sa.select(sa.func.min(Outbox.id)).where(waiting).scalar_subquery()

    with transaction() as connection:
        return connection.execute(
            sa.update(Outbox)
            .where(Outbox.id == first, waiting)
            .values(next_attempt_at=now + CLAIM)
            .returning(
                Outbox.id,
                Outbox.name,
                Outbox.customer_id,
                Outbox.body,
                Outbox.attempts,
                Outbox.created_at,
            )
        ).one_or_none()


def _leave(row: sa.Row[t.Any]) -> bool:
    """Send one mail. Says whether it left."""
    customer = reread(sa.select(Customer).where(Customer.id == row.customer_id))

    if customer is None or not customer.email or customer.closed_at is not None:
        return _drop(row, "nobody to send it to")

    if clock.wall() - row.created_at > current_app.config["BILLING_MAIL_MAX_AGE"]:
        return _drop(row, "too old to be news")

    try:
        letter = letter_for(row.name, customer, row.body)

        if letter is None:
            return _drop(row, "not true any more")

        left = transport.send(customer.email, render(letter, customer))
    except Exception as error:  # a mail server may answer with anything; the row must stay
        # Mail servers quote the address; neither logs nor the row are to keep it.
        why = "".join(traceback.format_exception(error)).replace(customer.email, "(address)")
        log.error(
            "The mail %s (outbox %s) did not leave; it is tried again\n%s", row.name, row.id, why
        )
        values = retry_values(error, row.attempts + 1)
        _mark(row, {**values, "error": str(values["error"]).replace(customer.email, "(address)")})
        return False

    if not left:
        log.info(
            "The mail %s to customer %s has no way to leave; Flask-Mailman would send it",
            row.name,
            row.customer_id,
        )

    _mark(row, {"state": "sent" if left else "logged", "sent_at": clock.wall(), "error": None})
    return left


def _drop(row: sa.Row[t.Any], why: str) -> bool:
    log.info("The mail %s (outbox %s) is not sent: %s", row.name, row.id, why)
    _mark(row, {"state": "dropped", "sent_at": clock.wall(), "error": why})
    return False


def _mark(row: sa.Row[t.Any], values: dict[str, object]) -> None:
    with transaction() as connection:
        connection.execute(sa.update(Outbox).where(Outbox.id == row.id).values(**values))
