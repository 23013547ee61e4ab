"""The limits in force for a customer: override before plan before the catalog's default."""

from __future__ import annotations

import dataclasses
import typing as t
import zoneinfo
from datetime import UTC, datetime, tzinfo

from ..catalog import UNLIMITED, Catalog, Limit, Window
from .buckets import Bucket, bucket_for, epoch_at


@dataclasses.dataclass(frozen=True, slots=True)
class Override:
    """An admin's limit in force; ``window`` None is every window, ``limit`` None inherits."""

    meter: str
    window: str | None
    limit: int | None


class BlockedLimit(Limit):
    """An admin's override of 0, which no credits lift."""


@dataclasses.dataclass(frozen=True, slots=True)
class Facts:
    """What decides a customer's limits, as it was when read.

    :param plan: key of the plan whose limits hold.
    :param anchor: where billing periods are counted from.
    :param came: when the customer was created, where those without a subscription are.
    :param since: when the subscription began that holds; None without one.
    :param overrides: those in force, the newest first.
    """

    customer_id: int
    plan: str | None
    trialing: bool
    anchor: datetime
    came: datetime
    trial: tuple[datetime, datetime] | None
    since: datetime | None
    timezone: str | None
    overrides: tuple[Override, ...]
    #: Meter and window -> when an admin reset the quota, ascending.
    resets: dict[tuple[str, str], tuple[datetime, ...]]

    @property
    def zone(self) -> tzinfo:
        """The customer's time zone, or UTC."""
        try:
            return zoneinfo.ZoneInfo(self.timezone) if self.timezone else UTC
        except (
            KeyError,
            ValueError,
            OSError,
        ):  # a name this system's time zone database does not have
            return UTC

    def was_trialing(self, at: datetime) -> bool:
        """Whether the subscription that holds was on trial at a moment."""
        return self.trial is not None and self.trial[0] <= at < self.trial[1]

    def bucket(
        self,
        window: Window,
        meter: str,
        at: datetime,
        member: str | None,
        anchor: datetime | None = None,
    ) -> Bucket:
        """The bucket of one limit at a moment.

        :param anchor: of another subscription than the one that holds.
        """
        return bucket_for(
            window,
            at,
            anchor=anchor or self.anchor,
            zone=self.zone,
            trial=self.trial if anchor is None else None,
            epoch=epoch_at(self.resets.get((meter, window), ()), at),
            member=member,
        )

    def limits(self, catalog: Catalog, meter: str) -> tuple[Limit, ...]:
        """The limits in force on a meter. Never empty.

        A meter that no limit of the catalog names is only tracked: it is unlimited. One that
        other plans name is not included in this one.
        """
        plan = catalog.plan(self.plan)
        listed = plan.limits_for(trialing=self.trialing) if plan else ()
        found = [limit for limit in listed if limit.meter == meter] or [
            limit for limit in catalog.default_limits if limit.meter == meter
        ]

        mine = [override for override in self.overrides if override.meter == meter]
        found += _added(mine, {limit.window for limit in found})

        if not found:
            included = 0 if _is_limited(catalog, meter) else UNLIMITED
            found = [Limit(meter=meter, included=included)]

        return tuple(_with_override(limit, mine) for limit in found)


def _added(overrides: list[Override], listed: set[Window]) -> list[Limit]:
    """Limits that overrides set in windows the plan has none in."""
    windows = dict.fromkeys(override.window for override in overrides)
    return [
        Limit(meter=overrides[0].meter, included=UNLIMITED, window=t.cast("Window", window))
        for window in windows
        if window is not None
        and window not in listed
        and next(one for one in overrides if one.window == window).limit is not None
    ]


def _with_override(limit: Limit, overrides: list[Override]) -> Limit:
    """The newest override of exactly this window counts, else the newest of every window."""
    exact = next((one for one in overrides if one.window == limit.window), None)
    chosen = exact or next((one for one in overrides if one.window is None), None)

    if chosen is None or chosen.limit is None:
        return limit

    if chosen.limit == 0:
        policy = "credits" if _takes_credits(limit) else "hard"
        return BlockedLimit.of({**vars(limit), "included": 0, "policy": policy})

    return limit.replace(included=chosen.limit)


def extended_by_credits(limits: tuple[Limit, ...]) -> list[Limit]:
    """The limits of a meter beyond which units are taken from credits.

    Those that say so, by their policy or by rolling over; where none does, every limit of the
    customer as a whole. An override of 0 blocks, whatever was granted, and those beside it that
    were firm stay so.
    """
    told = [limit for limit in limits if _takes_credits(limit)]
    found = told or [limit for limit in limits if limit.policy == "hard"]
    return [
        limit
        for limit in found
        if not (limit.unlimited or limit.policy == "soft" or isinstance(limit, BlockedLimit))
        and (limit.scope == "customer" or limit.policy == "credits")
    ]


def _takes_credits(limit: Limit) -> bool:
    return limit.policy in ("credits", "overage") or limit.rollover


def _is_limited(catalog: Catalog, meter: str) -> bool:
    return any(
        limit.meter == meter
        for plan in catalog.plans
        for limit in (*plan.limits, *(plan.trial_limits or ()))
    ) or any(limit.meter == meter for limit in catalog.default_limits)
