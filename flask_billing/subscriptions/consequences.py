"""What a customer gains and loses by another plan, and where they use more than it includes."""

from __future__ import annotations

import dataclasses

from .. import metering
from ..catalog import UNLIMITED, Limit, Meter, Plan
from ..models import Customer
from ..state import state


@dataclasses.dataclass(frozen=True)
class LimitChange:
    """How much of a meter is included in a window before and after; None is not at all."""

    meter: Meter
    before: Limit | None
    after: Limit | None


@dataclasses.dataclass(frozen=True)
class OverLimit:
    """More is used now than the other plan includes.

    :param used: units used so far in the limit's window, in the meter's smallest ones.
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
    return Consequences(
        gained=_features(after, but=before),
        lost=_features(before, but=after),
        limits=tuple(_limit_changes(before, after)),
        over_limits=tuple(_over_limits(customer, before, after)),
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
    return [
        LimitChange(meter, held, coming)
        for meter in state().catalog.meters
        for held, coming in _paired(_limits_of(before, meter.key), _limits_of(after, meter.key))
        if _includes(held) != _includes(coming)
    ]


def _limits_of(plan: Plan | None, meter: str) -> list[Limit]:
    return [limit for limit in (plan.limits if plan is not None else ()) if limit.meter == meter]


def _paired(held: list[Limit], coming: list[Limit]) -> list[tuple[Limit | None, Limit | None]]:
    """The limits of a meter in the same window, then those of others in their order.

    A further window that comes or goes is no more and no less of the meter.
    """
    if not held or not coming:
        return [(held[0] if held else None, coming[0] if coming else None)]

    left, others = list(held), []
    pairs: list[tuple[Limit | None, Limit | None]] = []

    for limit in coming:
        kind = limit.window, limit.scope
        same = next((one for one in left if (one.window, one.scope) == kind), None)

        if same is None:
            others.append(limit)
        else:
            left.remove(same)
            pairs.append((same, limit))

    return [*pairs, *zip(left, others, strict=False)]


def _includes(limit: Limit | None) -> tuple[int, str] | None:
    return None if limit is None else (limit.included, limit.window)


def _over_limits(customer: Customer, before: Plan | None, after: Plan) -> list[OverLimit]:
    """One for each meter, against the limits that the other plan brings."""
    held = [_terms(limit) for limit in (before.limits if before is not None else ())]
    brought = [
        limit
        for limit in after.limits
        if _terms(limit) not in held
        and limit.scope == "customer"
        and limit.included not in (0, UNLIMITED)
    ]
    counted = metering.usages(customer) if brought else []
    found: dict[str, OverLimit] = {}

    for limit in brought:
        used = _used(limit, counted)

        if used > limit.included:
            meter = state().catalog.meter(limit.meter)
            found.setdefault(limit.meter, OverLimit(meter, used, limit))

    return list(found.values())


def _terms(limit: Limit) -> tuple[str, str, str, int]:
    return limit.meter, limit.window, limit.scope, limit.included


def _used(limit: Limit, counted: list[metering.Usage]) -> int:
    """What is used in a limit's window; where that is not counted, the most of any."""
    used = [(one.window, one.used) for one in counted if one.meter == limit.meter]
    mine = [units for window, units in used if window == limit.window]
    return max(mine or [units for _, units in used], default=0)
