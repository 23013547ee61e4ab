"""What metering answers: how much is used, and whether a call was allowed."""

from __future__ import annotations

import dataclasses
import typing as t
from datetime import datetime

from ..catalog import UNLIMITED, Limit, Meter, Policy, Window
from ..usage_charge import UsageCharge
from .buckets import Bucket

Level = t.Literal["ok", "warning", "critical", "exceeded"]
Colour = t.Literal["ok", "info", "warn", "crit"]
Source = t.Literal["included", "credits", "overage"]
Reason = t.Literal[
    "within_limit", "over_limit", "not_included", "overage_cap", "degraded", "disabled"
]


@dataclasses.dataclass(frozen=True, slots=True)
class Usage:
    """How much of a meter is used in one window, and what that means.

    Amounts are whole numbers of the meter's smallest unit.

    :param limit: what is included; None is unlimited, 0 is not included in the plan.
    :param period_start: None for a one-shot allowance.
    :param resets_at: when counting starts afresh (UTC); None for a one-shot allowance.
    :param overage_rate: price of one unit beyond the included ones, in millionths of the
        currency's minor unit; None where nothing is sold beyond them.
    """

    meter: str
    name: str
    unit: str
    scale: int
    used: int
    reserved: int
    limit: int | None
    window: Window
    policy: Policy
    period_start: datetime | None
    resets_at: datetime | None
    overage_rate: int | None
    thresholds: tuple[int, ...]
    #: Percents from which the meter looks amber and red.
    colour_percents: tuple[int, int] = (70, 90)
    #: Units used and held that credits cover; they weigh on no limit.
    credited: int = 0
    #: Units of credit left.
    credits: int = 0
    #: Most units beyond the limit that are sold; None without a cap.
    overage_cap: int | None = None
    #: What Stripe would charge for it as it stands; None where no metered price does, and in a
    #: decision, which does not look for it.
    estimated_charge: UsageCharge | None = None

    @property
    def counted(self) -> int:
        """Units used that the limit counts: all but those that credits cover."""
        return max(0, self.used - self.credited)

    @property
    def unlimited(self) -> bool:
        """Whether nothing is ever refused."""
        return self.limit is None

    @property
    def included(self) -> bool:
        """Whether the plan includes any of it."""
        return self.limit != 0

    @property
    def remaining(self) -> int | None:
        """Units left in the period and of credits, held ones taken off; None where unlimited."""
        if self.limit is None:
            return None

        return max(0, self.limit - self.used - self.reserved + self.credited) + self.credits

    @property
    def left(self) -> int | None:
        """Units that are not refused yet, billed ones too; None where none ever is."""
        if self.stops_at is None:
            return None

        return max(0, self.stops_at - self.used - self.reserved + self.credited) + self.credits

    @property
    def over(self) -> int:
        """Units used beyond the limit and credits."""
        return 0 if self.limit is None else max(0, self.counted - self.limit)

    @property
    def goes_on(self) -> bool:
        """Whether more than the limit is sold, so that reaching it stops nothing."""
        return self.policy == "overage" and self.limit is not None

    @property
    def stops_at(self) -> int | None:
        """Units beyond which use is refused, those that credits cover aside; None is never."""
        if self.limit is None or self.policy == "soft":
            return None

        if not self.goes_on:
            return self.limit

        return None if self.overage_cap is None else self.limit + self.overage_cap

    @property
    def has_reset(self) -> bool:
        """Whether a new period will come. A one-shot allowance has none."""
        return self.resets_at is not None

    @property
    def percent(self) -> int | None:
        """Whole percents used, rounded down, above 100 where over; None where unlimited."""
        if self.limit is None:
            return None

        if self.limit == 0:
            return 100 if self.counted else 0

        return 100 * self.counted // self.limit

    @property
    def level(self) -> Level:
        """How much of the limit is used, by its thresholds. Decides notices, mails and answers.

        "exceeded" is not "refused" where use :attr:`goes_on`, or the limit is soft.
        """
        if self.limit is None:
            return "ok"

        if self.counted >= self.limit and not self.credits:
            return "exceeded"

        warnings = sorted(percent for percent in self.thresholds if percent < 100)

        if len(warnings) > 1 and reached(self.counted, self.limit, warnings[-1]):
            return "critical"

        return "warning" if warnings and reached(self.counted, self.limit, warnings[0]) else "ok"

    @property
    def colour(self) -> Colour:
        """How the meter looks: the value of ``data-fb-level``. Decides nothing else.

        Amber and red tell of a stop that comes near, which credits put off. Where use goes on
        beyond the limit that is the cap, and short of it "info" says that what is used is billed.
        A soft limit stops nothing: from where it comes near it is amber, and never red.
        """
        end = self.stops_at if self.goes_on else self.limit
        warn, crit = self.colour_percents

        if end is not None and reached(self.counted, end + self.credits, warn):
            stops = self.policy != "soft" and reached(self.counted, end + self.credits, crit)
            return "crit" if stops else "warn"

        return "info" if self.goes_on and self.is_beyond else "ok"

    @property
    def is_beyond(self) -> bool:
        """Whether what is used next is neither included nor paid by credits."""
        if not self.limit:
            return self.limit == 0 and self.counted > 0

        return self.counted >= self.limit and not self.credits


@dataclasses.dataclass(frozen=True, slots=True)
class Decision:
    """The answer to one call. Truthy when it was allowed.

    :param requested: the units asked for.
    :param replayed: whether the key had been booked before; nothing was booked again.
    :param source: what the units were taken from; of several the last.
    :param credits: how many of them were taken from credits.
    :param degraded: whether the usage store was down, and the call went on unbooked.
    :param status: usage after the decision, in the window that will stop use first, or that did.
    :param plan: key of the plan whose limits hold; None without a plan.
    :param key: the idempotency key of what was booked; None where nothing was.
    """

    allowed: bool
    requested: int
    reason: Reason
    status: Usage
    customer_id: int | None = None
    plan: str | None = None
    key: str | None = None
    buckets: tuple[str, ...] = ()
    replayed: bool = False
    source: Source = "included"
    degraded: bool = False
    credits: int = 0
    #: When what was booked happened; a refund is of the same time.
    at: datetime | None = None

    def __bool__(self) -> bool:
        return self.allowed

    @property
    def meter(self) -> str:
        """Key of the meter."""
        return self.status.meter

    @property
    def used(self) -> int:
        """Units used in the period."""
        return self.status.used

    @property
    def limit(self) -> int | None:
        """Units included in the period; None is unlimited."""
        return self.status.limit

    @property
    def remaining(self) -> int | None:
        """Units left; None is unlimited."""
        return self.status.remaining

    @property
    def resets_at(self) -> datetime | None:
        """When the period ends; None for a one-shot allowance."""
        return self.status.resets_at

    @property
    def level(self) -> Level:
        """How near the limit."""
        return self.status.level

    @property
    def overage_rate(self) -> int | None:
        """Price of a unit beyond the included ones, in millionths of the minor unit."""
        return self.status.overage_rate


def reached(used: int, limit: int, percent: int) -> bool:
    """Whether usage is at a percentage of the limit or beyond, in whole numbers."""
    return used * 100 >= limit * percent


def usage_of(
    meter: Meter,
    limit: Limit,
    bucket: Bucket,
    used: int,
    reserved: int,
    colour_percents: tuple[int, int],
    credited: int = 0,
    credits_left: int = 0,
) -> Usage:
    """Usage of one limit in one bucket."""
    return Usage(
        meter.key,
        meter.name,
        meter.unit,
        meter.scale,
        used,
        reserved,
        None if limit.included == UNLIMITED else limit.included,
        limit.window,
        limit.policy,
        bucket.start,
        bucket.end,
        limit.overage_rate,
        limit.thresholds,
        colour_percents,
        credited,
        credits_left,
        limit.overage_cap,
    )
