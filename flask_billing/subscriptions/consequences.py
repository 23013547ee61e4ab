"""What a customer gains and loses by another plan, and where they use more than it includes."""

from __future__ import annotations

import dataclasses

from .. import metering
from ..catalog import UNLIMITED, Limit, Meter, Plan
from ..models import Customer
from ..state import state


@dataclasses.dataclass(frozen=True)
class LimitChange:
    """How much of a meter is included before and after; None is not at all."""

    meter: Meter
    before: Limit | None
    after: Limit | None


@dataclasses.dataclass(frozen=True)
class OverLimit:
    """More is used now than the other plan includes.

    :param used: units used in the current period, in the meter's smallest ones.
    """

    meter: Meter
    used: int
    limit: Limit


@dataclasses.dataclass(frozen=True)
class Consequences:
    """What changes beside the price.

    :param gained: features in the words of the new plan.
    :param lost: features in the words of the plan that is left.
    :param limits: the limits that change.
    """

    gained: tuple[str, ...]
    lost: tuple[str, ...]
    limits: tuple[LimitChange, ...]
    over_limits: tuple[OverLimit, ...]


def of_change(customer: Customer, before: Plan | None, after: Plan) -> Consequences:
    """Compare two plans, and the usage of a customer with the second."""
    changes = tuple(_limit_changes(before, after))
    return Consequences(
        gained=_features(after, but=before),
        lost=_features(before, but=after),
        limits=changes,
        over_limits=tuple(_over_limits(customer, changes)),
    )


def _features(plan: Plan | None, *, but: Plan | None) -> tuple[str, ...]:
    """The features of a plan that another has not."""
    if plan is None:
        return ()

    has = {(f.key or f.text.casefold()) for f in but.features if f.included} if but else set()
    return tuple(
        feature.text
        for feature in plan.features
        if feature.included and (feature.key or feature.text.casefold()) not in has
    )


def _limit_changes(before: Plan | None, after: Plan) -> list[LimitChange]:
    held = _by_meter(before)
    coming = _by_meter(after)
    return [
        LimitChange(meter, held.get(meter.key), coming.get(meter.key))
        for meter in state().catalog.meters
        if _includes(held.get(meter.key)) != _includes(coming.get(meter.key))
    ]


def _by_meter(plan: Plan | None) -> dict[str, Limit]:
    """The first limit of each meter, as cards show it."""
    found: dict[str, Limit] = {}

    for limit in plan.limits if plan is not None else ():
        found.setdefault(limit.meter, limit)

    return found


def _includes(limit: Limit | None) -> tuple[int, str] | None:
    return None if limit is None else (limit.included, limit.window)


def _over_limits(customer: Customer, changes: tuple[LimitChange, ...]) -> list[OverLimit]:
    found = []

    for change in changes:
        limit = change.after

        if limit is None or limit.included in (0, UNLIMITED):
            continue

        used = metering.usage(change.meter.key, customer=customer).used

        if used > limit.included:
            found.append(OverLimit(change.meter, used, limit))

    return found
