"""An admin's reset of a quota: counting starts afresh, and nothing is destroyed."""

from __future__ import annotations

import typing as t

import sqlalchemy as sa

from .. import clock
from ..catalog import Window
from ..errors import InvalidUsageError
from ..models import Customer, UsageEpoch
from ..state import state
from .inputs import find_meter
from .sheets import forget


def reset_quota(
    customer: Customer, meter: str, window: Window, *, actor: str, reason: str
) -> UsageEpoch:
    """Let a customer's quota in one window begin afresh now.

    The old counter stays as history, with the holds that are still open in it. Each reset is a
    row. Flushes on ``db.session``; the caller commits.

    :param actor: who decided it.
    :raises InvalidUsageError: for an unknown meter or window, or without actor and reason.
    """
    find_meter(state(), meter)
    check_window(window)

    if not actor.strip() or not reason.strip():
        raise InvalidUsageError("A reset says who made it and why. Nothing was changed.")

    session, now = state().db.session, clock.now()
    # Two admins at once wait for one another here, and make two resets.
    session.execute(sa.select(Customer.id).where(Customer.id == customer.id).with_for_update())
    last: UsageEpoch | None = session.scalar(
        sa.select(UsageEpoch)
        .where(
            UsageEpoch.customer_id == customer.id,
            UsageEpoch.meter == meter,
            UsageEpoch.window == window,
        )
        .order_by(UsageEpoch.epoch.desc())
        .limit(1)
    )
    made = UsageEpoch(
        customer_id=customer.id,
        meter=meter,
        window=window,
        epoch=1 if last is None else last.epoch + 1,
        starts_at=now if last is None else max(now, last.starts_at),
        actor=actor,
        reason=reason,
    )
    session.add(made)
    session.flush()
    forget(customer.id)
    return made


def check_window(window: str) -> None:
    """Refuse what is no window.

    :raises InvalidUsageError: with the windows there are.
    """
    if window not in t.get_args(Window):
        raise InvalidUsageError(
            f"{window!r} is no window. Nothing was changed. Choose one of "
            f"{', '.join(t.get_args(Window))}."
        )
