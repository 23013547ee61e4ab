"""What is told when a quota is fresh again: a signal always, a mail to who ran into its limit."""

from __future__ import annotations

import typing as t

import sqlalchemy as sa

from .. import clock, outbox
from ..catalog import Meter
from ..models import Outbox, UsageNotice
from ..state import state
from .notices import refusal_key
from .sheets import Sheet
from .slots import Slot


def announcements(
    connection: sa.Connection, sheet: Sheet, meter: Meter, closed: sa.Row[t.Any], following: Slot
) -> list[dict[str, object]]:
    """The outbox rows for a period that was closed, keyed by the one that follows it.

    :param closed: the counter's columns, as they were frozen.
    """
    customer_id = sheet.snapshot.facts.customer_id
    end = following.bucket.end
    told = {
        "meter": meter.key,
        "window": following.limit.window,
        "bucket": closed.bucket,
        "plan": closed.plan,
        "used": closed.used,
        "limit": closed.limit,
        "period_start": _iso(closed.period_start),
        "period_end": _iso(closed.period_end),
        "included": following.limit.included,
        "resets_at": _iso(end),
    }
    key = f"{customer_id}:{meter.key}:{following.bucket.key}"
    rows = [outbox.signal_row("quota.reset", customer_id=customer_id, key=key, body=told)]

    if _is_worth_a_mail(sheet, meter, following) and _was_told(connection, customer_id, closed):
        rows.append(outbox.mail_row("quota_refreshed", customer_id=customer_id, key=key, body=told))

    return rows


def _is_worth_a_mail(sheet: Sheet, meter: Meter, following: Slot) -> bool:
    """Whether there is something to use now, that will still be there when the mail is read."""
    now = clock.now()

    if (
        not state().app.config["BILLING_USAGE_MAILS"]
        or not following.bucket.holds(now)
        or following.limit.window == "hour"
        or following.limit.included == 0
    ):
        return False

    return not any(
        slot.taken >= slot.ceiling
        for slot in sheet.for_meter(meter, now, None).every
        if slot.limit.window != following.limit.window
    )


def _was_told(connection: sa.Connection, customer_id: int, closed: sa.Row[t.Any]) -> bool:
    """Whether the customer was warned or blocked in the period."""
    noticed = sa.select(UsageNotice.id).where(
        UsageNotice.customer_id == customer_id,
        UsageNotice.meter == closed.meter,
        UsageNotice.bucket == closed.bucket,
    )
    refused = outbox.signal_row(
        "quota.exceeded",
        customer_id=customer_id,
        key=refusal_key(customer_id, closed.meter, closed.bucket, closed.limit),
    )
    blocked = sa.select(Outbox.id).where(Outbox.dedupe_key == refused["dedupe_key"])
    return _any(connection, noticed) or _any(connection, blocked)


def _any(connection: sa.Connection, query: sa.Select[t.Any]) -> bool:
    return connection.execute(query.limit(1)).first() is not None


def _iso(moment: t.Any) -> str | None:
    return None if moment is None else moment.isoformat()
