"""Statements that are compiled once.

A delivery of Stripe's is half a dozen statements that keep SQLite busy for some 150 µs, and
SQLAlchemy for three times as long: to look up, bind and wrap. A prepared statement is built and
typed with Core as any other; its SQL, its parameters' order and its types' conversions are worked
out once, and it runs on the driver's cursor, inside the caller's transaction. Errors are
SQLAlchemy's, and where somebody listens to the engine's statements, they pass by there.
"""

from __future__ import annotations

import collections.abc as c
import contextlib
import typing as t

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import DBAPIModule

Values = c.Mapping[str, t.Any]
Row = dict[str, t.Any]
Statement = sa.Select[t.Any] | sa.Insert | sa.Update
Convert = c.Callable[[t.Any], t.Any]


class Prepared:
    """A statement for one dialect.

    :param statement: with a ``bindparam`` for whatever differs between executions.
    """

    def __init__(self, statement: Statement, dialect: sa.Dialect) -> None:
        compiled = statement.compile(dialect=dialect)
        assert not compiled.post_compile_params, "a list in a parameter is not known beforehand"
        self._sql = str(compiled)
        self._constants = {**compiled.params, **_defaults(compiled.insert_prefetch)}
        binders = {name: _binder(bind.type, dialect) for name, bind in compiled.binds.items()}
        self._binders = [(name, binder) for name, binder in binders.items() if binder is not None]
        self._order = compiled.positiontup if compiled.positional else None
        returned = list(statement.exported_columns)
        self._names = [str(column.key) for column in returned]
        readers = [_reader(column.type, dialect) for column in returned]
        self._readers = [
            (name, reader)
            for name, reader in zip(self._names, readers, strict=True)
            if reader is not None
        ]

    def rows(self, connection: sa.Connection, values: Values) -> list[Row]:
        """Run it and read what it returns."""
        found = [dict(zip(self._names, row, strict=True)) for row in self._run(connection, values)]

        for name, reader in self._readers:
            for row in found:
                row[name] = reader(row[name])

        return found

    def change(self, connection: sa.Connection, values: Values) -> int:
        """Run it and say how many rows it changed."""
        changed: int = self._run(connection, values)
        return changed

    def _run(self, connection: sa.Connection, values: Values) -> t.Any:
        if _is_watched(connection.engine):
            found = connection.exec_driver_sql(self._sql, self._bound(values))
            return found.all() if self._names else found.rowcount

        # Without a context manager of ours: half a dozen of these are a delivery.
        cursor = connection.connection.cursor()

        try:
            cursor.execute(self._sql, self._bound(values))
            return cursor.fetchall() if self._names else cursor.rowcount
        except connection.dialect.loaded_dbapi.Error as error:
            raise _wrapped(error, connection, self._sql) from error
        finally:
            cursor.close()

    def _bound(self, values: Values) -> dict[str, t.Any] | tuple[t.Any, ...]:
        bound = {**self._constants, **values}

        for name, binder in self._binders:
            bound[name] = binder(bound[name])

        return bound if self._order is None else tuple([bound[name] for name in self._order])


def begin(connection: sa.Connection, sql: str) -> None:
    """Begin a transaction by this statement, where the driver does not."""
    with _errors(connection, sql):
        connection.connection.cursor().execute(sql)


@contextlib.contextmanager
def transaction(engine: sa.Engine) -> c.Iterator[sa.Connection]:
    """A write on a connection of its own: committed on leaving, rolled back by an exception.

    Begun and committed on the driver, as SQLAlchemy's own objects for it cost more than both.
    Statements that are not prepared take part: its transaction then joins the open one.
    """
    if _is_watched(engine):
        with engine.begin() as connection:
            yield connection

        return

    with engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            begin(connection, "BEGIN IMMEDIATE")

        try:
            yield connection

            if not connection.in_transaction():
                with _errors(connection, "COMMIT"):
                    connection.connection.commit()
            else:
                connection.commit()
        except BaseException:
            # The pool would do so too, but not before a failed commit is looked into.
            if not connection.invalidated:
                connection.rollback()
                connection.connection.rollback()

            raise


def has_begun(connection: sa.Connection) -> bool:
    """Whether a transaction is open on SQLite's driver."""
    return bool(getattr(connection.connection.dbapi_connection, "in_transaction", False))


@contextlib.contextmanager
def _errors(connection: sa.Connection, sql: str) -> c.Iterator[None]:
    """The driver's errors turned into SQLAlchemy's."""
    try:
        yield
    except connection.dialect.loaded_dbapi.Error as error:
        raise _wrapped(error, connection, sql) from error


def _is_watched(engine: sa.Engine) -> bool:
    """Whether somebody listens to what this engine does, to count or trace it."""
    dispatch = engine.dispatch
    return bool(dispatch.before_cursor_execute or dispatch.after_cursor_execute or dispatch.commit)


def _wrapped(error: DBAPIModule.Error, connection: sa.Connection, sql: str) -> BaseException:
    """A driver's error as SQLAlchemy's, after giving up a connection that is lost."""
    lost = connection.dialect.is_disconnect(error, connection.connection.dbapi_connection, None)

    if lost:
        connection.invalidate(error)

    return sa.exc.DBAPIError.instance(
        sql,
        None,
        error,
        connection.dialect.loaded_dbapi.Error,
        hide_parameters=True,
        connection_invalidated=lost,
        dialect=connection.dialect,
    )


def _defaults(columns: c.Iterable[sa.Column[t.Any]]) -> Values:
    """The defaults of columns an insert leaves out. Callables would need an execution."""
    defaults = {column.key: column.default for column in columns}
    assert all(isinstance(default, sa.ColumnDefault) for default in defaults.values())
    return {name: t.cast("sa.ColumnDefault", default).arg for name, default in defaults.items()}


def _binder(kind: sa.types.TypeEngine[t.Any], dialect: sa.Dialect) -> Convert | None:
    return kind.dialect_impl(dialect).bind_processor(dialect)


def _reader(kind: sa.types.TypeEngine[t.Any], dialect: sa.Dialect) -> Convert | None:
    return kind.dialect_impl(dialect).result_processor(dialect, None)
