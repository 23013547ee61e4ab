"""Reading usage: one query, whatever was used, and what the reader sees."""

from __future__ import annotations

import collections.abc as c
import datetime as dt

import pytest
import sqlalchemy as sa

from flask_billing import metering
from flask_billing.database import engine

from ..host import Host


@pytest.fixture
def statements(any_host: Host) -> c.Iterator[list[str]]:
    """What was sent to the database since."""
    any_host.app.config["BILLING_LIMIT_CACHE"] = dt.timedelta(hours=1)
    sent: list[str] = []

    def note(connection: object, cursor: object, statement: str, *rest: object) -> None:
        if not statement.startswith("BEGIN"):
            sent.append(statement)

    with any_host.app.app_context():
        for built in (any_host.db.engine, engine()):
            sa.event.listen(built, "before_cursor_execute", note)

        yield sent


def test_all_usage_is_read_in_one_query(any_host: Host, statements: list[str]) -> None:
    customer = any_host.customer()
    metering.consume("tokens", 60_000, customer=customer)
    metering.consume("api_calls", 2, customer=customer)
    assert customer.id
    statements.clear()
    found = metering.usages(customer)

    assert [(usage.meter, usage.used, usage.limit) for usage in found] == [
        ("tokens", 60_000, 100_000),
        ("api_calls", 2, 3),
    ]
    assert len(statements) == 1


def test_a_new_customer_is_read_in_one_query_too(any_host: Host, statements: list[str]) -> None:
    customer = any_host.customer()
    assert customer.id
    statements.clear()

    assert [usage.used for usage in metering.usages(customer)] == [0, 0]
    assert len(statements) == 1


def test_a_customer_that_is_not_committed_is_named(any_host: Host) -> None:
    with any_host.app.app_context():
        customer = any_host.customer()
        any_host.db.session.expunge(customer)
        customer.id = 4711

        with pytest.raises(ValueError, match="There is no customer 4711"):
            metering.consume("tokens", 1, customer=customer)


def test_a_host_may_ask_before_it_starts(any_host: Host) -> None:
    with any_host.app.app_context():
        customer = any_host.customer()
        fits = any_host.billing.check("tokens", 100_000, customer=customer)
        does_not = any_host.billing.check("tokens", 100_001, customer=customer)

    assert fits
    assert not does_not
    assert does_not.status.name == "Tokens"
