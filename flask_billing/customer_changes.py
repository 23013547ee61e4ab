"""Intents of writes to Stripe beside the plan: paying an invoice, other billing details.

The row is committed before Stripe is asked, and everything that is asked is made of it alone,
under idempotency keys of its own. So a double click, a second tab, a crash and a retry after a
timeout all end up at the same request.
"""

from __future__ import annotations

import collections.abc as c
import datetime as dt
import typing as t

import sqlalchemy as sa

from . import clock
from .database import committed, insert, reread, transaction
from .errors import StripeUnreachableError
from .models import Customer, CustomerChange
from .row_marks import idempotency_key

Kind = t.Literal["pay_invoice", "details"]
#: What is intended -> what it is called in errors.
ACTIONS: t.Final[dict[Kind, str]] = {
    "pay_invoice": "Paying an invoice",
    "details": "Changing billing details",
}
#: A server error may be replayed to our key for a day. From this age on it is taken for that.
REPLAYED_FROM: t.Final = dt.timedelta(minutes=10)
#: No request is on its way any longer by then; the client gives up sooner.
SETTLED_AFTER: t.Final = dt.timedelta(minutes=5)


def begin(
    customer: Customer,
    kind: Kind,
    *,
    subject: str = "",
    request: c.Mapping[str, t.Any] | None = None,
    actor: str | None = None,
) -> CustomerChange:
    """The committed intent: a new one, or the one that is open for that subject.

    :param subject: Stripe's id of what it is about, where that is not the customer.
    :param request: all that the calls to Stripe are made of; plain JSON. The intent that is
        open may have another, and is to be finished first then.
    """
    found = None

    while found is None:  # the open one may be closed between our insert and our look
        with committed(ACTIONS[kind]) as connection:
            _insert(connection, customer, kind, subject, request, actor)

        found = reread(
            sa.select(CustomerChange).where(
                CustomerChange.customer_id == customer.id,
                CustomerChange.kind == kind,
                CustomerChange.subject == subject,
                CustomerChange.state == "open",
            )
        )

    return found


def supersede(
    change: CustomerChange,
    customer: Customer,
    *,
    request: c.Mapping[str, t.Any],
    actor: str | None = None,
) -> None:
    """Put another intent in the place of one that cannot be finished now.

    :param request: all that is to be done, with what the other one may have left undone.
    """
    kind = t.cast("Kind", change.kind)

    with committed(ACTIONS[kind]) as connection:
        connection.execute(_closed(change, "failed", "superseded"))
        _insert(connection, customer, kind, change.subject, request, actor)


def _insert(
    connection: sa.Connection,
    customer: Customer,
    kind: Kind,
    subject: str,
    request: c.Mapping[str, t.Any] | None,
    actor: str | None,
) -> None:
    """Write an intent, unless one is open for that subject."""
    connection.execute(
        insert(connection, CustomerChange)
        .values(
            customer_id=customer.id,
            kind=kind,
            subject=subject,
            state="open",
            attempt=1,
            request=dict(request or {}),
            actor=actor,
            created_at=clock.now(),
            asked_at=clock.wall(),
        )
        .on_conflict_do_nothing()
    )


def key(change: CustomerChange, step: str) -> str:
    """The idempotency key of one call that a change is made of."""
    return idempotency_key(change, f"customer-{step}", change.attempt)


def close(
    change: CustomerChange, state: t.Literal["done", "failed"], reason: str | None = None
) -> None:
    """Write how it ended, unless another process did."""
    with committed(ACTIONS[t.cast("Kind", change.kind)]) as connection:
        connection.execute(_closed(change, state, reason))


def _closed(change: CustomerChange, state: str, reason: str | None) -> sa.Update:
    return (
        sa.update(CustomerChange)
        .where(CustomerChange.id == change.id, CustomerChange.state == "open")
        .values(state=state, reason=reason, finished_at=clock.now())
    )


def leave_replayed_answer(change: CustomerChange, error: StripeUnreachableError) -> None:
    """Take other keys where ours are stuck with a server error.

    Only for what cannot happen twice: details are the same however often they are written, and
    Stripe takes no second payment of an invoice.
    """
    answered = error.status is not None and error.status >= 500

    if not answered or age(change) < REPLAYED_FROM:
        return

    with committed(ACTIONS[t.cast("Kind", change.kind)]) as connection:
        connection.execute(
            sa.update(CustomerChange)
            .where(CustomerChange.id == change.id, CustomerChange.attempt == change.attempt)
            .values(attempt=change.attempt + 1)
        )


def age(change: CustomerChange) -> dt.timedelta:
    """How long ago it was intended, by the wall clock."""
    return clock.wall() - change.asked_at


def left_open(kind: Kind, *, min_age: dt.timedelta, limit: int) -> list[CustomerChange]:
    """Intents that crashes and outages left open, oldest first.

    :param min_age: leaves younger ones to the request that is at work on them.
    """
    with transaction() as connection:
        row_ids = connection.scalars(
            sa.select(CustomerChange.id)
            .where(
                CustomerChange.kind == kind,
                CustomerChange.state == "open",
                CustomerChange.asked_at <= clock.wall() - min_age,
            )
            .order_by(CustomerChange.id)
            .limit(limit)
        ).all()

    rows = [reread(sa.select(CustomerChange).where(CustomerChange.id == one)) for one in row_ids]
    return [row for row in rows if row is not None and row.state == "open"]
