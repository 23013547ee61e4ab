"""Events that Stripe has and that never came, so that a lost webhook heals by itself.

Stripe keeps events for 30 days (docs.stripe.com/api/events). What is found goes through the
inbox like a delivery, so what arrives after all is a duplicate of it.
"""

from __future__ import annotations

import collections.abc as c
import datetime as dt
import itertools
import json
import typing as t

import sqlalchemy as sa

from .. import clock
from ..database import reading
from ..models import WebhookEvent
from ..stripe_gateway import gateway
from .handlers import HANDLERS
from .inbox import Outcome, receive
from .verify import Event

#: How long Stripe tells what happened.
KEPT_BY_STRIPE: t.Final = dt.timedelta(days=30)
#: Looked at in one go, the oldest first, so that the events of a month need not fit in memory.
_STRETCH: t.Final = dt.timedelta(days=1)
_BATCH: t.Final = 100


def receive_missed(
    since: dt.timedelta = KEPT_BY_STRIPE, goes_on: c.Callable[[], bool] = lambda: True
) -> dict[Outcome, int]:
    """Receive the events of some time that are not in the inbox, the oldest first.

    :param since: how far back to look; no further than Stripe does.
    :param goes_on: asked between events whether there is time for more.
    :returns: what became of those that were missing.
    :raises StripeError: where Stripe cannot be asked. What was received stays.
    """
    outcomes: dict[Outcome, int] = {}
    now = clock.now()
    start = now - min(since, KEPT_BY_STRIPE)

    while start <= now:
        for event in _missing(start, start + _STRETCH):
            if not goes_on():
                return outcomes

            outcome = receive(event, json.dumps(event).encode())
            outcomes[outcome] = outcomes.get(outcome, 0) + 1

        start += _STRETCH

    return outcomes


def _missing(start: dt.datetime, end: dt.datetime) -> list[Event]:
    """The events of a stretch of time that nobody delivered, the oldest first."""
    stretch = {"created": {"gte": int(start.timestamp()), "lt": int(end.timestamp())}}
    known_types = (
        event for event in gateway().list("/v1/events", stretch) if event["type"] in HANDLERS
    )
    missing: list[Event] = []

    while batch := list(itertools.islice(known_types, _BATCH)):
        there = _in_inbox([event["id"] for event in batch])
        missing += [event for event in batch if event["id"] not in there]

    return missing[::-1]


def _in_inbox(ids: c.Sequence[str]) -> set[str]:
    with reading() as connection:
        return set(
            connection.scalars(
                sa.select(WebhookEvent.stripe_id).where(WebhookEvent.stripe_id.in_(ids))
            )
        )
