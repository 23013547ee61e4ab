"""Whether the people who nearly left are still here, a month and three months later."""

from __future__ import annotations

import datetime as dt
import typing as t

import sqlalchemy as sa

from .. import clock
from ..database import transaction
from ..models import ENDED, Cancellation, Subscription

#: Column -> days after the visit.
JUDGED: t.Final = {"judged_30": 30, "judged_90": 90}

#: Statuses of a subscription that never began, or is not paid for any more.
_NOT_KEPT: t.Final = (*ENDED, "incomplete", "unpaid")


def judge_due(*, limit: int = 500) -> int:
    """Judge the visits whose day has come: retained, or lost later. A job calls it.

    Every visit is judged, whatever came of it, because arms of an experiment are compared by all
    of their visits. Retained is who has a plan that is not going to end.

    :returns: how many judgements were made.
    """
    made = 0

    for column, days in JUDGED.items():
        made += _judge(column, clock.now() - dt.timedelta(days=days), limit)

    return made


def _judge(column: str, finished_before: dt.datetime, limit: int) -> int:
    judged = getattr(Cancellation, column)
    verdict = sa.case((_has_plan(), "retained"), else_="lost_later")

    with transaction() as connection:
        due = connection.execute(
            sa.select(Cancellation.id, verdict.label("verdict"))
            .where(
                judged.is_(None),
                Cancellation.outcome.is_not(None),
                Cancellation.finished_at <= finished_before,
            )
            .order_by(Cancellation.finished_at)
            .limit(limit)
        ).all()

        for value in ("retained", "lost_later"):
            chosen = [row.id for row in due if row.verdict == value]

            if chosen:
                connection.execute(
                    sa.update(Cancellation)
                    .where(Cancellation.id.in_(chosen), judged.is_(None))
                    .values({column: value})
                )

    return len(due)


def _has_plan() -> sa.ColumnElement[bool]:
    return sa.exists().where(
        Subscription.customer_id == Cancellation.customer_id,
        Subscription.status.not_in(_NOT_KEPT),
        Subscription.cancel_at.is_(None),
    )
