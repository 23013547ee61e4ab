"""Where usage is booked: in a transaction of its own, or inside the host's session."""

from __future__ import annotations

import collections.abc as c
import typing as t

import pytest
import sqlalchemy as sa
from flask import session

from flask_billing import metering
from flask_billing.models import Outbox, UsageCounter, UsageEvent, UsageNotice

from ..host import Host

CATALOG: dict[str, t.Any] = {
    "meters": {"tokens": {"name": "Tokens"}},
    "plans": {
        "free": {
            "name": "Free",
            "limits": [{"meter": "tokens", "included": 100, "window": "month"}],
        }
    },
}


class Notes:
    """A table of the host's own."""

    def __init__(self, host: Host) -> None:
        self._session = host.db.session
        self._execute("CREATE TABLE note (text VARCHAR(20))")
        self._session.commit()

    def write(self, text: str) -> None:
        """Write inside the host's transaction."""
        self._execute("INSERT INTO note VALUES (:text)", text=text)

    def kept(self) -> list[str]:
        """What is in the table."""
        return [text for (text,) in self._execute("SELECT text FROM note")]

    def _execute(self, sql: str, **parameters: str) -> t.Any:
        return self._session.execute(sa.text(sql), parameters)


def tokens(host: Host) -> int:
    """Committed usage."""
    return sum(counter.used for counter in host.rows(UsageCounter))


def test_usage_stays_when_the_host_rolls_back(
    make_app: c.Callable[..., Host], database_url: str
) -> None:
    host = make_app(database_url, catalog=CATALOG)

    with host.app.app_context():
        notes, customer = Notes(host), host.customer()
        metering.consume("tokens", 10, customer=customer)
        notes.write("gone")
        host.db.session.rollback()
        kept = notes.kept()

    assert (tokens(host), kept) == (10, [])


def test_a_host_that_is_writing_on_sqlite_takes_usage_with_it(
    make_app: c.Callable[..., Host],
) -> None:
    host = make_app(catalog=CATALOG)

    with host.app.app_context():
        notes, customer = Notes(host), host.customer()
        notes.write("kept")
        first = metering.consume("tokens", 10, customer=customer, key="a")
        again = metering.consume("tokens", 10, customer=customer, key="a")
        read = metering.usage("tokens", customer=customer)
        host.db.session.commit()
        customer = host.customer()
        notes.write("dropped")
        metering.consume("tokens", 20, customer=customer)
        host.db.session.rollback()
        kept = notes.kept()

    assert (first.used, again.replayed, read.used) == (10, True, 10)
    assert (tokens(host), kept) == (10, ["kept"])


def test_session_mode_books_inside_the_hosts_transaction(
    make_app: c.Callable[..., Host], database_url: str
) -> None:
    host = make_app(database_url, catalog=CATALOG, BILLING_METERING_CONNECTION="session")

    with host.app.app_context():
        notes, customer = Notes(host), host.customer()
        notes.write("kept")
        metering.consume("tokens", 90, customer=customer)

        with pytest.raises(metering.QuotaExceeded):
            metering.consume("tokens", 20, customer=customer)

        assert metering.usage("tokens", customer=customer).used == 90
        host.db.session.commit()
        notes.write("gone")
        metering.consume("tokens", 10, customer=customer)
        host.db.session.rollback()
        last = metering.consume("tokens", 10, customer=customer)
        kept = notes.kept()

    assert (last.used, kept) == (100, ["kept"])


def test_session_mode_commits_where_the_host_was_idle(
    make_app: c.Callable[..., Host], database_url: str
) -> None:
    host = make_app(database_url, catalog=CATALOG, BILLING_METERING_CONNECTION="session")

    with host.app.app_context():
        metering.consume("tokens", 85, customer=host.customer(), key="a")

    assert tokens(host) == 85
    assert [notice.percent for notice in host.rows(UsageNotice)] == [80]


def test_a_database_in_memory_is_booked_in_the_session(make_app: c.Callable[..., Host]) -> None:
    host = make_app("sqlite://", catalog=CATALOG)

    with host.app.app_context():
        customer = host.customer()
        decisions = [metering.consume("tokens", 50, customer=customer) for _ in range(2)]

        with pytest.raises(metering.QuotaExceeded):
            metering.consume("tokens", 1, customer=customer)

        replayed = metering.record("tokens", 7, customer=customer, key="a")
        again = metering.record("tokens", 7, customer=customer, key="a")

    assert [decision.used for decision in decisions] == [50, 100]
    assert (replayed.used, again.replayed, again.used) == (107, True, 107)
    assert len(host.rows(UsageEvent)) == 3


def test_a_metered_view_works_on_a_database_in_memory(make_app: c.Callable[..., Host]) -> None:
    host = make_app("sqlite://")
    client = host.client()
    statuses = [client.post("/generate").status_code for _ in range(4)]

    assert statuses == [200, 200, 200, 429]


def test_a_pool_of_one_connection_is_enough(
    make_app: c.Callable[..., Host], database_url: str
) -> None:
    one = {"pool_size": 1, "max_overflow": 0, "pool_timeout": 2}
    host = make_app(database_url, catalog=CATALOG, SQLALCHEMY_ENGINE_OPTIONS=one)

    with host.app.app_context():
        customer = host.customer()
        decisions = [metering.consume("tokens", 10, customer=customer) for _ in range(5)]

        with pytest.raises(metering.QuotaExceeded):  # it is announced in another transaction
            metering.consume("tokens", 51, customer=customer)

    assert [decision.used for decision in decisions] == [10, 20, 30, 40, 50]


def test_a_customer_that_was_rolled_back_leaves_nobodys_number_behind(
    make_app: c.Callable[..., Host],
) -> None:
    """SQLite gives the number to the next customer, who must not pay for the first one's use."""
    host = make_app(catalog=CATALOG)

    with host.app.test_request_context():
        notes = Notes(host)
        session["user"] = "ada"
        notes.write("a sign-up that fails")
        host.billing.consume("tokens", 10)
        host.db.session.rollback()

    with host.app.app_context():
        bob = host.customer("bob").id

    with host.app.test_request_context():
        session["user"] = "ada"
        host.billing.consume("tokens", 20)

    assert {row.customer_id: row.used for row in host.rows(UsageCounter)}.get(bob) is None
    assert tokens(host) == 20


def test_a_refusal_that_was_rolled_back_is_announced_the_next_time(
    make_app: c.Callable[..., Host],
) -> None:
    host = make_app(catalog=CATALOG)

    with host.app.app_context():
        notes, customer = Notes(host), host.customer()
        metering.consume("tokens", 100, customer=customer)
        notes.write("dropped")

        with pytest.raises(metering.QuotaExceeded):
            metering.consume("tokens", 1, customer=customer)

        host.db.session.rollback()

        with pytest.raises(metering.QuotaExceeded):
            metering.consume("tokens", 1, customer=host.customer())

    assert len(host.rows(Outbox, name="quota.exceeded")) == 1
