"""The limits that were in force at an earlier moment, for a period that nobody used."""

from __future__ import annotations

import dataclasses
from datetime import datetime

import sqlalchemy as sa

from ..catalog import Catalog, Limit
from ..models import LimitOverride, SubscriptionChange
from .limits import Facts, Override


def limits_at(
    connection: sa.Connection, catalog: Catalog, facts: Facts, meter: str, at: datetime
) -> tuple[Limit, ...]:
    """The limits on a meter at a moment of the subscription that holds now.

    Of the plan the customer was on, as the catalog has it today, and with the overrides of then.
    """
    then = dataclasses.replace(
        facts,
        plan=_plan_at(connection, facts, at),
        trialing=facts.was_trialing(at),
        overrides=_overrides_at(connection, facts.customer_id, at),
    )
    return then.limits(catalog, meter)


def _plan_at(connection: sa.Connection, facts: Facts, at: datetime) -> str | None:
    """What the first change of plan since then was made from; without one, the plan of now."""
    happened = sa.func.coalesce(SubscriptionChange.effective_at, SubscriptionChange.finished_at)
    following = connection.execute(
        sa.select(SubscriptionChange.from_plan)
        .where(
            SubscriptionChange.customer_id == facts.customer_id,
            SubscriptionChange.state == "done",
            SubscriptionChange.to_plan.is_not(None),
            SubscriptionChange.to_plan.is_distinct_from(SubscriptionChange.from_plan),
            happened > at,
        )
        .order_by(happened, SubscriptionChange.id)
        .limit(1)
    ).first()
    return facts.plan if following is None else following.from_plan


def _overrides_at(
    connection: sa.Connection, customer_id: int, at: datetime
) -> tuple[Override, ...]:
    rows = connection.execute(
        sa.select(LimitOverride.meter, LimitOverride.window, LimitOverride.limit)
        .where(
            LimitOverride.customer_id == customer_id,
            LimitOverride.starts_at <= at,
            sa.or_(LimitOverride.ends_at.is_(None), LimitOverride.ends_at > at),
        )
        .order_by(LimitOverride.id.desc())
    )
    return tuple(Override(row.meter, row.window, row.limit) for row in rows)
