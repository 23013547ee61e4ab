"""Tables of the host's own that refer to ours, in the ways people write them."""

from __future__ import annotations

import typing as t

import pytest
import sqlalchemy as sa
from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from flask_billing import Billing, Customer

CATALOG: t.Final = {"currency": "usd", "plans": {"free": {"name": "Free"}}}


def bill(app: Flask, db: SQLAlchemy) -> None:
    billing = Billing(app, db=db, catalog=CATALOG)
    billing.owner_loader(lambda: None)


@pytest.mark.parametrize("first", ["models", "billing"])
@pytest.mark.parametrize("target", ["billing_customer.id", Customer.id], ids=["text", "column"])
def test_a_column_takes_the_type_of_what_it_refers_to(
    blank_url: str, first: str, target: t.Any
) -> None:
    app = Flask(__name__)
    app.config.update(SECRET_KEY="x", SQLALCHEMY_DATABASE_URI=blank_url, BILLING_SANDBOX=True)
    db = SQLAlchemy(app)

    if first == "billing":
        bill(app, db)

    note = sa.Table(
        "note",
        db.metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("customer_id", sa.ForeignKey(target)),
    )

    if first == "models":
        bill(app, db)

    with app.app_context():
        db.create_all()
        columns = {found["name"]: found for found in sa.inspect(db.engine).get_columns("note")}
        [key] = sa.inspect(db.engine).get_foreign_keys("note")
        db.drop_all()
        db.engine.dispose()

    assert isinstance(note.c.customer_id.type, sa.BigInteger)
    assert isinstance(columns["customer_id"]["type"], sa.Integer)
    assert key["referred_table"] == "billing_customer"
