"""A database that answers nobody for a while."""

from __future__ import annotations

import collections.abc as c
import contextlib
import sqlite3

import sqlalchemy as sa

from ..host import Host


@contextlib.contextmanager
def locked(sqlite_url: str) -> c.Iterator[None]:
    """Somebody else holds the write lock, and does not let go."""
    other = sqlite3.connect(
        sqlite_url.removeprefix("sqlite:///"), isolation_level=None, check_same_thread=False
    )
    other.execute("BEGIN EXCLUSIVE")

    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


@contextlib.contextmanager
def down(host: Host) -> c.Iterator[None]:
    """The database answers nobody."""
    with host.app.app_context():
        url = host.db.engine.url

    if url.get_backend_name() == "sqlite":
        with locked(url.render_as_string()):
            yield

        return

    server = sa.create_engine(url.set(database="postgres"), isolation_level="AUTOCOMMIT")

    def say(statement: str) -> None:
        with server.connect() as connection:
            connection.execute(sa.text(statement))

    say(f"ALTER DATABASE {url.database} ALLOW_CONNECTIONS false")
    say(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{url.database}'")

    try:
        yield
    finally:
        say(f"ALTER DATABASE {url.database} ALLOW_CONNECTIONS true")
        server.dispose()

        with host.app.app_context():
            host.db.engine.dispose()  # the host's own connections are the host's affair
