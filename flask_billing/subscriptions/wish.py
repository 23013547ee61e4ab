"""What somebody wants of a subscription, before it is recorded."""

from __future__ import annotations

import collections.abc as c
import dataclasses
import datetime as dt
import typing as t

from ..models import SubscriptionChange


@dataclasses.dataclass(frozen=True)
class Wish:
    """What somebody wants of a subscription.

    :param kind: a key of :data:`.kinds.KINDS`.
    :param request: all that the calls to Stripe are made of; plain JSON.
    :param quote_id: the quote that was confirmed; each is carried out once.
    :param amount: minor units that are charged now.
    :param reason: the customer's reason for leaving, or the code of a refusal.
    :param feedback: what they said in their own words.
    :param actor: who asked, as the history shows it.
    :param shown: what they had read when they asked.
    """

    kind: str
    request: c.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    to_plan: str | None = None
    to_interval: str | None = None
    quantity: int | None = None
    effective_at: dt.datetime | None = None
    amount: int | None = None
    currency: str | None = None
    quote_id: str | None = None
    reason: str | None = None
    feedback: str | None = None
    actor: str | None = None
    shown: str | None = None

    def matches(self, change: SubscriptionChange) -> bool:
        """Whether an intent that is open asks for the same."""
        return change.kind == self.kind and change.request == dict(self.request)
