"""When a subscription renews next, and which renewals a discount of some months takes in."""

from __future__ import annotations

import collections.abc as c
import itertools
from datetime import datetime

from ..metering.buckets import add_months
from ..models import Subscription


def renewals(subscription: Subscription) -> c.Iterator[datetime]:
    """The next renewals, the first being the end of the running period; without an end."""
    end = subscription.current_period_end
    assert end is not None, "a live subscription has a period"
    anchor = subscription.anchor or end
    step = 12 if subscription.interval == "year" else 1
    # Counted from the anchor, whose day each keeps: 31 January, 28 February, 31 March.
    months = (end.year - anchor.year) * 12 + end.month - anchor.month

    if add_months(anchor, months) != end:  # moved by a trial, or by Stripe's own hand
        anchor, months = end, 0

    for number in itertools.count():
        yield add_months(anchor, months + number * step)


def months_for(subscription: Subscription, wanted: int, start: datetime) -> tuple[int, int]:
    """How long a discount must last to take in so many monthly renewals.

    Stripe ends it some calendar months after its start. From the end of February that may be
    days before the renewal that was meant to be the last, so it is given a month more.

    :param start: when the discount begins.
    :returns: its months at Stripe, and the renewals it takes in: never fewer than wanted.
    """
    for months in itertools.count(wanted):
        covered = _before(renewals(subscription), add_months(start, months))

        if covered >= wanted:
            return months, covered

    raise AssertionError("each month brings a renewal")


def _before(moments: c.Iterator[datetime], end: datetime) -> int:
    return sum(1 for _moment in itertools.takewhile(lambda moment: moment < end, moments))
