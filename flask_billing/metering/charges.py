"""What usage comes to so far: an estimate, until Stripe's invoice says it.

It goes by the metered price that the subscription has and by what is, or will be, reported to
Stripe. What an invoice has charged already, because the plan changed in mid-period, is not in it.
"""

from __future__ import annotations

import collections.abc as c
import dataclasses
import typing as t
from datetime import datetime, timedelta

import sqlalchemy as sa

from .. import clock
from ..catalog import Plan, metered_lookup_key
from ..database import reading
from ..metered_prices import held
from ..models import MeterExport, Subscription, SubscriptionChange, UsageCounter
from ..state import BillingState
from ..usage_charge import UsageCharge, charge
from . import billable, export_rows
from .buckets import PREFIXES
from .decision import Usage
from .export_keys import Key
from .export_periods import find, next_target
from .sheets import Sheet

#: Statuses in which Stripe bills usage. What is used in a trial is free.
_BILLED_IN: t.Final = ("active", "past_due")
#: A change of interval begins a period at Stripe a moment after it was asked for.
_A_CHANGE: t.Final = timedelta(minutes=10)
_IN_CYCLE: t.Final = (
    UsageCounter.bucket.startswith(PREFIXES["billing_period"], autoescape=True),
    UsageCounter.bucket.not_like("%|%"),
)


def is_overage(usage: Usage) -> bool:
    """Whether the usage is of the limit beyond which a metered price bills."""
    return usage.policy == "overage" and usage.window == "billing_period"


def estimates(
    current: BillingState, sheet: Sheet, meters: c.Iterable[str]
) -> dict[str, UsageCharge]:
    """What is charged for each of these meters that the customer's plan bills by use."""
    facts = sheet.snapshot.facts
    plan = current.catalog.plan(facts.plan)
    billed = [] if plan is None or facts.trialing else [key for key in meters if plan.bills(key)]

    if plan is None or not billed:
        return {}

    now = clock.now()

    with reading() as connection:
        subscription = _subscription(connection, facts.customer_id, plan)
        price = subscription and plan.price(subscription.interval, subscription.currency)

        if subscription is None or price is None or subscription.current_period_start is None:
            return {}

        found = {}

        for key in billed:
            sold = price.metered_by(key)
            name = "" if sold is None else metered_lookup_key(plan, price, sold)
            metered = sold and held(subscription.snapshot or {}, sold, name)

            if metered is not None:
                start, end = _period(subscription, now)
                units = _units(connection, subscription, key, start)
                found[key] = UsageCharge(
                    charge(metered, units), subscription.currency, units, metered, end
                )

        return found


def with_estimate(usage: Usage, found: c.Mapping[str, UsageCharge]) -> Usage:
    """The usage with what is charged for it, if anything is."""
    estimate = found.get(usage.meter)
    return usage if estimate is None else dataclasses.replace(usage, estimated_charge=estimate)


def _subscription(connection: sa.Connection, customer_id: int, plan: Plan) -> sa.Row[t.Any] | None:
    return connection.execute(
        sa.select(
            Subscription.id,
            Subscription.customer_id,
            Subscription.interval,
            Subscription.currency,
            Subscription.current_period_start,
            Subscription.current_period_end,
            Subscription.snapshot,
        )
        .where(
            Subscription.customer_id == customer_id,
            sa.func.coalesce(Subscription.plan, Subscription.last_plan) == plan.key,
            Subscription.status.in_(_BILLED_IN),
            Subscription.pause.is_(None),  # it voids the invoice of what was used before it, too
        )
        .order_by(Subscription.started_at.desc(), Subscription.id.desc())
        .limit(1)
    ).one_or_none()


def _period(subscription: sa.Row[t.Any], now: datetime) -> tuple[datetime, datetime | None]:
    """From when on usage is on the next invoice, and until when.

    A renewal that we did not hear of yet has begun another period.
    """
    start, end = subscription.current_period_start, subscription.current_period_end
    return (end, None) if end is not None and end <= now else (start, end)


def _units(
    connection: sa.Connection, subscription: sa.Row[t.Any], meter: str, start: datetime
) -> int:
    """Units that the next invoice bills: of each month of a yearly price."""
    counters = _counters(connection, subscription.customer_id, meter, start)

    if not counters:
        return 0

    billed = sum(counters.values()) - export_rows.never_sent(connection, counters)
    changed_at = _changed_at(connection, subscription.id, start)

    if changed_at is not None:
        billed -= _charged_before(connection, counters, changed_at)

    return max(0, billed)


def _counters(
    connection: sa.Connection, customer_id: int, meter: str, start: datetime
) -> dict[Key, int]:
    """The counters of the invoice that is to come, with their billed units.

    Without one that another cycle has cut short: of a trial that was ended early, or of the
    subscription before.
    """
    rows = connection.execute(
        sa.select(
            UsageCounter.bucket,
            UsageCounter.period_start,
            UsageCounter.reported,
            billable.billed(),
        ).where(
            UsageCounter.customer_id == customer_id,
            UsageCounter.meter == meter,
            UsageCounter.period_end > start,
            *_IN_CYCLE,
        )
    )
    found = {}

    for bucket, began, reported, billed in rows.all():
        key = Key(customer_id, meter, bucket)
        found[key] = int(billed)

        if billed < reported or (began is not None and began < start):
            counter = find(connection, key)
            assert counter is not None, "counters stay"
            found[key] = next_target(connection, counter)

            if counter.end is not None and counter.end <= start:
                del found[key]

    return found


def _changed_at(
    connection: sa.Connection, subscription_id: int, start: datetime
) -> datetime | None:
    """When another price began in mid-period. Stripe then bills what was used under the first."""
    changes = SubscriptionChange
    at = sa.func.coalesce(changes.effective_at, changes.created_at)
    return connection.scalar(
        sa.select(sa.type_coerce(sa.func.max(at), SubscriptionChange.created_at.type)).where(
            changes.subscription_id == subscription_id,
            changes.state == "done",
            changes.to_plan.is_not(None),
            sa.or_(
                changes.from_plan != changes.to_plan,
                changes.from_interval != changes.to_interval,
            ),
            at > start - _A_CHANGE,
        )
    )


def _charged_before(
    connection: sa.Connection, counters: c.Collection[Key], moment: datetime
) -> int:
    first = next(iter(counters))
    found: int = connection.execute(
        sa.select(sa.func.coalesce(sa.func.sum(MeterExport.quantity), 0)).where(
            MeterExport.customer_id == first.customer_id,
            MeterExport.meter == first.meter,
            MeterExport.bucket.in_([key.bucket for key in counters]),
            MeterExport.state.not_in(("failed", *export_rows.NEVER_SENT)),
            # Stripe's times are whole seconds, and in that of the change the new price has begun.
            MeterExport.created_at < moment.replace(microsecond=0),
        )
    ).scalar_one()
    return int(found)
