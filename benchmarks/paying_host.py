"""A host app with one customer who has paid for a year: what pages show on an ordinary day."""

from __future__ import annotations

import datetime as dt
import random
import re
import typing as t
from html import unescape

import sqlalchemy as sa
from flask import Flask, session
from flask.testing import FlaskClient
from flask.typing import ResponseReturnValue
from flask_sqlalchemy import SQLAlchemy
from startup import CATALOG

from flask_billing import Billing, Catalog, Owner
from flask_billing.clock import now
from flask_billing.models import Customer, Invoice
from flask_billing.sandbox import Sandbox

#: What the pages find: a year of invoices, 90 days of usage, and others' rows between.
INVOICES: t.Final = 12
DAYS: t.Final = 90
EVENTS_A_DAY: t.Final = 12
OTHERS: t.Final = 200


class PayingHost:
    """The app, and its customer's browser."""

    def __init__(self, database_url: str) -> None:
        import tomllib

        app = Flask("host")
        app.config.update(
            SECRET_KEY="benchmark", SQLALCHEMY_DATABASE_URI=database_url, TESTING=True
        )
        db = SQLAlchemy(app)
        billing = Billing(app, db=db, catalog=Catalog.parse(tomllib.loads(CATALOG)))
        self.app, self.db, self.billing, self.sandbox = app, db, billing, Sandbox()
        self.sandbox.connect(app, mount="/sandbox/stripe")
        billing.owner_loader(lambda: _owner(session["user"]) if "user" in session else None)

        @app.post("/login")
        def login() -> ResponseReturnValue:
            session["user"] = "1"
            return "", 204

        with app.app_context():
            db.create_all()

        self.browser = self._sign_in()
        self._buy()

        with app.app_context():
            self._live()

    def close(self) -> None:
        """Give the connections back."""
        from flask_billing.database import close

        self.sandbox.close()

        with self.app.app_context():
            close(self.app.extensions["billing"])
            self.db.session.remove()
            self.db.engine.dispose()

    def _sign_in(self) -> FlaskClient:
        browser = self.app.test_client()
        browser.post("/login")
        return browser

    def _buy(self) -> None:
        plans = self.browser.get("/billing/plans").text
        found = re.search(r'name="csrf_token" value="([^"]+)"', plans)
        assert found is not None
        form = {"csrf_token": unescape(found[1]), "plan": "starter", "interval": "month"}
        hosted = self.browser.post("/billing/checkout", data=form).headers["Location"]
        checkout = re.search(r"cs_test_\w+", hosted)
        assert checkout is not None
        paid = self.sandbox.checkout(checkout[0]).pay("4242424242424242")
        assert paid.redirect is not None
        self.sandbox.webhooks.deliver()
        self.browser.get(paid.redirect.removeprefix("http://localhost"), follow_redirects=True)
        self.sandbox.clock.advance(days=20)
        self.sandbox.webhooks.deliver()
        assert "Starter" in self.browser.get("/billing/").text

    def _live(self) -> None:
        chance = random.Random(0)
        customer = self.billing.customer_for(_owner("1"))

        for number in range(DAYS * EVENTS_A_DAY):
            at = now() - dt.timedelta(minutes=DAYS * 1440 * number / (DAYS * EVENTS_A_DAY) + 1)
            meter = ("tokens", "api_calls")[number % 2]
            quantity = chance.randint(100, 900) if meter == "tokens" else 1
            self.billing.record(meter, quantity, at=at, customer=customer)

        first = self.db.session.scalars(sa.select(Invoice).limit(1)).one()
        others = [
            Customer(owner_type="user", owner_id=f"o{n}", created_at=now()) for n in range(OTHERS)
        ]
        self.db.session.add_all(others)
        self.db.session.flush()

        for number, owner in enumerate([customer] * INVOICES + others):
            columns = {
                column.name: getattr(first, column.name)
                for column in Invoice.__table__.columns
                if column.name not in ("id", "stripe_id", "customer_id")
            }
            self.db.session.add(
                Invoice(**columns, stripe_id=f"in_old{number}", customer_id=owner.id)
            )

        self.db.session.commit()


def _owner(owner_id: str) -> Owner:
    return Owner("user", owner_id, f"user{owner_id}@example.com", f"User {owner_id}")
