"""What was reported to a Stripe meter, beside the total Stripe keeps."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from .. import database
from ..models import Customer, UsageCounter
from ..state import BillingState
from . import export_overlaps
from .books_sums import Difference
from .export_keys import Key
from .export_rows import never_sent
from .stripe_totals import total


def differences(current: BillingState, customer_id: int, start: datetime) -> list[Difference]:
    """Counters whose reported units are not Stripe's total of their period.

    Stripe adds up events within minutes, so the total of a period that runs may lag behind.

    :param start: periods that ended before are left out.
    """
    if not any(meter.stripe_event for meter in current.catalog.meters):
        return []

    with database.reading() as connection:
        rows = connection.execute(
            sa.select(UsageCounter, Customer.stripe_id)
            .with_only_columns(
                UsageCounter.meter,
                UsageCounter.bucket,
                UsageCounter.reported,
                UsageCounter.stripe_meter_id,
                UsageCounter.period_start,
                UsageCounter.period_end,
                Customer.stripe_id,
                Customer.created_at,
            )
            .join(Customer, Customer.id == UsageCounter.customer_id)
            .where(
                UsageCounter.customer_id == customer_id,
                UsageCounter.reported != 0,
                UsageCounter.stripe_meter_id.is_not(None),
                UsageCounter.period_start.is_not(None),
                UsageCounter.period_end >= start,
                Customer.stripe_id.is_not(None),
            )
        ).all()

    found, seen = [], set()

    for row in rows:
        key = Key(customer_id, row.meter, row.bucket)

        with database.reading() as connection:
            # Of periods that overlap, Stripe's total says what they reported together.
            here = export_overlaps.stretch(connection, key)
            keys = [key._replace(bucket=bucket) for bucket in here.buckets]
            reported = here.reported - never_sent(connection, keys)

        if (row.meter, here.buckets) in seen:
            continue

        seen.add((row.meter, here.buckets))
        assert row.stripe_meter_id is not None, "asked for above"
        assert row.stripe_id is not None, "asked for above"
        start = here.start or row.created_at
        there = total(row.stripe_meter_id, row.stripe_id, start, here.end)

        if there is not None and there != reported:
            figures = ((reported,), (there,))
            found.append(Difference(customer_id, row.meter, "Stripe", here.buckets, *figures))

    return found
