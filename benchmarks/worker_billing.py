"""Flask-Billing as a contender: its real route, its own database work, Stripe from memory."""

from __future__ import annotations

import sys
import typing as t
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import sqlalchemy as sa
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from memory_stripe import MemoryStripe
from stream import PLANS, SECRET
from worker import serve

from flask_billing import Billing, Customer
from flask_billing.clock import wall
from flask_billing.database import engine

CATALOG: t.Final = {
    "currency": "usd",
    "meters": {"tokens": {"name": "Tokens"}},
    "plans": {
        "free": {
            "name": "Free",
            "limits": [{"meter": "tokens", "included": 1000, "window": "month"}],
        },
        **{
            name: {
                "name": name.title(),
                "rank": rank,
                "prices": [
                    {"interval": "month", "amount": amount, "stripe_price": f"price_{name}"}
                ],
                "limits": [
                    {"meter": "tokens", "included": 100_000, "window": "billing_period"},
                ],
            }
            for rank, (name, amount) in enumerate(PLANS.items(), 1)
        },
    },
}


class BillingContender:
    """A host app with billing."""

    path = "/billing/webhooks/stripe"

    def __init__(self, database_url: str, memory: MemoryStripe) -> None:
        app = Flask("host")
        app.config.update(
            SECRET_KEY="benchmark",
            SQLALCHEMY_DATABASE_URI=database_url,
            BILLING_STRIPE_SECRET_KEY="sk_test_benchmark",
            BILLING_STRIPE_WEBHOOK_SECRETS=(SECRET,),
        )
        db = SQLAlchemy(app)
        billing = Billing(app, db=db, catalog=CATALOG)
        billing.owner_loader(lambda: None)
        app.extensions["billing"].stripe.http_client = lambda: memory
        self.app, self.db, self.billing = app, db, billing
        self.wsgi = app.wsgi_app
        self.sent = 0

        with app.app_context():
            db.create_all()
            engine()  # built before the first delivery

    def link(self, customers: list[dict[str, t.Any]]) -> None:
        """Create the customers, already known to Stripe."""
        if not customers:
            return

        with self.app.app_context():
            for customer in customers:
                self.db.session.add(
                    Customer(
                        owner_type="user",
                        owner_id=customer["id"],
                        stripe_id=customer["id"],
                        email=customer["email"],
                        created_at=wall(),
                    )
                )

            self.db.session.commit()

    def count_statements(self) -> None:
        """Count from now on."""
        with self.app.app_context():
            sa.event.listen(engine(), "before_cursor_execute", self._count)

    def statements(self) -> int:
        """Statements sent since."""
        return self.sent

    def _count(self, *arguments: object) -> None:
        statement = str(arguments[2])
        self.sent += not statement.startswith("BEGIN")


if __name__ == "__main__":
    stripe_in_memory = MemoryStripe()
    serve(BillingContender(sys.argv[1], stripe_in_memory), stripe_in_memory)
