"""Keeping which Stripe price stands for which plan, in ``billing_price``."""

from __future__ import annotations

import sqlalchemy as sa

from .. import clock
from ..database import insert
from ..models import StripePrice
from .prices import PushedPrice


def record(connection: sa.Connection, pushed: PushedPrice) -> None:
    """Write which Stripe prices stand for a plan and interval, now and formerly."""
    for former in pushed.price.former:
        _write(connection, pushed, former, amount=None, current=False)

    for there in pushed.former:
        _write(connection, pushed, there["id"], amount=there.get("unit_amount"), current=False)

    if pushed.found is None:
        return

    current: str = pushed.found["id"]
    _write(connection, pushed, current, amount=pushed.found.get("unit_amount"), current=True)
    connection.execute(
        sa.update(StripePrice)
        .where(
            StripePrice.plan == pushed.plan.key,
            StripePrice.interval == pushed.price.interval,
            StripePrice.currency == pushed.price.currency,
            StripePrice.stripe_id != current,
            StripePrice.current,
        )
        .values(current=False)
    )


def _write(
    connection: sa.Connection,
    pushed: PushedPrice,
    stripe_id: str,
    *,
    amount: int | None,
    current: bool,
) -> None:
    values = {
        "plan": pushed.plan.key,
        "interval": pushed.price.interval,
        "currency": pushed.price.currency,
        "amount": amount,
        "current": current,
        "synced_at": clock.wall(),
    }
    statement = insert(connection, StripePrice).values(stripe_id=stripe_id, **values)
    kept = {"amount"} if amount is None else set()
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["stripe_id"],
            set_={name: value for name, value in values.items() if name not in kept},
        )
    )
