"""Hosts on a canned Stripe."""

from __future__ import annotations

import collections.abc as c
import shutil
import uuid
from pathlib import Path

import pytest
import sqlalchemy as sa

from ..stripe_double import CannedHost, StripeObject, canned_host


@pytest.fixture(scope="session")
def empty_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file with all tables, to copy: quicker than creating them each time."""
    path = tmp_path_factory.mktemp("empty") / "empty.sqlite"
    canned_host(f"sqlite:///{path}").close()
    return path


@pytest.fixture
def empty_sqlite_url(empty_sqlite: Path, tmp_path: Path) -> str:
    """A fresh SQLite database with all tables."""
    return f"sqlite:///{shutil.copy(empty_sqlite, tmp_path / 'host.sqlite')}"


@pytest.fixture(scope="session")
def empty_postgres(postgres_server: str) -> str:
    """The name of a PostgreSQL database with all tables, to copy."""
    name = f"empty_{uuid.uuid4().hex}"
    _administer(postgres_server, f"CREATE DATABASE {name}")
    canned_host(_address(postgres_server, name)).close()
    return name


@pytest.fixture
def empty_postgres_url(postgres_server: str, empty_postgres: str) -> c.Iterator[str]:
    """A fresh PostgreSQL database with all tables."""
    name = f"billing_{uuid.uuid4().hex}"
    _administer(postgres_server, f"CREATE DATABASE {name} TEMPLATE {empty_postgres}")
    yield _address(postgres_server, name)
    _administer(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def empty_url(request: pytest.FixtureRequest) -> str:
    """A fresh database of each kind in turn, with all tables."""
    url: str = request.getfixturevalue(
        "empty_sqlite_url" if request.param == "sqlite" else "empty_postgres_url"
    )
    return url


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def any_database(request: pytest.FixtureRequest) -> str | None:
    """A fresh database of each kind in turn, as :func:`make_canned` takes it."""
    if request.param == "sqlite":
        return None

    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
def make_canned(empty_sqlite_url: str) -> c.Iterator[c.Callable[..., CannedHost]]:
    """Makes hosts on a canned Stripe and closes them; SQLite unless a URL is given."""
    hosts: list[CannedHost] = []

    def make(
        *objects: StripeObject, database_url: str | None = None, **options: object
    ) -> CannedHost:
        url = database_url or empty_sqlite_url
        options.setdefault("create", database_url is not None)
        hosts.append(canned_host(url, *objects, **options))  # type: ignore[arg-type]
        return hosts[-1]

    yield make

    for host in hosts:
        host.close()


def _administer(server: str, statement: str) -> None:
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT")

    with engine.connect() as connection:
        connection.execute(sa.text(statement))

    engine.dispose()


def _address(server: str, database: str) -> str:
    return sa.make_url(server).set(database=database).render_as_string(hide_password=False)
