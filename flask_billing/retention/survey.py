"""A visit to the page where people cancel or downgrade: why, what they were shown, what they did.

One row a visit, whatever comes of it, so that nothing about offers has to be guessed later.
"""

from __future__ import annotations

import collections.abc as c
import datetime as dt
import typing as t

import sqlalchemy as sa

from .. import clock, money
from ..catalog import Offer
from ..catalog_offers import LEAVING_REASONS
from ..database import insert, reread, transaction
from ..models import Cancellation, Customer, Subscription, SubscriptionChange
from ..state import state
from ..subscriptions.reasons import checked
from . import experiments

Source = t.Literal["cancel", "downgrade"]
Outcome = t.Literal[
    "cancelled", "saved_discount", "saved_pause", "saved_downgrade", "saved_trial_ext", "contacted",
    "abandoned",
]  # fmt: skip

#: How long a visit lasts: its offers can be taken for as long.
VISIT: t.Final = dt.timedelta(hours=2)

#: Outcomes after which somebody may still go on and cancel.
_UNDECIDED: t.Final = ("contacted", "cancelled")


class Shown(t.TypedDict):
    """An offer as it was shown.

    :param terms: the exact words.
    :param facts: what the words were made of.
    :param at: when, in UTC.
    :param declined: whether the customer said no to it.
    """

    offer: str
    terms: str
    facts: dict[str, t.Any]
    reason: str | None
    at: str
    declined: bool


def begin(customer: Customer, subscription: Subscription, source: Source) -> Cancellation:
    """The visit that is going on, or a new one. Committed."""
    while True:
        with transaction() as connection:
            open_visit = connection.execute(_open(customer.id, source)).one_or_none()

            if open_visit is not None and clock.now() - open_visit.started_at < VISIT:
                row_id: int | None = open_visit.id
            else:
                if open_visit is not None:
                    _finish(connection, open_visit.id, "abandoned")

                row_id = _insert(connection, customer, subscription, source)

        if row_id is not None:
            return fresh(row_id)


def find(customer: Customer, visit_id: int) -> Cancellation | None:
    """A visit of this customer's."""
    return reread(
        sa.select(Cancellation).where(
            Cancellation.id == visit_id, Cancellation.customer_id == customer.id
        )
    )


def latest(customer: Customer, source: Source = "cancel") -> Cancellation | None:
    """The customer's last visit, as far as it is not long ago."""
    return reread(
        sa.select(Cancellation)
        .where(
            Cancellation.customer_id == customer.id,
            Cancellation.source == source,
            Cancellation.started_at > clock.now() - VISIT,
        )
        .order_by(Cancellation.id.desc())
        .limit(1)
    )


def answer(visit: Cancellation, reason: str | None, comment: str | None = None) -> Cancellation:
    """Write down why somebody is leaving, as far as they say. Committed."""
    values: dict[str, object] = {}

    if reason in LEAVING_REASONS:
        values["reason"] = reason

    if (text := checked(None, comment)[1]) is not None:
        values["comment"] = text

    if not values:
        return visit

    with transaction() as connection:
        connection.execute(
            sa.update(Cancellation).where(Cancellation.id == visit.id).values(values)
        )

    return fresh(visit.id)


def show(visit: Cancellation, shown: c.Iterable[tuple[Offer, str, dict[str, t.Any]]]) -> None:
    """Remember offers as they are shown: which, in which words, made of which facts. Committed."""
    with transaction() as connection:
        entries = _shown(connection, visit.id)

        for offer, terms, facts in shown:
            entry = Shown(
                offer=offer.key,
                terms=terms,
                facts=facts,
                reason=visit.reason,
                at=clock.now().isoformat(),
                declined=False,
            )

            if not any(_same(entry, known) for known in entries):
                entries.append(entry)

        _write_shown(connection, visit.id, entries)


def decline(visit: Cancellation, key: str) -> None:
    """Take note of a no: the offer is not shown again on this visit. Committed."""
    with transaction() as connection:
        entries = _shown(connection, visit.id)

        for entry in entries:
            if entry["offer"] == key:
                entry["declined"] = True

        _write_shown(connection, visit.id, entries)


def last_shown(visit: Cancellation, key: str) -> Shown | None:
    """An offer as this visit saw it last."""
    entries: list[Shown] = visit.offers_shown or []
    return next((entry for entry in reversed(entries) if entry["offer"] == key), None)


def is_declined(visit: Cancellation, offer: Offer) -> bool:
    """Whether the customer said no to an offer on this visit."""
    entries: list[Shown] = visit.offers_shown or []
    return any(entry["offer"] == offer.key and entry["declined"] for entry in entries)


def is_over(visit: Cancellation) -> bool:
    """Whether the visit is too long ago for what was shown on it to hold."""
    return clock.now() - visit.started_at >= VISIT


def end(
    customer: Customer,
    subscription: Subscription,
    source: Source,
    outcome: Outcome,
    *,
    reason: str | None = None,
    comment: str | None = None,
) -> Cancellation:
    """Close the visit by what came of it: the plan was cancelled, or made smaller. Committed.

    Feedback that comes afterwards is added to the same visit.
    """
    last = latest(customer, source)
    visit = last if last is not None and last.outcome in _UNDECIDED else None
    visit = answer(visit or begin(customer, subscription, source), reason, comment)

    if visit.outcome != outcome:
        with transaction() as connection:
            _finish(connection, visit.id, outcome)

    return fresh(visit.id)


def explain(change: SubscriptionChange) -> None:
    """Add what was said after a cancellation to the visit that led to it. Committed.

    That may be long ago: who has cancelled can come back to say why.
    """
    visit = reread(
        sa.select(Cancellation)
        .where(
            Cancellation.subscription_id == change.subscription_id,
            Cancellation.source == "cancel",
            Cancellation.outcome == "cancelled",
        )
        .order_by(Cancellation.id.desc())
        .limit(1)
    )

    if visit is not None:
        answer(visit, change.reason, change.feedback)


def save(
    connection: sa.Connection, visit_id: int, outcome: Outcome, offer: str, at: dt.datetime
) -> None:
    """Close a visit by the offer that was taken."""
    connection.execute(
        sa.update(Cancellation)
        .where(Cancellation.id == visit_id)
        .values(outcome=outcome, offer_accepted=offer, finished_at=at)
    )


def close_abandoned(*, limit: int = 500) -> int:
    """Close the visits that were left without a decision. A job calls it.

    :returns: how many.
    """
    with transaction() as connection:
        stale = connection.execute(
            sa.select(Cancellation.id)
            .where(Cancellation.outcome.is_(None), Cancellation.started_at <= clock.now() - VISIT)
            .limit(limit)
        ).scalars()
        closed = connection.execute(
            sa.update(Cancellation)
            .where(Cancellation.id.in_(list(stale)), Cancellation.outcome.is_(None))
            .values(outcome="abandoned", finished_at=Cancellation.started_at)
        )

    return closed.rowcount


def fresh(row_id: int) -> Cancellation:
    """A visit as it is committed."""
    found = reread(sa.select(Cancellation).where(Cancellation.id == row_id))
    assert found is not None, "the row was committed before"
    return found


def offer_id(visit: Cancellation, offer: Offer) -> str:
    """What names an offer of a visit in addresses."""
    return f"{visit.id}-{offer.key}"


def _open(customer_id: int, source: Source) -> sa.Select[int, dt.datetime]:
    return (
        sa.select(Cancellation.id, Cancellation.started_at)
        .where(
            Cancellation.customer_id == customer_id,
            Cancellation.source == source,
            Cancellation.outcome.is_(None),
        )
        .with_for_update()
    )


def _insert(
    connection: sa.Connection, customer: Customer, subscription: Subscription, source: Source
) -> int | None:
    """A new visit; None where another tab was faster."""
    found: int | None = connection.execute(
        insert(connection, Cancellation)
        .values(
            customer_id=customer.id,
            subscription_id=subscription.id,
            source=source,
            plan=subscription.plan or subscription.last_plan,
            interval=subscription.interval,
            monthly_amount=_monthly_amount(subscription),
            currency=subscription.currency,
            variant=experiments.variant_of(customer, state().catalog),
            started_at=clock.now(),
        )
        .on_conflict_do_nothing()
        .returning(Cancellation.id)
    ).scalar_one_or_none()
    return found


def _monthly_amount(subscription: Subscription) -> int | None:
    if subscription.unit_amount is None:
        return None

    amount = subscription.unit_amount * subscription.quantity
    return money.monthly_share(amount) if subscription.interval == "year" else amount


def _finish(connection: sa.Connection, visit_id: int, outcome: Outcome) -> None:
    connection.execute(
        sa.update(Cancellation)
        .where(Cancellation.id == visit_id)
        .values(outcome=outcome, finished_at=clock.now())
    )


def _shown(connection: sa.Connection, visit_id: int) -> list[Shown]:
    """What was shown so far, held against other tabs."""
    found: list[Shown] | None = connection.execute(
        sa.select(Cancellation.offers_shown).where(Cancellation.id == visit_id).with_for_update()
    ).scalar_one()
    return list(found or [])


def _write_shown(connection: sa.Connection, visit_id: int, entries: list[Shown]) -> None:
    connection.execute(
        sa.update(Cancellation).where(Cancellation.id == visit_id).values(offers_shown=entries)
    )


def _same(one: Shown, other: Shown) -> bool:
    return (one["offer"], one["terms"], one["reason"]) == (
        other["offer"],
        other["terms"],
        other["reason"],
    )
