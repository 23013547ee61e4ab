"""What a call is measured against: a limit with its open bucket, and all those of a meter."""

from __future__ import annotations

import dataclasses
import typing as t
from datetime import UTC, datetime

from ..catalog import Limit, Meter, Plan
from .buckets import Bucket

#: Beyond every counter, and far from what 64 bits hold.
NO_CEILING: t.Final = 2**62
ALWAYS: t.Final = (
    datetime.min.replace(tzinfo=UTC),
    datetime.max.replace(tzinfo=UTC),
)


@dataclasses.dataclass(slots=True)
class Slot:
    """One limit and its open bucket.

    :param ceiling: most units, used and held, that the guard admits.
    :param steps: usage at which a threshold is crossed, ascending.
    :param creditable: whether credits extend the limit.
    """

    limit: Limit
    bucket: Bucket
    ceiling: int
    steps: tuple[int, ...]
    creditable: bool = False
    #: Whether no limit goes by the bucket any more. It is counted on all the same, so that a
    #: plan that takes it up again before it ends finds what was used meanwhile.
    lapsed: bool = False
    #: Whether what is used now is not what a metered price goes by that billed it before.
    unbilled: bool = False
    #: What this process saw last in the counter. Advice: the guard decides.
    used: int = 0
    reserved: int = 0
    #: Units of both that credits cover. They weigh on a limit that credits do not extend.
    credited: int = 0
    #: Whether the limit is lower than when a threshold was looked at last.
    lowered: bool = False
    #: Most units a call may reach without crossing the next threshold. Such a call needs no
    #: look at notices; the others take the path that writes them.
    step: int = 0

    @property
    def taken(self) -> int:
        """Units that weigh on the limit: used and held, without what credits cover."""
        return self.used + self.reserved - self.lifted(self.credited)

    def lifted(self, credited: int) -> int:
        """Those of the units that credits cover which do not weigh on the limit."""
        return credited if self.creditable else 0

    def saw(self, used: int, reserved: int, credited: int) -> None:
        """Remember a counter, and which threshold comes next."""
        self.used, self.reserved, self.credited = used, reserved, credited
        counted = used - self.lifted(credited)
        # Holds weigh on the guard but cross no threshold, so the step only ever comes early.
        self.step = next((step - 1 for step in self.steps if step > counted), NO_CEILING)

        if self.unbilled:
            self.step = -1  # the careful way notes that


class Terms(t.NamedTuple):
    """What a counter is under.

    :param limit: the included units; None where nothing new is said.
    :param bills_from: from how many units on Stripe bills what is used; None where it does not.
    """

    plan: str | None
    limit: int | None
    bills_from: int | None


SAME_TERMS: t.Final = Terms(None, None, None)


@dataclasses.dataclass(frozen=True, slots=True)
class Generation:
    """Beside which limits the counters of a meter count, as far as this process knows.

    A counter is only ever opened by a process in whose limits its window is, and which tells the
    counters beside it. Whoever knows other limits finds another number there than they know.

    :param windows: windows and scopes of the limits in force.
    :param number: what the counters say, or are to be told.
    :param seen: the number that was read; a higher one was told since.
    """

    windows: str
    number: int
    seen: int


@dataclasses.dataclass(slots=True)
class Slots:
    """The slots of one meter, and the counters among them that are still to be opened.

    :param every: those of the limits in force, then those that no limit goes by any more.
    :param marks: what an event says of where it is counted, beside its time.
    :param is_dated: whether a counter among them is still to be told the generation.
    """

    meter: Meter
    plan: Plan | None
    every: tuple[Slot, ...]
    unopened: list[Slot]
    generation: Generation
    marks: dict[str, object]
    is_dated: bool = False
    #: Units of credit that this process saw last. Advice: the grants decide.
    credits: int = 0
    #: Whether one of them is a member's own, so that other members have others.
    by_member: bool = False
    #: From when until when no other counter is counted on.
    span: tuple[datetime, datetime] = ALWAYS
    #: Keys of counters that are not open, and would sum up what is booked in these.
    left_out: tuple[str, ...] = ()

    @property
    def in_force(self) -> tuple[Slot, ...]:
        """Those that a limit goes by."""
        return tuple([slot for slot in self.every if not slot.lapsed])

    @property
    def rolls_over(self) -> bool:
        """Whether what the period before left is still to be carried into one of these."""
        return any(slot.limit.rollover for slot in self.unopened)

    def terms(self, slot: Slot) -> Terms:
        """What a counter is under now. One that lapsed keeps what it was under last."""
        if slot.lapsed:
            return SAME_TERMS

        plan, limit = self.plan, slot.limit
        overage = (limit.policy, limit.window, limit.scope)
        bills = overage == ("overage", "billing_period", "customer") and not limit.unlimited
        bills = bills and plan is not None and plan.bills(limit.meter)
        return Terms(plan.key if plan else None, limit.included, limit.included if bills else None)

    def copy(self) -> Slots:
        """Slots that no other thread sees."""
        every = tuple([dataclasses.replace(slot) for slot in self.every])
        unopened = [
            mine for mine, slot in zip(every, self.every, strict=True) if slot in self.unopened
        ]
        return dataclasses.replace(self, every=every, unopened=unopened)

    def hold(self, at: datetime) -> bool:
        """Whether a moment lies in the bucket of every limit."""
        return all(slot.bucket.holds(at) for slot in self.every if not slot.lapsed)

    def fit(self, at: datetime) -> bool:
        """Whether what is used at a moment counts in these, and in no others."""
        return self.span[0] <= at < self.span[1] and self.hold(at)
