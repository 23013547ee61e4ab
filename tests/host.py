"""A small host app, as a developer would write one, for tests to drive."""

from __future__ import annotations

import collections.abc as c
import dataclasses
import typing as t
from pathlib import Path

import sqlalchemy as sa
from flask import Flask, session
from flask.testing import FlaskClient
from flask.typing import ResponseReturnValue
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase

from flask_billing import Billing, Customer, Owner
from flask_billing.database import close
from flask_billing.extension import CatalogSource
from flask_billing.sandbox import Sandbox
from flask_billing.state import BillingState

from . import tables
from .bytecode import Bytecode
from .patience import patient

CATALOGS = Path(__file__).parent / "catalogs"

#: Every host has an environment of its own; what its templates compile to is one and the same.
BYTECODE = Bytecode()


class HostBase(DeclarativeBase):
    """The host's own declarative base."""


@dataclasses.dataclass
class Host:
    """A running host app and the handles tests need."""

    app: Flask
    db: SQLAlchemy
    billing: Billing
    sandbox: Sandbox

    @property
    def state(self) -> BillingState:
        """What the app knows of its billing."""
        found: BillingState = self.app.extensions["billing"]
        return found

    def client(self, owner_id: str | None = "1") -> FlaskClient:
        """A browser, signed in as that user; None is nobody."""
        client = self.app.test_client()

        if owner_id is not None:
            client.post("/login", data={"user": owner_id})

        return client

    def customer(self, owner_id: str = "1") -> Customer:
        """The customer of that user. Needs an app context."""
        return self.billing.customer_for(user(owner_id))

    def rows(self, table: type[t.Any], **where: object) -> c.Sequence[t.Any]:
        """Committed rows of a table, read fresh."""
        with self.app.app_context():
            statement = sa.select(table).filter_by(**where).order_by(*table.__table__.primary_key)
            found = self.db.session.scalars(statement).all()
            self.db.session.expunge_all()
            return found

    def close(self) -> None:
        """Give back all connections."""
        self.sandbox.close()

        with self.app.app_context():
            close(self.state)
            self.db.session.remove()
            self.db.engine.dispose()


def user(owner_id: str) -> Owner:
    """The owner that the test host's loader returns for a user id."""
    return Owner("user", owner_id, f"user{owner_id}@example.com", f"User {owner_id}")


def make_host(
    database_url: str,
    catalog: CatalogSource = CATALOGS / "ladder.toml",
    *,
    sandbox: Sandbox | None = None,
    create: bool = True,
    **settings: object,
) -> Host:
    """A host app with billing on the sandbox, its tables created.

    :param create: whether to create the tables, or leave an existing database alone.
    :param settings: further config of the app.
    """
    app = Flask("host")
    app.jinja_options = {**app.jinja_options, "bytecode_cache": BYTECODE}
    settings.setdefault("BILLING_SPOOL", None)  # an instance folder would be shared by all tests
    app.config.update(
        SECRET_KEY="a secret of the tests",
        SQLALCHEMY_DATABASE_URI=database_url,
        TESTING=True,
        **{**patient(database_url), **settings},
    )
    db = SQLAlchemy(app, model_class=HostBase)
    billing = Billing(db=db, catalog=catalog)

    @billing.owner_loader
    def load_owner() -> Owner | None:
        owner_id = session.get("user")
        return None if owner_id is None else user(owner_id)

    billing.init_app(app)
    sandbox = sandbox or Sandbox()
    sandbox.connect(app, mount="/sandbox/stripe")
    _add_views(app, billing)

    if create:
        with app.app_context():
            tables.create(db)

    return Host(app, db, billing, sandbox)


def _add_views(app: Flask, billing: Billing) -> None:
    from flask import request

    @app.post("/login")
    def login() -> ResponseReturnValue:
        session["user"] = request.form["user"]
        return "", 204

    @app.get("/")
    def index() -> ResponseReturnValue:
        return "home"

    @app.post("/generate")
    @billing.metered("api_calls")
    def generate() -> ResponseReturnValue:
        return {"text": "Once upon a time"}
