"""What a customer wants to change to, settled by the catalog and never by the request."""

from __future__ import annotations

import dataclasses
import typing as t

from ..catalog import Interval, Plan
from ..checkout import seats
from ..errors import UnknownPlanError
from ..models import Subscription
from ..state import state
from ..stripe_metered import metered_prices_of
from ..stripe_prices import amount_of, stripe_price_of


@dataclasses.dataclass(frozen=True)
class Target:
    """A plan as it could be had.

    :param price: id of the Stripe price.
    :param amount: minor units a seat and interval, where it is known.
    :param metered: ids of the Stripe prices that bill use beside it; None keeps those there are.
    """

    plan: Plan
    interval: Interval
    quantity: int
    price: str
    amount: int | None
    metered: tuple[str, ...] | None = None


def target_of(
    subscription: Subscription, plan: str | None, interval: str | None, quantity: int | None
) -> Target:
    """The target of a change. What is None stays as it is.

    Who only changes seats keeps the prices they have, also where new customers pay others.

    :raises UnknownPlanError: for what is not sold.
    """
    current = plan_of(subscription)
    key = plan if plan is not None else subscription.plan or subscription.last_plan
    chosen = state().catalog.plan(key)
    wanted = interval or subscription.interval

    metered = None

    if chosen is not None and chosen == current and wanted == subscription.interval:
        price, amount = subscription.price, subscription.unit_amount
        assert price is not None, "a subscription has a price"
    else:
        sold = state().catalog.purchasable(key, wanted, subscription.currency)
        assert chosen is not None
        price = stripe_price_of(chosen, sold)
        metered = metered_prices_of(chosen, sold)
        amount = amount_of(price) if sold.amount is None else sold.amount

    return Target(
        chosen,
        t.cast("Interval", wanted),
        seats(chosen, _quantity(subscription, current, chosen, quantity)),
        price,
        amount,
        metered,
    )


def plan_of(subscription: Subscription) -> Plan | None:
    """The plan a subscription is on; None where the catalog never knew its price."""
    return state().catalog.plan(subscription.plan or subscription.last_plan)


def _quantity(
    subscription: Subscription, current: Plan | None, chosen: Plan, asked: int | None
) -> int:
    if asked is not None:
        if chosen.seats is None and asked != 1:
            raise UnknownPlanError(
                f"{chosen.name} is not sold per seat, and {asked} seats were asked for. "
                "Nothing was charged."
            )

        return asked

    if chosen.seats is None:
        return 1

    counted = current is not None and current.seats is not None
    return max(subscription.quantity if counted else 1, chosen.seats.min)
