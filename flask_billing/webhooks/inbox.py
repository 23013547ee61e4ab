"""The inbox: an event is stored and committed, then processed, then closed.

A crash between any two steps leaves a row that the retry finds. A duplicate of a closed event
costs one statement; a duplicate of an open one is processed again, which tickets and dedupe
keys make harmless.
"""

from __future__ import annotations

import datetime as dt
import functools
import json
import logging
import traceback
import typing as t

import sqlalchemy as sa

from .. import clock, outbox, stripe_objects, sync
from ..database import transaction
from ..errors import (
    BillingError,
    PayloadForgottenError,
    StripeNotFoundError,
    UnlinkedCustomerError,
)
from ..models import DEAD_LETTER, UNHANDLED, Customer, WebhookEvent
from ..prepared import Prepared, constant
from ..state import state
from ..writes import Writes
from . import elsewhere, renewals
from .handlers import HANDLERS, MAY_BE_GONE, Handling, closed_by
from .pruning import PRUNED
from .storing import CLOSED, fetched_ids, keep
from .verify import Event, filled

log = logging.getLogger("flask_billing.webhooks")

#: What became of a delivery.
Outcome = t.Literal["handled", "duplicate", "ignored", "deferred", "failed"]

LONGEST_DELAY: t.Final = dt.timedelta(hours=6)
MAX_TRACEBACK: t.Final = 8000


class _GoneError(BillingError):
    """The event's row was deleted while it was processed."""

    def __init__(self) -> None:
        super().__init__(
            "The event is no longer in the inbox, so its tickets mean nothing. Nothing was "
            "changed; Stripe delivers it again."
        )


def receive(event: Event, body: bytes) -> Outcome:
    """Store a verified event and, unless processing is deferred, process it.

    :param body: the delivery as it came; kept for replay.
    :returns: "failed" where Stripe should deliver it again.
    """
    handling = HANDLERS.get(event["type"])
    deferred = state().app.config["BILLING_WEBHOOK_PROCESSING"] == "deferred"

    stored = keep(event, body, handling, deferred=deferred)

    if stored.state in CLOSED and (stored.deliveries > 1 or handling is None):
        return "duplicate" if stored.deliveries > 1 else "ignored"

    if handling is None:
        return "ignored"

    if deferred:
        return "deferred"

    return _attempt(stored.id, event, handling, stored.tickets)


def process(event_id: int) -> Outcome:
    """Process a stored event again, by its row id.

    :raises LookupError: where there is no such event.
    :raises PayloadForgottenError: where its payload was pruned.
    """
    with transaction() as connection:
        row = connection.execute(
            sa.select(WebhookEvent.payload, WebhookEvent.state, WebhookEvent.stripe_id).where(
                WebhookEvent.id == event_id
            )
        ).one_or_none()

        if row is None:
            raise LookupError(f"There is no webhook event {event_id}.")

        if row.payload is None:
            if row.state in PRUNED:
                raise PayloadForgottenError(row.stripe_id)

            _give_up(connection, event_id, "dead", "The payload was pruned, so it cannot be read.")
            return "failed"

        event = filled(json.loads(row.payload))
        handling = HANDLERS.get(event["type"])

        if handling is None:
            _give_up(connection, event_id, "ignored", None)
            return "ignored"

        tickets = sync.draw(connection, fetched_ids(event, handling))

    return _attempt(event_id, event, handling, tickets)


def retry_due(limit: int = 100) -> dict[Outcome, int]:
    """Process the events whose time to be tried (again) has come. Counts the outcomes."""
    due = sa.and_(
        WebhookEvent.state.in_(("waiting", "failed")),
        WebhookEvent.next_attempt_at <= clock.wall(),
    )
    return _retry(due, limit)


def retry_dead() -> dict[Outcome, int]:
    """Process the events that were given up, each once. Counts the outcomes."""
    return _retry(DEAD_LETTER)


def _retry(chosen: sa.ColumnElement[bool], limit: int | None = None) -> dict[Outcome, int]:
    statement = sa.select(WebhookEvent.id).where(UNHANDLED, chosen).order_by(WebhookEvent.id)

    with transaction() as connection:
        event_ids = connection.scalars(statement.limit(limit)).all()

    outcomes: dict[Outcome, int] = {}

    for event_id in event_ids:
        outcome = process(event_id)
        outcomes[outcome] = outcomes.get(outcome, 0) + 1

    return outcomes


def _attempt(event_id: int, event: Event, handling: Handling, tickets: dict[str, int]) -> Outcome:
    try:
        written = _handle(event_id, event, handling, tickets)
    except elsewhere.ElsewhereError as error:
        log.info("Event %s (%s) is ignored: %s", event["id"], event["type"], error)

        with transaction() as connection:
            _give_up(connection, event_id, "ignored", str(error))

        return "ignored"
    except Exception as error:  # whatever it was, the event must stay and Stripe must hear of it
        # The traceback stays in the inbox: a database's error may quote the row it refused.
        reason = error if isinstance(error, BillingError) else type(error).__name__
        log.error("Event %s (%s) failed: %s", event["id"], event["type"], reason)
        _keep_failure(event_id, error)
        return "failed"

    outbox.dispatch(written)
    renewals.close_paid_periods(written)
    return "handled"


def _handle(
    event_id: int, event: Event, handling: Handling, tickets: dict[str, int]
) -> list[outbox.Written]:
    object_id = handling.find(event["data"]["object"])

    if handling.errand is not None:
        handling.errand(event["data"]["object"])

    if handling.paid_by is not None:
        object_id, tickets = _paid_invoice(handling.paid_by(event["data"]["object"]))

    def close(writes: Writes, customer_id: int | None) -> list[dict[str, object]]:
        _close(writes, event_id, handling, tickets)
        return handling.effect(event, customer_id) if handling.effect else []

    if handling.kind is None or object_id is None:
        return _without_fetch(event, close)

    try:
        fetched = sync.fetch(handling.kind, object_id)
    except StripeNotFoundError:
        if handling.kind not in MAY_BE_GONE:
            raise  # of another account or mode: to be noticed, not to be closed

        return _without_fetch(event, close, gone=object_id)

    try:
        return sync.write(fetched, tickets, close)
    except UnlinkedCustomerError as error:
        return elsewhere.write(error, fetched, tickets, close)


def _paid_invoice(payment_intent: str | None) -> tuple[str | None, dict[str, int]]:
    """The invoice that a payment was for, and a ticket to fetch it with."""
    found = None if payment_intent is None else sync.invoice_of_payment(payment_intent)

    if found is None:  # a sale of the host's own, or one that nobody paid by card
        return None, {}

    with transaction() as connection:
        return found, sync.draw(connection, [found])


def _without_fetch(
    event: Event, close: sync.Extra, *, gone: str | None = None
) -> list[outbox.Written]:
    """Process an event whose object is not looked at.

    :param gone: an object that was deleted at Stripe.
    """
    stripe_customer = stripe_objects.reference(event["data"]["object"].get("customer"))

    with transaction() as connection:
        customer_id = None

        if stripe_customer is not None:
            customer_id = connection.execute(
                sa.select(Customer.id).where(Customer.stripe_id == stripe_customer)
            ).scalar_one_or_none()

        if gone is not None:
            sync.forget_draft(connection, gone)

        return outbox.write(connection, close(Writes(connection), customer_id))


def _close(writes: Writes, event_id: int, handling: Handling, tickets: dict[str, int]) -> None:
    """Mark the event handled, and with it those that the same fetch made superfluous.

    Rows with a lower id were stored before our fetch began, so what they announce is in it.
    """
    statement = _close_statement(writes.connection.dialect, handling.kind, len(tickets))
    objects = {f"object_{index}": object_id for index, object_id in enumerate(tickets)}
    values = {"event_id": event_id, "now": clock.wall(), **objects}
    writes.add(statement, values, lost=_GoneError)


def _give_up(connection: sa.Connection, event_id: int, outcome: str, error: str | None) -> None:
    """Close an event that cannot be processed."""
    connection.execute(
        sa.update(WebhookEvent)
        .where(WebhookEvent.id == event_id, WebhookEvent.state != "handled")
        .values(state=outcome, error=error, next_attempt_at=None)
    )


def _keep_failure(event_id: int, error: Exception) -> None:
    text = "".join(traceback.format_exception(error))[-MAX_TRACEBACK:]
    limit: int = state().app.config["BILLING_WEBHOOK_MAX_ATTEMPTS"]

    with transaction() as connection:
        attempts = connection.execute(
            sa.select(WebhookEvent.attempts).where(WebhookEvent.id == event_id)
        ).scalar_one()
        attempts += 1
        # Doubled until it is the longest, and no further than days can be counted.
        delay = min(LONGEST_DELAY, dt.timedelta(seconds=15 * 2 ** min(attempts, 20)))
        connection.execute(
            sa.update(WebhookEvent)
            .where(WebhookEvent.id == event_id, WebhookEvent.state.not_in(CLOSED))
            .values(
                state="dead" if attempts >= limit else "failed",
                attempts=attempts,
                error=text,
                next_attempt_at=clock.wall() + delay,
            )
        )


@functools.lru_cache(maxsize=64)
def _close_statement(dialect: sa.Dialect, kind: sync.Kind | None, objects: int) -> Prepared:
    chosen = WebhookEvent.id == sa.bindparam("event_id")

    if objects and (types := closed_by(kind)):
        superfluous = sa.and_(
            UNHANDLED,
            WebhookEvent.state.in_([constant(name) for name in ("waiting", "failed", "dead")]),
            WebhookEvent.object_id.in_([sa.bindparam(f"object_{n}") for n in range(objects)]),
            WebhookEvent.id < sa.bindparam("event_id"),
            WebhookEvent.type.in_([constant(name) for name in types]),
        )
        chosen = sa.or_(chosen, superfluous)

    statement = (
        sa.update(WebhookEvent)
        .where(chosen)
        .values(
            state="handled",
            handled_at=sa.bindparam("now"),
            error=sa.null(),
            next_attempt_at=sa.null(),
        )
        .returning((WebhookEvent.id == sa.bindparam("event_id")).label("done"))
    )
    return Prepared(statement, dialect)
