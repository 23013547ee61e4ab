"""The inbox of webhook deliveries, and the tickets that order what is fetched for them."""

import typing as t
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from .base import Base, BigId, PartialIndex


class WebhookEvent(Base):
    """An event Stripe delivered: stored before it is processed, closed only after success."""

    __tablename__ = "billing_webhook_event"
    __table_args__ = (
        sa.UniqueConstraint("stripe_id"),
        # Without those that are handled, so that it stays small: closing an event takes it out.
        PartialIndex(None, "state", "object_id", where="state <> 'handled'", unique=False),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    stripe_id: Mapped[str] = mapped_column(sa.String(255))
    type: Mapped[str] = mapped_column(sa.String(128))
    #: Id of the object the event is about, where it has one.
    object_id: Mapped[str | None] = mapped_column(sa.String(255))
    #: waiting, handled, ignored, failed or dead.
    state: Mapped[str] = mapped_column(sa.String(16))
    payload: Mapped[str | None] = mapped_column(sa.Text)
    deliveries: Mapped[int] = mapped_column(default=1)
    attempts: Mapped[int] = mapped_column(default=0)
    error: Mapped[str | None] = mapped_column(sa.Text)
    received_at: Mapped[datetime]
    handled_at: Mapped[datetime | None]
    next_attempt_at: Mapped[datetime | None]


#: To be asked for beside a state, in these words: by them SQLite finds the index.
UNHANDLED: t.Final = WebhookEvent.state != sa.literal_column("'handled'")

#: What was given up, and may be retried: its payload is not forgotten yet.
DEAD_LETTER: t.Final = sa.and_(
    UNHANDLED, WebhookEvent.state == "dead", WebhookEvent.payload.is_not(None)
)


class SyncTicket(Base):
    """Orders fetches of one Stripe object.

    A ticket is drawn before a fetch, and what was fetched is written only over a row whose
    ``applied_ticket`` is lower, so that a slow stale answer never replaces a newer one.
    """

    __tablename__ = "billing_sync_ticket"
    #: One tree instead of two: each delivery draws a ticket.
    __table_args__ = {"sqlite_with_rowid": False}  # noqa: RUF012  (SQLAlchemy reads it)

    object_id: Mapped[str] = mapped_column(sa.String(255), primary_key=True)
    ticket: Mapped[int]


class Outbox(Base):
    """A signal or mail that has to leave once the change that caused it is committed."""

    __tablename__ = "billing_outbox"
    __table_args__ = (
        sa.UniqueConstraint("dedupe_key"),
        sa.Index(None, "state", "kind", "id"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    #: signal or mail.
    kind: Mapped[str] = mapped_column(sa.String(16))
    name: Mapped[str] = mapped_column(sa.String(64))
    dedupe_key: Mapped[str] = mapped_column(sa.String(255))
    customer_id: Mapped[int | None]
    body: Mapped[dict[str, t.Any]]
    #: waiting, sent, dead; a mail also logged (nothing sends mail here) or dropped (no news).
    state: Mapped[str] = mapped_column(sa.String(16))
    attempts: Mapped[int] = mapped_column(default=0)
    error: Mapped[str | None] = mapped_column(sa.Text)
    created_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    next_attempt_at: Mapped[datetime | None]


class JobLease(Base):
    """Lets any number of processes offer to run a job while one of them does."""

    __tablename__ = "billing_job_lease"

    name: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    holder: Mapped[str | None] = mapped_column(sa.String(128))
    expires_at: Mapped[datetime | None]
    last_started_at: Mapped[datetime | None]
    last_finished_at: Mapped[datetime | None]
    last_result: Mapped[str | None] = mapped_column(sa.Text)
    #: Fingerprint of the catalog of who started it last.
    catalog: Mapped[str | None] = mapped_column(sa.String(16))
