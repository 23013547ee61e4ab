"""The few figures that tell whether billing does its work, cheap enough for a probe."""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t

import sqlalchemy as sa

from .. import clock
from ..database import reading, transaction
from ..models import DEAD_LETTER, UNHANDLED, JobLease, Outbox, SubscriptionChange, WebhookEvent

#: From when on a probe should raise an alarm: retries and jobs had their turn by then.
LAG: t.Final = dt.timedelta(minutes=30)


@dataclasses.dataclass(frozen=True)
class Health:
    """How long things wait, in seconds; None where nothing does.

    :param dead_letters: events given up, which only people bring back.
    :param unfinished_changes: of subscriptions, of which Stripe's answer is not known.
    :param scheduler_age: since a job began last; None where none ever did.
    """

    inbox_lag: int | None
    dead_letters: int
    unfinished_changes: int
    scheduler_age: int | None

    @property
    def well(self) -> bool:
        """Whether nothing waits too long. A stopped scheduler shows in what waits."""
        return self.inbox_lag is None or self.inbox_lag < LAG.total_seconds()


def measure() -> Health:
    """Read the figures.

    :raises sqlalchemy.exc.SQLAlchemyError: where the database does not answer, or lets nobody
        write.
    """
    unprocessed = sa.and_(UNHANDLED, WebhookEvent.state.in_(("waiting", "failed")))
    statement = sa.select(
        _scalar(sa.select(sa.func.min(WebhookEvent.received_at)).where(unprocessed)),
        _scalar(sa.select(sa.func.count()).where(DEAD_LETTER)),
        _scalar(sa.select(sa.func.count()).where(SubscriptionChange.state == "open")),
        _scalar(sa.select(sa.func.max(JobLease.last_started_at))),
    )

    with transaction() as connection:
        # Changes nothing, and is refused where a change would be.
        connection.execute(sa.update(JobLease).where(sa.false()).values(holder=None))
        oldest, dead, unfinished, started = connection.execute(statement).one()

    return Health(_age(oldest), dead, unfinished, _age(started))


def counters() -> dict[str, int]:
    """Rows by state, for the host's metrics: ``billing_webhook_events_dead`` and so on.

    They come from the database, so every process tells the same.
    """
    tables: dict[str, type[t.Any]] = {
        "billing_outbox": Outbox,
        "billing_subscription_changes": SubscriptionChange,
    }
    with reading() as connection:
        found = _events(connection)

        for name, model in tables.items():
            rows = connection.execute(sa.select(model.state, sa.func.count()).group_by(model.state))
            found |= {f"{name}_{row[0]}": row[1] for row in rows}

    return found


def _events(connection: sa.Connection) -> dict[str, int]:
    """Events by state. Those that are handled are what is left, as the index is without them."""
    count = sa.func.count()
    by_state = sa.select(WebhookEvent.state, count).where(UNHANDLED).group_by(WebhookEvent.state)
    found: dict[str, int] = {row[0]: row[1] for row in connection.execute(by_state)}
    every = connection.scalar(sa.select(count).select_from(WebhookEvent)) or 0
    found["handled"] = every - sum(found.values())
    return {f"billing_webhook_events_{state}": events for state, events in found.items() if events}


def _scalar(statement: sa.Select[t.Any]) -> sa.ColumnElement[t.Any]:
    return statement.scalar_subquery()


def _age(moment: dt.datetime | None) -> int | None:
    return None if moment is None else max(0, int((clock.wall() - moment).total_seconds()))
