"""What Stripe's meters have added up for a customer."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from .. import clock
from ..stripe_gateway import gateway

_MINUTE = timedelta(minutes=1)


def next_minute(at: datetime) -> datetime:
    """The whole minute at or after a moment.

    Stripe adds up whole minutes only. One in which a period ends and another begins counts
    for the period that ends; usage of the other is reported from the next minute on.
    """
    whole = at.replace(second=0, microsecond=0)
    return whole if whole == at else whole + _MINUTE


def total(meter: str, customer: str, start: datetime, end: datetime | None) -> int | None:
    """Stripe's total of a period; None where no whole minute of it has begun.

    :param meter: Stripe's id of the meter.
    :param customer: Stripe's id of the customer.
    :param end: None where the period never ends.
    :raises StripeError: where Stripe does not say.
    """
    now = clock.now() + _MINUTE
    first, last = next_minute(start), next_minute(now if end is None else min(end, now))

    if first >= last:
        return None

    summaries = gateway().list(
        f"/v1/billing/meters/{meter}/event_summaries",
        {
            "customer": customer,
            "start_time": int(first.timestamp()),
            "end_time": int(last.timestamp()),
        },
    )
    return int(sum(Decimal(str(one["aggregated_value"])) for one in summaries))
