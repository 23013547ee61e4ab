"""How many of a counter's units Stripe bills, and so is told of.

Where the catalog has metered prices for a meter, those are the units beyond what the plan and
credits cover. Else all are reported, and the price at Stripe says what is free: but of nobody who
still has a metered price that the catalog had before, as that bills what is included, too.
"""

from __future__ import annotations

import sqlalchemy as sa

from .. import stripe_objects
from ..models import ENDED, Subscription, UsageCounter, UsageEvent
from ..state import state


def billed() -> sa.ColumnElement[int]:
    """A counter's units that a metered price bills; once it bills none, what it had billed."""
    beyond = UsageCounter.used - UsageCounter.credited - UsageCounter.billed_from
    return sa.case(
        (UsageCounter.billed_from.is_(None), UsageCounter.reported),
        (beyond > 0, beyond),
        else_=0,
    )


def reportable(meter: str) -> sa.ColumnElement[int]:
    """A counter's units that are to be reported in all."""
    return billed() if state().catalog.is_billed(meter) else UsageCounter.used.expression


def is_left_over(connection: sa.Connection, customer_id: int, meter: str) -> bool:
    """Whether a customer still has a metered price for a meter that the catalog bills no more."""
    if state().catalog.is_billed(meter):
        return False

    held = connection.scalars(
        sa.select(Subscription.snapshot).where(
            Subscription.customer_id == customer_id, Subscription.status.not_in(ENDED)
        )
    )
    return any(meter in stripe_objects.billed_meters(one or {}) for one in held)


def counted(meter: str) -> sa.ColumnElement[int]:
    """A counter's units, among which are those that are reported."""
    if not state().catalog.is_billed(meter):
        return UsageCounter.used.expression

    return UsageCounter.used - UsageCounter.credited


def quantity(meter: str) -> sa.ColumnElement[int]:
    """An event's part of :func:`counted`."""
    if not state().catalog.is_billed(meter):
        return UsageEvent.quantity.expression

    return UsageEvent.quantity - sa.func.coalesce(UsageEvent.credits, 0)
