"""Hosts on a canned Stripe."""

from __future__ import annotations

import collections.abc as c
import shutil
from pathlib import Path

import pytest

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
