"""An admin's reset of a quota: counting starts afresh, and nothing is destroyed."""

from __future__ import annotations

import typing as t
from datetime import datetime

import sqlalchemy as sa

from .. import clock, database
from ..catalog import Window
from ..errors import InvalidUsageError
from ..models import Customer, UsageCounter, UsageEpoch, UsageEvent, UsageReservation
from ..owners import id_of
from ..state import state
from . import store
from .buckets import PREFIXES, TICK
from .inputs import find_meter
from .sheets import forget

_OLD: t.Final = t.cast(sa.Table, UsageCounter.__table__)
_EPOCHS: t.Final = t.cast(sa.Table, UsageEpoch.__table__)


def reset_quota(
    customer: Customer, meter: str, window: Window, *, actor: str, reason: str
) -> UsageEpoch:
    """Let a customer's quota in one window begin afresh now.

    The old counters stay as history, with the holds that are still open in them, and end here.
    What other processes book meanwhile falls on one side of the reset. Each reset is a row.
    Committed at once, as usage is.

    :param actor: who decided it.
    :raises InvalidUsageError: for an unknown meter or window, or without actor and reason.
    """
    find_meter(state(), meter)
    check_window(window)

    if not actor.strip() or not reason.strip():
        raise InvalidUsageError("A reset says who made it and why. Nothing was changed.")

    customer_id, current = id_of(customer), state()

    def attempt() -> int:
        with database.transaction() as connection:
            # Two admins at once wait for one another here, and make two resets.
            store.lock_resets(connection, customer_id)
            return _reset(connection, customer_id, meter, window, actor, reason)

    epoch = store.persistently(current, attempt)
    forget(customer_id)
    made = database.reread(
        sa.select(UsageEpoch).where(
            UsageEpoch.customer_id == customer_id,
            UsageEpoch.meter == meter,
            UsageEpoch.window == window,
            UsageEpoch.epoch == epoch,
        )
    )
    assert made is not None
    return made


def _reset(
    connection: sa.Connection,
    customer_id: int,
    meter: str,
    window: Window,
    actor: str,
    reason: str,
) -> int:
    """Cut the open counters short and write the row; its number."""
    counters = sa.and_(
        _OLD.c.customer_id == customer_id,
        _OLD.c.meter == meter,
        _OLD.c.bucket.startswith(PREFIXES[window], autoescape=True),
    )
    # Usage waits from here on, so that none is booked between looking at the time and the end.
    connection.execute(
        sa.update(_OLD).where(counters, _ends_after(clock.now())).values(used=_OLD.c.used)
    )
    last = connection.execute(
        sa.select(sa.func.max(_EPOCHS.c.epoch), sa.func.max(_EPOCHS.c.starts_at)).where(
            _EPOCHS.c.customer_id == customer_id,
            _EPOCHS.c.meter == meter,
            _EPOCHS.c.window == window,
        )
    ).one()
    starts_at = _start(connection, customer_id, meter, last[1])
    connection.execute(
        sa.update(_OLD).where(counters, _ends_after(starts_at)).values(period_end=starts_at)
    )
    epoch: int = 1 if last[0] is None else last[0] + 1
    connection.execute(
        sa.insert(_EPOCHS).values(
            customer_id=customer_id,
            meter=meter,
            window=window,
            epoch=epoch,
            starts_at=starts_at,
            actor=actor,
            reason=reason,
        )
    )
    return epoch


def _ends_after(at: datetime) -> sa.ColumnElement[bool]:
    return sa.or_(_OLD.c.period_end.is_(None), _OLD.c.period_end > at)


def _start(
    connection: sa.Connection, customer_id: int, meter: str, last: datetime | None
) -> datetime:
    """Now, or a moment after the last use: a clock may stand still, or be a little behind.

    What is held is used when the hold was made.
    """
    now = clock.now()
    used = sa.select(sa.func.max(UsageEvent.occurred_at)).where(
        UsageEvent.customer_id == customer_id, UsageEvent.meter == meter
    )
    held = sa.select(sa.func.max(UsageReservation.created_at)).where(
        UsageReservation.customer_id == customer_id,
        UsageReservation.meter == meter,
        UsageReservation.state.in_(("open", "expired")),
        UsageReservation.expires_at > now,
    )
    latest = [connection.execute(query).scalar_one() for query in (used, held)]
    return max([now, *(found + TICK for found in (*latest, last) if found is not None)])


def check_window(window: str) -> None:
    """Refuse what is no window.

    :raises InvalidUsageError: with the windows there are.
    """
    if window not in t.get_args(Window):
        raise InvalidUsageError(
            f"{window!r} is no window. Nothing was changed. Choose one of "
            f"{', '.join(t.get_args(Window))}."
        )
