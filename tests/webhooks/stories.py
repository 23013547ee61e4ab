"""What stories about deliveries are told with."""

from __future__ import annotations

import collections.abc as c
import typing as t
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from flask_billing import Owner, outbox, webhooks
from flask_billing.models import Outbox, WebhookEvent

from ..stripe_double import CannedHost, StripeObject
from .golden import OBJECTS, described


def made(name: str, **fields: object) -> StripeObject:
    """The object of that name of the golden cases.

    :param fields: what differs; ``items__data__0__quantity`` leads deeper.
    """
    assert name in OBJECTS
    return described({"like": name, **{path.replace("__", "."): fields[path] for path in fields}})


def sign_up(host: CannedHost, owner_id: str = "ada", stripe_id: str | None = "cus_1") -> int:
    """Make an owner a customer, linked to a Stripe customer; gives back the row's id."""
    with host.app.app_context():
        customer = host.billing.customer_for(Owner("user", owner_id))
        customer.stripe_id = stripe_id
        host.db.session.commit()
        return customer.id


def rows(host: CannedHost, table: type[t.Any]) -> c.Sequence[t.Any]:
    """Committed rows of a table, oldest first."""
    with host.app.app_context():
        found = host.db.session.scalars(sa.select(table).order_by(table.id)).all()
        host.db.session.expunge_all()
        return found


def announced(host: CannedHost) -> list[str]:
    """What is in the outbox beside the sign-up, as "kind name"."""
    return sorted(
        f"{row.kind} {row.name}" for row in rows(host, Outbox) if row.name != "customer.created"
    )


def inbox(host: CannedHost) -> dict[str, str]:
    """Event id -> state."""
    return {row.stripe_id: row.state for row in rows(host, WebhookEvent)}


def let_time_pass(host: CannedHost) -> None:
    """Make every event that waits for its next attempt due."""
    with host.app.app_context():
        host.db.session.execute(
            sa.update(WebhookEvent)
            .where(WebhookEvent.next_attempt_at.is_not(None))
            .values(next_attempt_at=datetime.now(UTC) - timedelta(seconds=1))
        )
        host.db.session.commit()


def run_jobs(host: CannedHost) -> None:
    """What the scheduled jobs do: retry events, send what waits in the outbox."""
    with host.app.app_context():
        webhooks.retry_due()
        outbox.drain(min_age=timedelta(0))
