"""What names the counters that are reported to Stripe."""

from __future__ import annotations

import typing as t

import sqlalchemy as sa

from ..models import UsageCounter


class Key(t.NamedTuple):
    """Names a counter."""

    customer_id: int
    meter: str
    bucket: str


def named(key: Key) -> tuple[sa.ColumnElement[bool], ...]:
    """The condition that a counter is this one."""
    return (*of_meter(key), UsageCounter.bucket == key.bucket)


def of_meter(key: Key) -> tuple[sa.ColumnElement[bool], ...]:
    """The condition that a counter is of the same customer and meter."""
    return UsageCounter.customer_id == key.customer_id, UsageCounter.meter == key.meter


def of_family(bucket: str) -> tuple[sa.ColumnElement[bool], ...]:
    """The condition that a counter is of the same window, and of the customer as a whole."""
    return (
        UsageCounter.bucket.startswith(bucket[0], autoescape=True),
        UsageCounter.bucket.not_like("%|%"),
    )
