"""An admin's limits for one customer: they win over the plan, and say who set them and why."""

from __future__ import annotations

import collections.abc as c
from datetime import datetime

import sqlalchemy as sa

from .. import clock
from ..catalog import UNLIMITED, Window
from ..errors import InvalidUsageError
from ..models import Customer, LimitOverride
from ..owners import id_of
from ..state import state
from .inputs import LARGEST, find_meter
from .resets import check_window
from .sheets import forget


def set_override(
    customer: Customer,
    meter: str,
    limit: int | None,
    *,
    actor: str,
    reason: str,
    window: Window | None = None,
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
) -> LimitOverride:
    """Give a customer a limit of their own. Of several in force the newest counts.

    Flushes on ``db.session``; the caller commits.

    :param limit: smallest units per window; None inherits the plan's again, -1 is unlimited,
        0 blocks.
    :param actor: who decided it.
    :param window: None holds for every window of the meter.
    :param starts_at: None is now.
    :param ends_at: when the plan's limit holds again; None is never.
    :raises InvalidUsageError: for a limit, meter, window or span that cannot be.
    """
    find_meter(state(), meter)
    _check_limit(limit)
    starts_at = starts_at or clock.now()

    if window is not None:
        check_window(window)

    _check_span(starts_at, ends_at)

    if not actor.strip() or not reason.strip():
        raise InvalidUsageError("An override says who set it and why. Nothing was changed.")

    override = LimitOverride(
        customer_id=id_of(customer),
        meter=meter,
        window=window,
        limit=limit,
        starts_at=starts_at,
        ends_at=ends_at,
        actor=actor,
        reason=reason,
        created_at=clock.now(),
    )
    session = state().db.session
    session.add(override)
    session.flush()
    forget(customer.id)
    return override


def end_override(override: LimitOverride) -> None:
    """Let an override end now; it stays as history. Flushes; the caller commits."""
    override.ends_at = max(clock.now(), override.starts_at)
    state().db.session.flush()
    forget(override.customer_id)


def overrides_of(customer: Customer) -> c.Sequence[LimitOverride]:
    """All overrides a customer ever had, the newest first."""
    found: c.Sequence[LimitOverride] = (
        state()
        .db.session.scalars(
            sa.select(LimitOverride)
            .where(LimitOverride.customer_id == id_of(customer))
            .order_by(LimitOverride.id.desc())
        )
        .all()
    )
    return found


def _check_span(starts_at: datetime, ends_at: datetime | None) -> None:
    times = [starts_at] if ends_at is None else [starts_at, ends_at]

    if not all(isinstance(time, datetime) and time.tzinfo is not None for time in times):
        raise InvalidUsageError("An override starts and ends at aware times. Nothing was changed.")

    if times != sorted(set(times)):
        raise InvalidUsageError("The override ends before it starts. Nothing was changed.")


def _check_limit(limit: int | None) -> None:
    if limit is None:
        return

    if type(limit) is not int or not UNLIMITED <= limit <= LARGEST:
        raise InvalidUsageError(
            f"{limit!r} is no limit. Nothing was changed. Pass a whole number, None to inherit "
            "the plan's limit, -1 for unlimited, 0 to block."
        )
