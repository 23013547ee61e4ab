"""Statements that are compiled once.

What one delivery of Stripe's does to the database takes SQLite some forty microseconds, and
SQLAlchemy ten times that to look up, bind and wrap. A prepared statement is built and typed with
Core as any other; its SQL, its parameters' order and its types' conversions are worked out once.
It runs inside the caller's transaction, and the engine's events and errors stay SQLAlchemy's.
"""

from __future__ import annotations

import collections.abc as c
import typing as t

import sqlalchemy as sa

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
        self._binders = {name: binder for name, binder in binders.items() if binder is not None}
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
        found = [
            dict(zip(self._names, row, strict=True)) for row in self._execute(connection, values)
        ]

        for name, reader in self._readers:
            for row in found:
                row[name] = reader(row[name])

        return found

    def change(self, connection: sa.Connection, values: Values) -> int:
        """Run it and say how many rows it changed."""
        return self._execute(connection, values).rowcount

    def _execute(self, connection: sa.Connection, values: Values) -> sa.CursorResult[t.Any]:
        bound = {**self._constants, **values}

        for name, binder in self._binders.items():
            bound[name] = binder(bound[name])

        if self._order is None:
            return connection.exec_driver_sql(self._sql, bound)

        return connection.exec_driver_sql(self._sql, tuple([bound[name] for name in self._order]))


def _defaults(columns: c.Iterable[sa.Column[t.Any]]) -> Values:
    """The defaults of columns an insert leaves out. Callables would need an execution."""
    defaults = {column.key: column.default for column in columns}
    assert all(isinstance(default, sa.ColumnDefault) for default in defaults.values())
    return {name: t.cast("sa.ColumnDefault", default).arg for name, default in defaults.items()}


def _binder(kind: sa.types.TypeEngine[t.Any], dialect: sa.Dialect) -> Convert | None:
    return kind.dialect_impl(dialect).bind_processor(dialect)


def _reader(kind: sa.types.TypeEngine[t.Any], dialect: sa.Dialect) -> Convert | None:
    return kind.dialect_impl(dialect).result_processor(dialect, None)
