"""The order of events: what followed what in recorded lists follows in ours too."""

from __future__ import annotations

import collections.abc as c
import itertools

from .cassettes import Body
from .differences import Difference
from .shapes import kind_of

#: Stripe tells of one payment three times at once, in whatever order.
_ANY_ORDER = {"charge.succeeded", "invoice_payment.paid", "payment_intent.succeeded"}

Pair = tuple[str, str]


def lists_of_events(recorded: c.Iterable[tuple[str, Body]]) -> list[list[Body]]:
    """The recorded lists of events, each with the oldest first."""
    return [
        list(reversed(body["data"]))
        for _, body in recorded
        if body.get("object") == "list" and body["data"] and body["data"][0]["object"] == "event"
    ]


def followers(events: c.Iterable[Body], types: c.Collection[str]) -> set[Pair]:
    """Which kind of event came right after which, of these types."""
    kinds = [kind_of(event) for event in events if event["type"] in types]
    return set(itertools.pairwise(kinds))


def compare_order(
    lists: list[list[Body]], ours: list[list[Body]], where: str, version: str
) -> tuple[int, list[Difference]]:
    """How many pairs were recorded, and those that never come together in ours."""
    types = {event["type"] for events in lists for event in events} - _ANY_ORDER
    theirs = {pair for events in lists for pair in followers(events, types)}
    made = {pair for events in ours for pair in followers(events, types)}
    missing = sorted(theirs - made)
    return len(theirs), [
        Difference(where, "order", version, f"{before} then {after}", "missing", "in this order")
        for before, after in missing
    ]
