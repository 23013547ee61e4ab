"""What came of the visits: who cancelled, who took an offer, and who was still there later."""

from __future__ import annotations

import collections.abc as c
import dataclasses
import datetime as dt
import math
import statistics
import typing as t

import sqlalchemy as sa

from .. import clock
from ..database import reading
from ..models import Cancellation

#: Visits an arm needs, and days since its first, before arms are compared.
LEAST_VISITS: t.Final = 100
LEAST_DAYS: t.Final = 14

_Z95: t.Final = statistics.NormalDist().inv_cdf(0.975)


@dataclasses.dataclass(frozen=True)
class Share:
    """A part of a whole, with Wilson's 95 % interval."""

    part: int
    whole: int

    @property
    def rate(self) -> float | None:
        """Between 0 and 1; None of nothing."""
        return self.part / self.whole if self.whole else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Where the true rate lies, 19 times of 20."""
        if not self.whole:
            return None

        rate, size = self.part / self.whole, self.whole
        scale = 1 + _Z95**2 / size
        middle = (rate + _Z95**2 / (2 * size)) / scale
        spread = _Z95 * math.sqrt(rate * (1 - rate) / size + _Z95**2 / (4 * size**2)) / scale
        return max(0.0, middle - spread), min(1.0, middle + spread)


@dataclasses.dataclass(frozen=True)
class Totals:
    """Some visits, counted.

    :param visits: that are over.
    :param saved: an offer was taken.
    :param abandoned: left without a decision.
    :param retained_30: of those judged after 30 days.
    """

    visits: int
    cancelled: Share
    saved: Share
    abandoned: Share
    retained_30: Share
    retained_90: Share


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Two arms of an experiment.

    :param p_value: how often chance alone makes such a difference; None without enough data.
    """

    arms: tuple[str, str]
    retained: tuple[Share, Share]
    p_value: float | None


@dataclasses.dataclass(frozen=True)
class Report:
    """The visits since a day.

    :param by_offer: offer and reason -> the visits on which it was shown.
    """

    since: dt.datetime
    all: Totals
    by_offer: dict[tuple[str, str | None], Totals]
    by_variant: dict[str, Totals]
    comparisons: tuple[Comparison, ...]


def report(*, days: int = 90) -> Report:
    """Count the visits of the last days."""
    since = clock.now() - dt.timedelta(days=days)
    columns = (
        Cancellation.outcome,
        Cancellation.reason,
        Cancellation.variant,
        Cancellation.offers_shown,
        Cancellation.offer_accepted,
        Cancellation.judged_30,
        Cancellation.judged_90,
        Cancellation.started_at,
    )

    with reading() as connection:
        visits = connection.execute(
            sa.select(*columns).where(
                Cancellation.started_at >= since, Cancellation.outcome.is_not(None)
            )
        ).all()

    offers, variants = _by_offer(visits), _by_variant(visits)
    return Report(
        since,
        _totals(visits),
        {key: _totals(found) for key, found in offers.items()},
        {key: _totals(found) for key, found in variants.items()},
        tuple(_comparisons(variants)),
    )


def p_value(one: Share, other: Share) -> float:
    """The two-proportion z-test: how often chance alone makes a difference as big as this."""
    pooled = (one.part + other.part) / (one.whole + other.whole)
    spread = math.sqrt(pooled * (1 - pooled) * (1 / one.whole + 1 / other.whole))

    if spread == 0:
        return 1.0

    distance = abs(one.part / one.whole - other.part / other.whole) / spread
    return 2 * (1 - statistics.NormalDist().cdf(distance))


Visits = c.Sequence[sa.Row[t.Any]]


def _totals(visits: Visits) -> Totals:
    def share(part: c.Callable[[t.Any], bool]) -> Share:
        return Share(sum(map(part, visits)), len(visits))

    def judged(column: str) -> Share:
        found = [verdict for visit in visits if (verdict := getattr(visit, column)) is not None]
        return Share(found.count("retained"), len(found))

    return Totals(
        visits=len(visits),
        cancelled=share(lambda visit: visit.outcome == "cancelled"),
        saved=share(lambda visit: visit.offer_accepted is not None),
        abandoned=share(lambda visit: visit.outcome == "abandoned"),
        retained_30=judged("judged_30"),
        retained_90=judged("judged_90"),
    )


def _by_offer(visits: Visits) -> dict[tuple[str, str | None], list[sa.Row[t.Any]]]:
    found: dict[tuple[str, str | None], list[sa.Row[t.Any]]] = {}

    for visit in visits:
        for key in sorted({entry["offer"] for entry in visit.offers_shown or ()}):
            found.setdefault((key, visit.reason), []).append(visit)

    return found


def _by_variant(visits: Visits) -> dict[str, list[sa.Row[t.Any]]]:
    found: dict[str, list[sa.Row[t.Any]]] = {}

    for visit in visits:
        if visit.variant is not None:
            found.setdefault(visit.variant, []).append(visit)

    return dict(sorted(found.items()))


def _comparisons(variants: c.Mapping[str, Visits]) -> c.Iterator[Comparison]:
    """Each arm with each other of its experiment."""
    names = list(variants)

    for index, one in enumerate(names):
        for other in names[index + 1 :]:
            if one.partition(":")[0] != other.partition(":")[0]:
                continue

            shares = _totals(variants[one]).retained_30, _totals(variants[other]).retained_30
            enough = all(_is_enough(variants[name]) for name in (one, other)) and all(
                share.whole >= LEAST_VISITS for share in shares
            )
            yield Comparison((one, other), shares, p_value(*shares) if enough else None)


def _is_enough(visits: Visits) -> bool:
    first = min(visit.started_at for visit in visits)
    return bool(clock.now() - first >= dt.timedelta(days=LEAST_DAYS))
