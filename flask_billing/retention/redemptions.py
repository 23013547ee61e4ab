"""Offers taken: a row each, which decides between tabs, clicks and processes."""

from __future__ import annotations

import hashlib
import typing as t

import sqlalchemy as sa

from .. import clock
from ..catalog import Offer
from ..database import committed, insert, reread
from ..errors import OfferRefusedError
from ..models import Cancellation, Customer, OfferRedemption, Subscription
from ..row_marks import idempotency_key
from . import eligibility

ACTION: t.Final = "Accepting an offer"


def of_visit(visit: Cancellation, key: str) -> OfferRedemption | None:
    """The redemption by which an offer of a visit was taken, whatever became of it."""
    return reread(
        sa.select(OfferRedemption).where(
            OfferRedemption.cancellation_id == visit.id, OfferRedemption.offer == key
        )
    )


def reserve(
    customer: Customer,
    visit: Cancellation,
    offer: Offer,
    subscription: Subscription,
    words: str,
) -> OfferRedemption:
    """The committed row of an offer that is being taken: a new one, or that of another click.

    :param words: what is agreed to.
    :raises OfferRefusedError: where the customer has had this offer, or one like it.
    """
    period = eligibility.period_of(offer, subscription)

    with committed(ACTION) as connection:
        # Two offers in two tabs are two rows: what they may have together is decided in turn.
        eligibility.lock(connection, customer)
        known = connection.execute(
            sa.select(
                OfferRedemption.id, OfferRedemption.state, OfferRedemption.cancellation_id
            ).where(
                OfferRedemption.customer_id == customer.id,
                OfferRedemption.offer == offer.key,
                OfferRedemption.period == period,
            )
        ).one_or_none()

        if known is not None and known.state != "failed":
            if known.cancellation_id != visit.id:
                raise OfferRefusedError("taken", visit=visit.id)

            row_id: int = known.id
        elif not eligibility.may_have(
            offer, subscription, eligibility.past_of(connection, customer.id)
        ):
            raise OfferRefusedError("taken", visit=visit.id)
        elif known is not None:
            row_id = _again(connection, known.id, visit, words)
        else:
            row_id = _insert(connection, customer, visit, offer, period, words)

    return fresh(row_id)


def fresh(row_id: int) -> OfferRedemption:
    """A redemption as it is committed."""
    found = reread(sa.select(OfferRedemption).where(OfferRedemption.id == row_id))
    assert found is not None, "the row was committed before"
    return found


def quote_id(redemption: OfferRedemption) -> str:
    """What is carried out once for this redemption, as changes of subscriptions name it."""
    return f"offer:{redemption.id}:{redemption.attempt}"


def coupon_id(redemption: OfferRedemption) -> str:
    """The id of the one coupon that is made for this redemption."""
    mark = idempotency_key(redemption, "coupon", redemption.attempt)
    return f"billing_{redemption.offer}_{hashlib.sha256(mark.encode()).hexdigest()[:16]}"


def close(connection: sa.Connection, redemption: OfferRedemption, state: str) -> bool:
    """Write what became of it; False where another process did so before."""
    closed = connection.execute(
        sa.update(OfferRedemption)
        .where(
            OfferRedemption.id == redemption.id,
            OfferRedemption.state == "open",
            OfferRedemption.attempt == redemption.attempt,
        )
        .values(
            state=state,
            finished_at=clock.now(),
            coupon=coupon_id(redemption) if redemption.kind == "discount" else None,
        )
    )
    return closed.rowcount == 1


def _insert(
    connection: sa.Connection,
    customer: Customer,
    visit: Cancellation,
    offer: Offer,
    period: str,
    words: str,
) -> int:
    found: int = connection.execute(
        insert(connection, OfferRedemption)
        .values(
            customer_id=customer.id,
            cancellation_id=visit.id,
            offer=offer.key,
            kind=offer.kind,
            period=period,
            terms=words,
            attempt=1,
            state="open",
            created_at=clock.now(),
        )
        .returning(OfferRedemption.id)
    ).scalar_one()
    return found


def _again(connection: sa.Connection, row_id: int, visit: Cancellation, words: str) -> int:
    """Open one again that Stripe had refused, under keys of its own."""
    connection.execute(
        sa.update(OfferRedemption)
        .where(OfferRedemption.id == row_id)
        .values(
            state="open",
            attempt=OfferRedemption.attempt + 1,
            cancellation_id=visit.id,
            terms=words,
            finished_at=None,
        )
    )
    return row_id
