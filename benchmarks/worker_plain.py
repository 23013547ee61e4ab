"""A hand-written Flask view as a contender: ``construct_event``, the ORM, one transaction.

What a careful developer writes in an afternoon. It believes the event's own snapshot, so it
has no answer to events out of order, and a crash while it works loses the error.
"""

from __future__ import annotations

import sys
import typing as t
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import sqlalchemy as sa
import stripe
from flask import Flask, request
from flask.typing import ResponseReturnValue
from flask_sqlalchemy import SQLAlchemy
from memory_stripe import MemoryStripe
from sqlalchemy import orm
from stream import SECRET
from worker import serve


class Base(orm.DeclarativeBase):
    """Base of the view's tables."""


class Event(Base):
    """A delivery that was handled."""

    __tablename__ = "event"
    id: orm.Mapped[str] = orm.mapped_column(primary_key=True)
    type: orm.Mapped[str]
    payload: orm.Mapped[str] = orm.mapped_column(sa.Text)
    received_at: orm.Mapped[datetime]


class Customer(Base):
    """A customer at Stripe."""

    __tablename__ = "customer"
    id: orm.Mapped[str] = orm.mapped_column(primary_key=True)
    email: orm.Mapped[str | None]
    name: orm.Mapped[str | None]
    payment_method: orm.Mapped[str | None]


class Subscription(Base):
    """A subscription at Stripe."""

    __tablename__ = "subscription"
    id: orm.Mapped[str] = orm.mapped_column(primary_key=True)
    customer_id: orm.Mapped[str] = orm.mapped_column(sa.ForeignKey(Customer.id))
    status: orm.Mapped[str]
    price: orm.Mapped[str]
    period_end: orm.Mapped[datetime]
    cancel_at: orm.Mapped[datetime | None]


class Invoice(Base):
    """An invoice at Stripe."""

    __tablename__ = "invoice"
    id: orm.Mapped[str] = orm.mapped_column(primary_key=True)
    customer_id: orm.Mapped[str] = orm.mapped_column(sa.ForeignKey(Customer.id))
    subscription_id: orm.Mapped[str | None]
    status: orm.Mapped[str]
    number: orm.Mapped[str | None]
    total: orm.Mapped[int]


class PlainContender:
    """An app with one view."""

    path = "/webhook"

    def __init__(self, database_url: str) -> None:
        app = Flask("plain")
        app.config.update(SECRET_KEY="benchmark", SQLALCHEMY_DATABASE_URI=database_url)
        db = SQLAlchemy(app, model_class=Base)
        self.app, self.db, self.sent = app, db, 0
        self.wsgi = app.wsgi_app

        with app.app_context():
            db.create_all()
            if db.engine.dialect.name == "sqlite":
                sa.event.listen(db.engine, "connect", _tune)
                db.engine.dispose()

        @app.post("/webhook")
        def webhook() -> ResponseReturnValue:
            event = stripe.Webhook.construct_event(
                request.data, request.headers["Stripe-Signature"], SECRET
            )

            if db.session.get(Event, event.id) is not None:
                return "", 200

            _apply(db.session, event)
            db.session.add(
                Event(
                    id=event.id,
                    type=event.type,
                    payload=request.data.decode(),
                    received_at=datetime.now(UTC),
                )
            )
            db.session.commit()
            return "", 200

    def link(self, customers: list[dict[str, t.Any]]) -> None:
        """Create the customers."""
        if customers:
            with self.app.app_context():
                self.db.session.add_all(
                    Customer(id=customer["id"], email=customer["email"]) for customer in customers
                )
                self.db.session.commit()

    def count_statements(self) -> None:
        """Count from now on."""
        with self.app.app_context():
            sa.event.listen(self.db.engine, "before_cursor_execute", self._count)

    def statements(self) -> int:
        """Statements sent since."""
        return self.sent

    def _count(self, *arguments: object) -> None:
        self.sent += 1


def _apply(session: orm.scoped_session[t.Any], event: stripe.Event) -> None:
    found: t.Any = event.data.object

    if event.type.startswith("customer.subscription."):
        item = found["items"].data[0]
        session.merge(
            Subscription(
                id=found.id,
                customer_id=found.customer,
                status=found.status,
                price=item.price.id,
                period_end=datetime.fromtimestamp(item.current_period_end, UTC),
                cancel_at=found.cancel_at and datetime.fromtimestamp(found.cancel_at, UTC),
            )
        )
    elif event.type.startswith("invoice."):
        session.merge(
            Invoice(
                id=found.id,
                customer_id=found.customer,
                subscription_id=found.parent.subscription_details.subscription,
                status=found.status,
                number=found.number,
                total=found.total,
            )
        )
    elif event.type.startswith("customer."):
        session.merge(
            Customer(
                id=found.id,
                email=found.email,
                name=found.name,
                payment_method=found.invoice_settings.default_payment_method,
            )
        )


def _tune(connection: t.Any, record: object) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")


if __name__ == "__main__":
    serve(PlainContender(sys.argv[1]), MemoryStripe())
