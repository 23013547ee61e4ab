"""Does the database answer and take what is written, and do its tables fit this version?"""

from __future__ import annotations

import collections.abc as c
import secrets
import typing as t

import sqlalchemy as sa

from ..database import transaction
from ..models import Base, JobLease
from ..state import state
from .finding import Finding, failure, ok

#: Larger than what a database that is full still finds room for.
_PROBE: t.Final = "?" * 20_000

ADVICE = "Run 'flask billing install-migrations' and 'flask db upgrade'."


def check() -> c.Iterator[Finding]:
    """Look for tables and columns that the database lacks, and write something into it."""
    lacking = _what_lacks()

    for text in lacking:
        yield failure("tables", text, ADVICE)

    if lacking:
        return

    try:
        _write_and_delete()
    except sa.exc.OperationalError as error:
        yield failure(
            "tables",
            f"The database takes nothing: {error.orig}.",
            "Usage, events and changes are lost or refused meanwhile. Make room, or end what "
            "locks it.",
        )
        return

    count = len(Base.metadata.tables)
    yield ok("tables", f"The {count} tables fit this version and take what is written.")


def _what_lacks() -> list[str]:
    """What the database lacks of our tables, in sentences."""
    inspector = sa.inspect(state().db.engine)
    there = set(inspector.get_table_names())
    wanted = Base.metadata.tables
    lacking = sorted(name for name in wanted if name not in there)

    if len(lacking) == len(wanted):
        return ["The database has none of billing's tables."]

    found = [f"The database lacks {', '.join(lacking)}."] if lacking else []

    for name in sorted(there & set(wanted)):
        columns = {column["name"] for column in inspector.get_columns(name)}
        missing = [column.name for column in wanted[name].columns if column.name not in columns]

        if missing:
            found.append(f"{name} lacks {', '.join(missing)}.")

    return found


def _write_and_delete() -> None:
    name = f"doctor-{secrets.token_hex(8)}"

    with transaction() as connection:
        connection.execute(sa.insert(JobLease).values(name=name, last_result=_PROBE))

    with transaction() as connection:
        connection.execute(sa.delete(JobLease).where(JobLease.name == name))
