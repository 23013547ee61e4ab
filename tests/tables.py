"""All tables of a test's database in one script: one commit, where `create_all` makes hundreds."""

from __future__ import annotations

import functools
import typing as t

import sqlalchemy as sa
from flask_sqlalchemy import SQLAlchemy

_scripts: dict[tuple[str, ...], str] = {}


def create(db: SQLAlchemy) -> None:
    """Create the tables of a host app that are not there. Needs an app context."""
    there = set(sa.inspect(db.engine).get_table_names())

    if there >= set(db.metadata.tables):
        return

    if there:
        db.create_all()
        return

    key = (db.engine.dialect.name, *db.metadata.tables)

    if key not in _scripts:
        _scripts[key] = _script(db)

    connection = db.engine.raw_connection()

    try:
        driver: t.Any = connection.driver_connection
        run = driver.executescript if key[0] == "sqlite" else driver.execute
        run(_scripts[key])
        driver.commit()
    finally:
        connection.close()


def _script(db: SQLAlchemy) -> str:
    """What `create_all` would run, one after the other."""
    statements: list[str] = []
    note = functools.partial(_note, statements, db.engine.dialect)
    db.metadata.create_all(sa.create_mock_engine(db.engine.url, note), checkfirst=False)
    return "BEGIN;" * (db.engine.dialect.name == "sqlite") + "".join(statements)


def _note(
    statements: list[str], dialect: sa.Dialect, element: t.Any, *_: object, **__: object
) -> None:
    statements.append(f"{element.compile(dialect=dialect)};")
