"""An app with customers to book usage for, and its driver's connection for those who do it raw."""

from __future__ import annotations

import collections.abc as c
import contextlib
import typing as t

import sqlalchemy as sa
from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from flask_billing import Billing, Owner
from flask_billing.clock import wall
from flask_billing.database import close, engine
from flask_billing.models import Customer

#: The one meter, counted by the calendar month.
METER: t.Final = "tokens"


class UsageHost:
    """An app on one database.

    :param included: units each customer may use in a month.
    :param create: False where another process made the tables.
    """

    def __init__(self, url: str, included: int, *, create: bool = True) -> None:
        self.app = Flask("usage")
        self.app.config["SQLALCHEMY_DATABASE_URI"] = url
        self.db = SQLAlchemy(self.app)
        limit = {"meter": METER, "included": included, "window": "month"}
        self.billing = Billing(
            self.app,
            db=self.db,
            catalog={
                "meters": {METER: {"name": "Tokens", "unit": "token"}},
                "plans": {"free": {"name": "Free", "limits": [limit]}},
            },
        )

        if create:
            with self.app.app_context():
                self.db.create_all()

    def customer(self, owner_id: str) -> Customer:
        """A committed customer that no session holds. Needs an app context."""
        found = self.billing.customer_for(Owner("user", owner_id))
        self.db.session.commit()
        assert found.id  # loaded, so that no booking asks for it
        self.db.session.expunge(found)
        return found

    @contextlib.contextmanager
    def driver(self) -> c.Iterator[t.Any]:
        """The driver's connection in autocommit, with the settings our own have."""
        with self.app.app_context():
            pooled = engine().raw_connection()

        try:
            if self.is_postgresql:
                pooled.dbapi_connection.autocommit = True  # type: ignore[union-attr]

            yield pooled.dbapi_connection
        finally:
            pooled.invalidate()

    @property
    def is_postgresql(self) -> bool:
        """Whether it is, or else SQLite."""
        return sa.make_url(self.app.config["SQLALCHEMY_DATABASE_URI"]).get_backend_name() != (
            "sqlite"
        )

    def close(self) -> None:
        """Give back all connections."""
        with self.app.app_context():
            self.db.session.remove()
            close(self.app.extensions["billing"])
            self.db.engine.dispose()


def month() -> str:
    """The key of the counter that is open now."""
    return f"m:{wall():%Y-%m}"
