"""Does every subscription have one customer here, and every customer one subscription?"""

from __future__ import annotations

import collections.abc as c
import itertools
import shlex
import typing as t

import sqlalchemy as sa

from ..database import reading
from ..models import ENDED, Customer, Subscription
from ..row_marks import CUSTOMER
from ..state import state
from ..stripe_gateway import gateway
from ..stripe_objects import reference
from .finding import Finding, failure, ok

#: Subscriptions of Stripe's looked at, the newest first.
MOST: t.Final = 2_000

#: Keys of a customer's metadata at Stripe that say whose it is.
_OWNER: t.Final = ("owner_type", "owner_id")


def ours() -> c.Iterator[Finding]:
    """Customers with two live subscriptions, and prices and plans that the catalog lacks."""
    live = Subscription.status.not_in(ENDED)
    listed = [plan.key for plan in state().catalog.plans]

    with reading() as connection:
        double = connection.scalars(
            sa.select(Subscription.customer_id)
            .where(live)
            .group_by(Subscription.customer_id)
            .having(sa.func.count() > 1)
            .order_by(Subscription.customer_id)
        ).all()
        unknown = connection.execute(
            sa.select(Subscription.price, sa.func.count())
            .where(live, Subscription.plan.is_(None))
            .group_by(Subscription.price)
        ).all()
        gone = connection.execute(
            sa.select(Subscription.plan, sa.func.count())
            .where(live, Subscription.plan.not_in(listed))
            .group_by(Subscription.plan)
            .order_by(Subscription.plan)
        ).all()

    if double:
        yield failure(
            "subscriptions",
            f"Customers {_listed(double)} have more than one live subscription and pay for each.",
            "Cancel and refund all but one in Stripe's dashboard.",
        )

    for price, count in unknown:
        yield failure(
            "subscriptions",
            f"{count} live subscriptions are at the price {price}, which stands for no plan.",
            "Name it under 'former' of its plan's price in the catalog, then run "
            "'flask billing sync --all'.",
        )

    for plan, count in gone:
        yield failure(
            "subscriptions",
            f"{count} live subscriptions are on the plan {plan!r}, which the catalog no longer "
            "has: they are paid for and include nothing.",
            "Put it back into the catalog, with 'archived = true' where it is not to be sold. If "
            "it has another key now, name its prices under 'former' of that plan's, then run "
            "'flask billing sync --all'.",
        )

    if not double and not unknown and not gone:
        yield ok("subscriptions", "Every customer has one plan at most, and every plan is known.")


def orphans() -> c.Iterator[Finding]:
    """Live subscriptions at Stripe that this app knows nothing of."""
    page = itertools.islice(gateway().list("/v1/subscriptions"), MOST)
    found = {one["id"]: one for one in page}

    with reading() as connection:
        known = set(
            connection.scalars(
                sa.select(Subscription.stripe_id).where(Subscription.stripe_id.in_(found))
            )
        )
        linked = set(
            connection.scalars(
                sa.select(Customer.stripe_id).where(
                    Customer.stripe_id.in_(
                        {reference(one.get("customer")) for one in found.values()}
                    )
                )
            )
        )

    lost = [
        stripe_id
        for stripe_id, one in found.items()
        if stripe_id not in known
        and (reference(one.get("customer")) in linked or CUSTOMER in (one.get("metadata") or {}))
    ]

    if lost:
        yield failure(
            "orphans",
            f"{len(lost)} live subscriptions of customers of this app are unknown here: "
            f"{_listed(lost)}. They are charged and have no plan.",
            _remedy({reference(found[one].get("customer")) for one in lost} - linked),
        )
    else:
        yield ok("orphans", f"All of the {len(found)} live subscriptions at Stripe are known.")


def _remedy(strangers: c.Collection[str | None]) -> str:
    """What to run; customers that are unknown too, as after a restored backup, one by one."""
    if not strangers:
        return "Run 'flask billing sync --all'."

    lines = ["Run 'flask billing sync --all', and for the customers that are unknown too:"]

    for stripe_id in sorted(one for one in strangers if one is not None):
        theirs = gateway().get(f"/v1/customers/{stripe_id}").get("metadata") or {}
        owner = shlex.join([theirs.get(name) or name.upper() for name in _OWNER])
        lines.append(f"flask billing sync {owner} --link {stripe_id}")

    return "\n".join(lines)


def _listed(names: c.Sequence[object], most: int = 5) -> str:
    shown = ", ".join(str(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
