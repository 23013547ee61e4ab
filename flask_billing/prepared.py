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
import re
import typing as t

import sqlalchemy as sa

if t.TYPE_CHECKING:
    # SQLAlchemy 2.0 has no DBAPIModule.
    from sqlalchemy.engine.interfaces import DBAPICursor, DBAPIModule

Values = c.Mapping[str, t.Any]
Row = dict[str, t.Any]
Statement = (
    sa.Select[*tuple[t.Any, ...]] | sa.CompoundSelect[*tuple[t.Any, ...]] | sa.Insert | sa.Update
)
Convert = c.Callable[[t.Any], t.Any]

#: A named parameter in SQL for psycopg.
PLACEHOLDER: t.Final = re.compile(r"%\((\w+)\)s")


class Prepared:
    """A statement for one dialect.

    :param statement: with a ``bindparam`` for whatever differs between executions.
    """

    def __init__(self, statement: Statement, dialect: sa.Dialect) -> None:
        compiled = statement.compile(dialect=dialect)
        assert not compiled.post_compile_params, "a list in a parameter is not known beforehand"
        self.sql = str(compiled)
        self.constants = {**compiled.params, **_defaults(compiled.insert_prefetch)}
        self.by_name = not compiled.positional
        self.order = compiled.positiontup or parameters(self.sql)
        self.binders = [(name, _binder(compiled.binds[name].type, dialect)) for name in self.order]
        self.raw = raw(self.sql) if dialect.driver == "psycopg" else None
        returned = list(statement.exported_columns)
        self.names = [str(column.key) for column in returned]
        readers = [_reader(column.type, dialect) for column in returned]
        self.readers = [
            (name, reader)
            for name, reader in zip(self.names, readers, strict=True)
            if reader is not None
        ]

    def rows(self, connection: sa.Connection, values: Values) -> list[Row]:
        """Run it and read what it returns."""
        found = [dict(zip(self.names, row, strict=True)) for row in self._run(connection, values)]

        for name, reader in self.readers:
            for row in found:
                row[name] = reader(row[name])

        return found

    def change(self, connection: sa.Connection, values: Values) -> int:
        """Run it and say how many rows it changed."""
        changed: int = self._run(connection, values)
        return changed

    def _run(self, connection: sa.Connection, values: Values) -> t.Any:
        values = {**self.constants, **values} if self.constants else values
        bound = [
            values[name] if binder is None else binder(values[name])
            for name, binder in self.binders
        ]

        if self.raw is not None and not _is_watched(connection.engine):
            cursor = _raw_cursor(connection)
            return _execute(connection, cursor, self.raw, bound, returns=bool(self.names))

        arranged = dict(zip(self.order, bound, strict=True)) if self.by_name else tuple(bound)
        return run(connection, self.sql, arranged, returns=bool(self.names))


def constant(text: str) -> sa.ColumnElement[str]:
    """A text of ours as it stands in the SQL, and not as a parameter.

    A list of parameters would be written into the SQL again at each execution, and by a
    parameter that decides on a partial index SQLite plans the statement anew.
    """
    return sa.literal_column(f"'{text}'", sa.String)


def run(connection: sa.Connection, sql: str, bound: t.Any, *, returns: bool) -> t.Any:
    """Run a statement as the driver takes it, inside the connection's transaction.

    :returns: its rows, or how many it changed.
    """
    if _is_watched(connection.engine):
        found = connection.exec_driver_sql(sql, bound)
        return found.all() if returns else found.rowcount

    return _execute(connection, connection.connection.cursor(), sql, bound, returns=returns)


def _execute(
    connection: sa.Connection, cursor: DBAPICursor, sql: str, bound: t.Any, *, returns: bool
) -> t.Any:
    # Without a context manager of ours: half a dozen of these are a delivery.
    try:
        cursor.execute(sql, bound)
        return cursor.fetchall() if returns else cursor.rowcount
    except connection.dialect.loaded_dbapi.Error as error:
        raise _wrapped(error, connection, sql) from error
    finally:
        cursor.close()


def _raw_cursor(connection: sa.Connection) -> DBAPICursor:
    psycopg = t.cast("t.Any", connection.dialect.loaded_dbapi)
    cursor: DBAPICursor = psycopg.RawCursor(connection.connection.dbapi_connection)
    return cursor


def begin(connection: sa.Connection, sql: str) -> None:
    """Begin a transaction by this statement, where the driver does not."""
    try:
        connection.connection.cursor().execute(sql)
    except connection.dialect.loaded_dbapi.Error as error:
        raise _wrapped(error, connection, sql) from error


def writing(connection: sa.Connection) -> c.Iterator[sa.Connection]:
    """A write on a connection: committed on leaving, rolled back by an exception.

    Begun and committed on the driver, as SQLAlchemy's own objects for it cost more than both.
    Statements that are not prepared take part: its transaction then joins the open one.
    """
    if _is_watched(connection.engine) or connection.engine.dispatch.commit:
        with connection.begin():
            yield connection

        return

    if connection.dialect.name == "sqlite":
        begin(connection, "BEGIN IMMEDIATE")

    try:
        yield connection

        if not connection.in_transaction():
            _commit(connection)
        else:
            connection.commit()
    except BaseException:
        # The pool would do so too, but not before a failed commit is looked into.
        _roll_back(connection)
        raise


transaction = contextlib.contextmanager(writing)


def has_begun(connection: sa.Connection) -> bool:
    """Whether a transaction is open on SQLite's driver."""
    return bool(getattr(connection.connection.dbapi_connection, "in_transaction", False))


def _commit(connection: sa.Connection) -> None:
    try:
        connection.connection.commit()
    except connection.dialect.loaded_dbapi.Error as error:
        raise _wrapped(error, connection, "COMMIT") from error


def _roll_back(connection: sa.Connection) -> None:
    """Roll back what was begun. A connection that is lost is given up, and hides no error."""
    if connection.invalidated:
        return

    try:
        connection.rollback()
        connection.connection.rollback()
    except (sa.exc.SQLAlchemyError, connection.dialect.loaded_dbapi.Error) as error:
        if not connection.invalidated:
            connection.invalidate(error)


def _is_watched(engine: sa.Engine) -> bool:
    """Whether somebody listens to this engine's statements, to count or trace them."""
    dispatch = engine.dispatch
    return bool(dispatch.before_cursor_execute or dispatch.after_cursor_execute)


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


def parameters(sql: str) -> list[str]:
    """The names of the parameters in SQL for psycopg, each once."""
    return list(dict.fromkeys(PLACEHOLDER.findall(sql)))


def raw(sql: str) -> str:
    """SQL for psycopg with PostgreSQL's own placeholders, numbered as :func:`parameters` are.

    psycopg reads a statement of more than 4 kB or 50 parameters anew at each execution, to
    number them itself.
    """
    numbers = {name: n for n, name in enumerate(parameters(sql), 1)}
    numbered = PLACEHOLDER.sub(lambda found: f"${numbers[found[1]]}", sql)
    return numbered.replace("%%", "%")


def _defaults(columns: c.Iterable[sa.Column[t.Any]]) -> Values:
    """The defaults of columns an insert leaves out. Callables would need an execution."""
    defaults = {column.key: column.default for column in columns}
    assert all(isinstance(default, sa.ColumnDefault) for default in defaults.values())
    return {name: t.cast("sa.ColumnDefault", default).arg for name, default in defaults.items()}


def _binder(kind: sa.types.TypeEngine[t.Any], dialect: sa.Dialect) -> Convert | None:
    return kind.dialect_impl(dialect).bind_processor(dialect)


def _reader(kind: sa.types.TypeEngine[t.Any], dialect: sa.Dialect) -> Convert | None:
    return kind.dialect_impl(dialect).result_processor(dialect, None)
