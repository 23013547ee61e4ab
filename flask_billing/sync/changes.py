"""The history of a subscription, as far as Stripe tells it.

A change that was asked for here has a row already: it is closed once what it waited for has
happened, or cannot happen any more. What came about without us, in Stripe's dashboard or
portal or by a payment that failed for good, gets a row of its own.
"""

from __future__ import annotations

import collections.abc as c
import functools
import typing as t
from datetime import datetime

import sqlalchemy as sa

from .. import clock
from ..database import insert_for
from ..models import ENDED, Subscription, SubscriptionChange
from ..prepared import Prepared, constant
from ..writes import Writes

Values = c.Mapping[str, t.Any]

#: The columns of a subscription that :func:`settle` reads.
READS: t.Final = (
    "stripe_id", "status", "plan", "interval", "quantity", "cancel_at", "schedule_id",
    "pending_until", "pause",
)  # fmt: skip
#: What of a subscription may let a change wait.
_WAITS_FOR: t.Final = ("schedule_id", "cancel_at", "pending_until", "pause")


#: As the conditions of two partial indexes, by which both are found.
_OPEN: t.Final = SubscriptionChange.state == constant("open")
_PENDING: t.Final = SubscriptionChange.state == constant("pending")

#: Who brought about what nobody asked for here.
STRIPE: t.Final = "stripe"

#: Transition -> kind of the history's row. When a plan started its own row tells.
_KINDS: t.Final = {
    "subscription.plan_changed": "change",
    "subscription.cancel_scheduled": "cancel",
    "subscription.ended": "end",
    "subscription.paused": "pause",
    "subscription.resumed": "unpause",
}


class Cancellation(t.NamedTuple):
    """The request by which a customer ended a subscription.

    :param state: "open" while it is being carried out, "pending" until the plan ends.
    """

    id: int
    created_at: datetime
    state: str


def note(
    writes: Writes,
    before: Values | None,
    after: Values,
    names: c.Iterable[str],
    customer_id: int,
) -> None:
    """Write down the transitions that nobody asked for here. Call it before :func:`settle`."""
    for name in names:
        if name in _KINDS:
            assert before is not None  # what is new here has begun, and that is all
            row = _row(_KINDS[name], before, after, customer_id)
            statement = _note_statement(writes.connection.dialect, row["kind"], tuple(row))
            writes.add(statement, row, lost=None)


@functools.lru_cache(maxsize=64)
def _note_statement(dialect: sa.Dialect, kind: str, names: tuple[str, ...]) -> Prepared:
    """Inserts a row unless a change that was asked for here explains it."""
    asked_for = sa.exists().where(
        SubscriptionChange.subscription_id == sa.bindparam("subscription_id"),
        sa.or_(_OPEN, sa.and_(_PENDING, _explains(kind))),
    )
    columns = SubscriptionChange.__table__.c
    values = [sa.bindparam(name, type_=columns[name].type).label(name) for name in names]
    insert = (
        insert_for(dialect.name, SubscriptionChange)
        .from_select(list(names), sa.select(*values).where(~asked_for))
        .on_conflict_do_nothing()  # one waits at a time
    )
    return Prepared(insert.inline(), dialect)


def _explains(kind: str) -> sa.ColumnElement[bool]:
    """Whether a pending change is what came about."""
    if kind in ("cancel", "end"):
        return SubscriptionChange.kind == "cancel"

    if kind != "change":
        return sa.false()

    same = ("to_plan", "to_interval", "quantity")
    return sa.and_(*(SubscriptionChange.__table__.c[name] == sa.bindparam(name) for name in same))


def _row(kind: str, was: Values, after: Values, customer_id: int) -> dict[str, t.Any]:
    waits_for_end = kind == "cancel"
    now = clock.now()
    details = (after["snapshot"] or {}).get("cancellation_details") or {}
    return {
        "subscription_id": was["id"],
        "customer_id": customer_id,
        "kind": kind,
        "state": "pending" if waits_for_end else "done",
        "attempt": 1,
        "from_plan": was["plan"] or was["last_plan"],
        "from_interval": was["interval"],
        "from_quantity": was["quantity"],
        "to_plan": after["plan"] if kind == "change" else None,
        "to_interval": after["interval"] if kind == "change" else None,
        "quantity": after["quantity"],
        "currency": after["currency"],
        "effective_at": _effective_at(kind, after) or now,
        "reason": details.get("feedback") or details.get("reason"),
        "feedback": details.get("comment"),
        "actor": STRIPE,
        "created_at": now,
        "finished_at": None if waits_for_end else now,
    }


def _effective_at(kind: str, after: Values) -> datetime | None:
    columns = {"cancel": "cancel_at", "end": "ended_at", "pause": "pause_starts_at"}
    found: datetime | None = after[columns[kind]] if kind in columns else None
    return found


def waits(before: Values) -> bool:
    """Whether something may be waiting for the subscription, as it was, to go on."""
    return any(before[name] is not None for name in _WAITS_FOR)


def cancellation(connection: sa.Connection, subscription_id: int) -> Cancellation | None:
    """The customer's request to end a subscription; None where it is being ended at Stripe."""
    statement = _cancellation_statement(connection.dialect)
    found = statement.rows(connection, {"subscription": subscription_id})
    return Cancellation(**found[0]) if found else None


@functools.lru_cache(maxsize=16)
def _cancellation_statement(dialect: sa.Dialect) -> Prepared:
    statement = (
        sa.select(SubscriptionChange.id, SubscriptionChange.created_at, SubscriptionChange.state)
        .where(
            SubscriptionChange.subscription_id == sa.bindparam("subscription"),
            SubscriptionChange.kind == "cancel",
            sa.or_(_OPEN, _PENDING),
        )
        # The open one is what is happening now.
        .order_by(SubscriptionChange.state, SubscriptionChange.id.desc())
    )
    return Prepared(statement, dialect)


def settle(connection: sa.Connection, values: Values) -> None:
    """Close the change that waited for what has happened now, or cannot happen any more.

    :param values: the subscription's columns as just written.
    """
    change = connection.execute(_WAITING, {"stripe_id": values["stripe_id"]}).one_or_none()
    outcome = None if change is None else _outcome(change, values)

    if change is not None and outcome is not None:
        connection.execute(
            sa.update(SubscriptionChange)
            .where(SubscriptionChange.id == change.id, SubscriptionChange.state == "pending")
            .values(state=outcome, finished_at=clock.now())
        )


_WAITING: t.Final = (
    sa.select(
        SubscriptionChange.id,
        SubscriptionChange.kind,
        SubscriptionChange.to_plan,
        SubscriptionChange.to_interval,
        SubscriptionChange.quantity,
        SubscriptionChange.effective_at,
    )
    .join(Subscription, Subscription.id == SubscriptionChange.subscription_id)
    .where(Subscription.stripe_id == sa.bindparam("stripe_id"), _PENDING)
)


def _outcome(change: t.Any, values: Values) -> str | None:
    """The state the change is in now; None while it goes on waiting."""
    ended = values["status"] in ENDED

    if change.kind == "cancel":
        if ended:
            return "done"

        return "undone" if values["cancel_at"] is None else None

    if change.kind == "pause":
        if change.effective_at is None or change.effective_at <= clock.now():
            return "done"

        return "undone" if ended or values["pause"] is None else None

    target = (change.to_plan, change.to_interval, change.quantity)
    goes_on = change.kind == "end_trial" and values["status"] == "trialing"

    if (values["plan"], values["interval"], values["quantity"]) == target and not goes_on:
        return "done"

    if change.effective_at is not None:  # waits for its date, by a schedule
        return "undone" if ended or values["schedule_id"] is None else None

    # waits for its payment
    return "failed" if ended or values["pending_until"] is None else None
