"""Statements on the driver's own cursor fail as SQLAlchemy's do, and can be listened to."""

from __future__ import annotations

import collections.abc as c
import contextlib
import typing as t

import pytest
import sqlalchemy as sa

from flask_billing.prepared import Prepared, transaction

TABLE = sa.Table(
    "thing",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(20), unique=True),
    sa.Column("facts", sa.JSON),
    sa.Column("count", sa.Integer, default=7),
    sa.Column(
        "parent",
        sa.ForeignKey("thing.id", deferrable=True, initially="DEFERRED"),
    ),
)


@pytest.fixture
def engine(database_url: str) -> c.Iterator[sa.Engine]:
    """A database with one table, and one connection to it."""
    made = sa.create_engine(database_url, pool_size=1, max_overflow=0)
    TABLE.metadata.create_all(made)
    yield made
    made.dispose()


def insert(engine: sa.Engine) -> Prepared:
    names = ("name", "facts")
    return Prepared(
        sa.insert(TABLE)
        .values({name: sa.bindparam(name) for name in names})
        .returning(TABLE.c.id, TABLE.c.facts, TABLE.c.count),
        engine.dialect,
    )


def test_values_pass_through_their_types_both_ways(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        rows = insert(engine).rows(connection, {"name": "a", "facts": {"b": [1]}})

    assert rows == [{"id": 1, "facts": {"b": [1]}, "count": 7}]


def test_a_change_says_how_many_rows(engine: sa.Engine) -> None:
    update = Prepared(sa.update(TABLE).values(count=sa.bindparam("n")), engine.dialect)

    with engine.begin() as connection:
        for name in ("a", "b"):
            insert(engine).rows(connection, {"name": name, "facts": None})

        assert update.change(connection, {"n": 1}) == 2


def test_a_refused_row_is_sqlalchemys_error(engine: sa.Engine) -> None:
    statement, values = insert(engine), {"name": "a", "facts": None}

    with engine.begin() as connection:
        statement.rows(connection, values)

    with engine.connect() as connection, pytest.raises(sa.exc.IntegrityError) as refusal:
        statement.rows(connection, values)

    assert "INSERT INTO thing" in str(refusal.value)


def test_who_listens_to_the_engine_hears_it(engine: sa.Engine) -> None:
    heard: list[str] = []
    sa.event.listen(
        engine, "before_cursor_execute", lambda *arguments: heard.append(str(arguments[2]))
    )

    with engine.begin() as connection:
        insert(engine).rows(connection, {"name": "a", "facts": None})

    assert any("INSERT INTO thing" in statement for statement in heard)


def names(engine: sa.Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.scalars(sa.select(TABLE.c.name).order_by(TABLE.c.name)))


def test_a_transaction_takes_prepared_and_other_statements(engine: sa.Engine) -> None:
    with engine.connect() as connection, transaction(connection):
        insert(engine).rows(connection, {"name": "a", "facts": None})
        connection.execute(sa.insert(TABLE).values(name="b"))
        insert(engine).rows(connection, {"name": "c", "facts": None})

    assert names(engine) == ["a", "b", "c"]


@pytest.mark.parametrize("mixed", [True, False])
def test_an_exception_rolls_back_whatever_ran(engine: sa.Engine, mixed: bool) -> None:
    with (
        contextlib.suppress(ZeroDivisionError),
        engine.connect() as connection,
        transaction(connection),
    ):
        insert(engine).rows(connection, {"name": "a", "facts": None})

        if mixed:
            connection.execute(sa.insert(TABLE).values(name="b"))

        raise ZeroDivisionError

    assert names(engine) == []


def test_a_commit_that_fails_leaves_a_clean_connection(engine: sa.Engine) -> None:
    orphan = Prepared(sa.insert(TABLE).values(name="a", parent=99), engine.dialect)

    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA foreign_keys = ON")

    with (
        pytest.raises(sa.exc.IntegrityError),
        engine.connect() as connection,
        transaction(connection),
    ):
        assert orphan.change(connection, {}) == 1

    with engine.connect() as connection, transaction(connection):
        insert(engine).rows(connection, {"name": "b", "facts": None})

    assert names(engine) == ["b"]


@pytest.mark.postgres
def test_a_lost_connection_is_given_up(postgres_url: str) -> None:
    engine = sa.create_engine(postgres_url)
    one = Prepared(sa.select(sa.literal(1).label("one")), engine.dialect)

    with engine.connect() as connection:
        own = connection.scalar(sa.text("SELECT pg_backend_pid()"))

        with engine.connect() as other:
            other.execute(sa.text("SELECT pg_terminate_backend(:pid)"), {"pid": own})

        with pytest.raises(sa.exc.OperationalError):
            one.rows(connection, {})

    with engine.connect() as connection:
        assert one.rows(connection, {}) == [{"one": 1}]

    engine.dispose()


@pytest.mark.postgres
def test_a_lost_connection_does_not_hide_what_went_wrong_first(postgres_url: str) -> None:
    engine = sa.create_engine(postgres_url)
    one = Prepared(sa.select(sa.literal(1).label("one")), engine.dialect)

    def go_wrong(connection: sa.Connection) -> None:
        with transaction(connection):
            one.rows(connection, {})
            driver: t.Any = connection.connection.dbapi_connection
            driver.close()
            raise KeyError("went wrong first")

    with engine.connect() as connection:
        with pytest.raises(KeyError, match="went wrong first"):
            go_wrong(connection)

        assert one.rows(connection, {}) == [{"one": 1}], "another one takes its place"

    engine.dispose()
