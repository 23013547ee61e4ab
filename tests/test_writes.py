"""Writes that belong together are made in a transaction or by one statement, all or none."""

from __future__ import annotations

import collections.abc as c
import contextlib

import pytest
import sqlalchemy as sa

from flask_billing.errors import BillingError
from flask_billing.prepared import Prepared, transaction
from flask_billing.writes import LostError, TransactionNeededError, Writes

THING = sa.Table(
    "thing",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(20), unique=True),
    sa.Column("facts", sa.JSON),
    sa.Column("count", sa.Integer),
)

Begin = c.Callable[[], contextlib.AbstractContextManager[Writes]]


@pytest.fixture
def engine(database_url: str) -> c.Iterator[sa.Engine]:
    """A database with the things a and b, of 1 each."""
    made = sa.create_engine(database_url)
    THING.metadata.create_all(made)

    with made.begin() as connection:
        connection.execute(sa.insert(THING), [{"name": "a", "count": 1}, {"name": "b", "count": 1}])

    yield made
    made.dispose()


@pytest.fixture(params=["transaction", "at once"])
def begin(engine: sa.Engine, request: pytest.FixtureRequest) -> Begin:
    """Makes writes, in a transaction and, where the database can, by one statement."""

    @contextlib.contextmanager
    def in_a_transaction() -> c.Iterator[Writes]:
        with engine.connect() as connection, transaction(connection):
            yield Writes(connection)

    @contextlib.contextmanager
    def at_once() -> c.Iterator[Writes]:
        with engine.connect() as connection:
            yield Writes(connection.execution_options(isolation_level="AUTOCOMMIT"), at_once=True)

    # SQLite takes no writes in a WITH.
    can = engine.dialect.name == "postgresql"
    return at_once if can and request.param == "at once" else in_a_transaction


def counts(engine: sa.Engine) -> dict[str, int]:
    with engine.connect() as connection:
        found = connection.execute(sa.select(THING.c.name, THING.c.count))
        return {name: count for name, count in found}  # noqa: C416


def recount(engine: sa.Engine) -> Prepared:
    """Sets the count of a thing that still has the count ``seen``."""
    return Prepared(
        sa.update(THING)
        .where(THING.c.name == sa.bindparam("thing"), THING.c.count == sa.bindparam("seen"))
        .values(count=sa.bindparam("n")),
        engine.dialect,
    )


def close(engine: sa.Engine) -> Prepared:
    """Counts all up, and is done only if one of a certain name was among them."""
    statement = sa.update(THING).values(count=THING.c.count + 10)
    done = (THING.c.name == sa.bindparam("own")).label("done")
    return Prepared(statement.returning(done), engine.dialect)


def insert(engine: sa.Engine) -> Prepared:
    values = {name: sa.bindparam(name, type_=THING.c[name].type) for name in ("name", "facts")}
    statement = sa.insert(THING).from_select(
        list(values), sa.select(*values.values()).where(sa.bindparam("wanted") == 1)
    )
    return Prepared(statement.returning(THING.c.name, THING.c.facts), engine.dialect)


def test_all_are_made_and_the_last_tells_its_rows(engine: sa.Engine, begin: Begin) -> None:
    with begin() as writes:
        writes.add(recount(engine), {"thing": "a", "seen": 1, "n": 2})
        writes.add(recount(engine), {"thing": "b", "seen": 1, "n": 3})
        rows = writes.send(insert(engine), {"name": "c", "facts": {"x": ["%"]}, "wanted": 1})

    assert [(row["name"], row["facts"]) for row in rows] == [("c", {"x": ["%"]})]
    assert counts(engine) == {"a": 2, "b": 3, "c": None}


def test_a_last_one_may_write_nothing_or_be_missing(engine: sa.Engine, begin: Begin) -> None:
    with begin() as writes:
        writes.add(recount(engine), {"thing": "a", "seen": 1, "n": 2})
        assert writes.send(insert(engine), {"name": "c", "facts": None, "wanted": 0}) == []

    with begin() as writes:
        writes.add(recount(engine), {"thing": "b", "seen": 1, "n": 3})
        assert writes.send() == []

    with begin() as writes:
        assert writes.send() == []
        assert len(writes.send(insert(engine), {"name": "c", "facts": None, "wanted": 1})) == 1

    assert counts(engine) == {"a": 2, "b": 3, "c": None}


def test_where_one_is_lost_none_is_made(engine: sa.Engine, begin: Begin) -> None:
    def write() -> None:
        with begin() as writes:
            writes.add(recount(engine), {"thing": "a", "seen": 1, "n": 2})
            writes.add(recount(engine), {"thing": "b", "seen": 9, "n": 3})
            writes.send(insert(engine), {"name": "c", "facts": None, "wanted": 1})

    with pytest.raises(LostError):
        write()

    assert counts(engine) == {"a": 1, "b": 1}


def test_one_that_may_be_lost_keeps_nobody_back(engine: sa.Engine, begin: Begin) -> None:
    with begin() as writes:
        writes.add(recount(engine), {"thing": "a", "seen": 9, "n": 2}, lost=None)
        writes.add(recount(engine), {"thing": "b", "seen": 1, "n": 3})
        writes.send()

    assert counts(engine) == {"a": 1, "b": 3}


@pytest.mark.parametrize(("own", "done"), [("a", True), ("z", False)])
def test_one_that_returns_rows_says_whether_it_did_its_work(
    engine: sa.Engine, begin: Begin, own: str, done: bool
) -> None:
    with contextlib.nullcontext() if done else pytest.raises(BillingError), begin() as writes:
        writes.add(close(engine), {"own": own})
        writes.send()

    assert counts(engine) == ({"a": 11, "b": 11} if done else {"a": 1, "b": 1})


def test_an_error_of_the_database_takes_all_back(engine: sa.Engine, begin: Begin) -> None:
    def write() -> None:
        with begin() as writes:
            writes.add(recount(engine), {"thing": "a", "seen": 1, "n": 2})
            writes.send(insert(engine), {"name": "b", "facts": None, "wanted": 1})

    with pytest.raises(sa.exc.IntegrityError):
        write()

    assert counts(engine) == {"a": 1, "b": 1}


def test_what_is_not_prepared_needs_a_transaction(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        assert Writes(connection).transaction is connection

        with pytest.raises(TransactionNeededError):
            Writes(connection, at_once=True).transaction  # noqa: B018
