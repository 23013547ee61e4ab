"""Does Stripe bill the usage of everybody whose plan says so?"""

from __future__ import annotations

import collections.abc as c
import typing as t

import sqlalchemy as sa

from .. import stripe_objects
from ..catalog import Catalog
from ..database import reading
from ..models import ENDED, Subscription
from ..state import state
from .finding import Finding, ok, warning

#: Subscriptions of ours looked at, the newest first.
MOST: t.Final = 2_000


def check() -> c.Iterator[Finding]:
    """Live subscriptions without the metered items of their plan, or with those of no plan."""
    yield from _lacking()
    yield from _left_over()


def _lacking() -> c.Iterator[Finding]:
    """Of those that began before the plan had any, or whose items were changed by hand."""
    wanted = _meters(state().catalog)

    if not wanted:
        yield ok("metered-items", "No plan bills usage.")
        return

    plans = {plan for plan, _interval, _currency in wanted}
    columns = (
        Subscription.stripe_id,
        Subscription.plan,
        Subscription.interval,
        Subscription.currency,
        Subscription.snapshot,
    )

    with reading() as connection:
        rows = connection.execute(
            sa.select(*columns)
            .where(Subscription.status.not_in(ENDED), Subscription.plan.in_(plans))
            .order_by(Subscription.id.desc())
            .limit(MOST)
        ).all()

    lacking = [
        row.stripe_id
        for row in rows
        if wanted.get((row.plan, row.interval, row.currency), set())
        - stripe_objects.billed_meters(row.snapshot or {})
    ]

    if lacking:
        yield warning(
            "metered-items",
            f"{len(lacking)} of {len(rows)} live subscriptions lack a metered item of their plan, "
            f"{lacking[0]} for one. What they use beyond the plan is not billed.",
            "Add the plan's metered prices to them at Stripe, from the next period on.",
        )
    else:
        yield ok("metered-items", f"The usage of all {len(rows)} such subscriptions is billed.")


def _left_over() -> c.Iterator[Finding]:
    """Of those that began when the catalog still had metered prices for a meter."""
    catalog = state().catalog
    reported = [meter.key for meter in catalog.meters if meter.stripe_event is not None]
    unbilled = {key for key in reported if not catalog.is_billed(key)}

    if not unbilled:
        return

    with reading() as connection:
        rows = connection.execute(
            sa.select(Subscription.stripe_id, Subscription.snapshot)
            .where(Subscription.status.not_in(ENDED))
            .order_by(Subscription.id.desc())
            .limit(MOST)
        ).all()

    found = [
        row.stripe_id for row in rows if unbilled & stripe_objects.billed_meters(row.snapshot or {})
    ]

    if found:
        yield warning(
            "metered-items",
            f"{len(found)} live subscriptions have a metered item of a meter that no plan bills "
            f"any more, {found[0]} for one. Their usage of it is neither reported nor billed.",
            "Remove the item from them at Stripe, or give a plan its metered price back.",
        )


def _meters(catalog: Catalog) -> dict[tuple[str, str, str | None], set[str]]:
    """The meters that each price of a plan bills."""
    return {
        (plan.key, price.interval, price.currency): {metered.meter for metered in price.metered}
        for plan in catalog.plans
        for price in plan.prices
        if price.metered
    }
