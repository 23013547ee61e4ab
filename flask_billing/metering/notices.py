"""Thresholds crossed and quotas exhausted: noted once, in the transaction that caused it."""

from __future__ import annotations

import typing as t
from datetime import UTC, datetime

import sqlalchemy as sa

from .. import clock, database, outbox
from ..models import UsageNotice
from ..state import BillingState, state
from . import store
from .slots import Slot, Slots

#: Refusals one process remembers to have announced.
_MOST_REMEMBERED: t.Final = 10_000
_FAR: t.Final = datetime.max.replace(tzinfo=UTC)


def note_crossings(
    connection: sa.Connection,
    customer_id: int,
    slots: Slots,
    before: dict[str, int],
    after: dict[str, int],
) -> list[outbox.Written]:
    """Write a notice and a signal for each threshold between two readings of the counters.

    Each is written once per period, percent and limit, so a changed limit re-arms them. A limit
    that was lowered has passed those below what is used. A mail is written for the highest alone:
    who leaps from 70 to 97 percent hears of 95.

    :param before: bucket -> units used.
    :returns: the signals, to be sent after the commit.
    """
    now = clock.now()
    rows = [
        {
            "customer_id": customer_id,
            "meter": slots.meter.key,
            "bucket": slot.bucket.key,
            "percent": percent,
            "limit": slot.limit.included,
            "used": after[slot.bucket.key],
            "created_at": now,
        }
        for slot in slots.every
        for percent in _crossed(
            slot, -1 if slot.lowered else before[slot.bucket.key], after[slot.bucket.key]
        )
        if slot.bucket.end is None or now < slot.bucket.end
    ]

    if not rows:
        return []

    inserted = connection.execute(
        database.insert(connection, UsageNotice)
        .values(rows)
        .on_conflict_do_nothing(
            index_elements=["customer_id", "meter", "bucket", "percent", "limit"]
        )
        .returning(UsageNotice.bucket, UsageNotice.percent)
    ).all()
    fresh = {(row.bucket, row.percent) for row in inserted}
    by_key = {slot.bucket.key: slot for slot in slots.every}
    news = [
        _News(
            customer_id,
            t.cast("int", row["percent"]),
            t.cast("int", row["used"]),
            by_key[str(row["bucket"])],
        )
        for row in rows
        if (row["bucket"], row["percent"]) in fresh
    ]
    written = [outbox.signal_row("usage.threshold_reached", **one.row) for one in news]

    if news and state().app.config["BILLING_USAGE_MAILS"]:
        written.append(outbox.mail_row("usage_threshold", **max(news, key=_weight).row))

    return outbox.write(connection, written)


def announce_refusal(
    current: BillingState, connection: sa.Connection, customer_id: int, slot: Slot
) -> list[outbox.Written]:
    """Announce ``quota.exceeded``, once per period and limit."""
    key = _refusal_key(customer_id, slot)

    if not store.joins_session(current):  # else the host may roll the announcement back
        remembered: set[str] = current.caches.setdefault("metering.refusals", set())

        if len(remembered) >= _MOST_REMEMBERED:
            remembered.clear()

        remembered.add(key)

    row = outbox.signal_row("quota.exceeded", customer_id=customer_id, key=key, body=_body(slot))
    return outbox.write(connection, [row])


def was_announced(current: BillingState, customer_id: int, slot: Slot) -> bool:
    """Whether this process has announced this refusal before."""
    return _refusal_key(customer_id, slot) in current.caches.get("metering.refusals", ())


def refusal_key(customer_id: int, meter: str, bucket: str, included: int | None) -> str:
    """What makes a refusal the same as an earlier one: customer, meter, period and limit."""
    return f"{customer_id}:{meter}:{bucket}:{included}"


def _refusal_key(customer_id: int, slot: Slot) -> str:
    return refusal_key(customer_id, slot.limit.meter, slot.bucket.key, slot.limit.included)


def _crossed(slot: Slot, before: int, after: int) -> list[int]:
    if slot.limit.included <= 0:
        return []

    return [
        percent
        for percent in sorted(slot.limit.thresholds)
        if before * 100 < slot.limit.included * percent <= after * 100
    ]


class _Row(t.TypedDict):
    customer_id: int
    key: str
    body: dict[str, object]


class _News(t.NamedTuple):
    """A threshold that was crossed for the first time in its period."""

    customer_id: int
    percent: int
    used: int
    slot: Slot

    @property
    def row(self) -> _Row:
        """What the outbox says of it."""
        return {
            "customer_id": self.customer_id,
            "key": f"{_refusal_key(self.customer_id, self.slot)}:{self.percent}",
            "body": {**_body(self.slot), "percent": self.percent, "used": self.used},
        }


def _weight(news: _News) -> tuple[int, datetime]:
    """The highest percent counts, and of several limits the one that resets last."""
    return news.percent, news.slot.bucket.end or _FAR


def _body(slot: Slot) -> dict[str, object]:
    end = slot.bucket.end
    return {
        "meter": slot.limit.meter,
        "bucket": slot.bucket.key,
        "window": slot.limit.window,
        "limit": slot.limit.included,
        "resets_at": None if end is None else end.isoformat(),
    }
