"""A database that lacks tables of this version: how drivers say so, and what to do about it."""

from __future__ import annotations

import typing as t

ADVICE: t.Final = (
    "Create the tables with 'db.create_all()', or with 'flask billing install-migrations' "
    "and 'flask db upgrade'; 'flask billing doctor' tells which do not fit."
)

#: PostgreSQL's undefined_table and undefined_column.
_CODES: t.Final = ("42P01", "42703")

#: SQLite has no codes for them.
_WORDS: t.Final = ("no such table", "no such column")


def are_the_reason(error: BaseException) -> bool:
    """Whether a database refused something because a table or a column is not there."""
    cause = getattr(error, "orig", None) or error
    code = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
    return code in _CODES or str(cause).startswith(_WORDS)
