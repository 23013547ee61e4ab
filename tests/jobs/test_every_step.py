"""The worker is killed at every step of every job, and the next run makes up for it.

A step is a statement, a commit, a call to Stripe, a mail or a signal. Each takes a process of its
own that really dies there. The suite tries some of a job's steps; ``BILLING_CRASH_STRIDE=1`` all.
"""

from __future__ import annotations

import collections
import collections.abc as c
import datetime as dt
import itertools
import os
import shutil
import typing as t
import uuid
from pathlib import Path

import pytest
import sqlalchemy as sa

from flask_billing import clock
from flask_billing.jobs import JOBS
from flask_billing.models import Base

from . import night
from .night import DEAD, Night

STRIDE = int(os.environ.get("BILLING_CRASH_STRIDE", "29"))
#: May leave a second time where the process died before it could write down that they had.
AT_LEAST_ONCE: t.Final = ("mails", "heard")


class Fallen:
    """A night that has fallen once, to be lived through again and again.

    :param postgres_url: the database of all its copies in turn; None keeps each in a SQLite file.
    """

    def __init__(self, folder: Path, postgres_url: str | None) -> None:
        self._folder = folder / "first"
        self._folder.mkdir()
        self._copies = (folder / f"copy-{n}" for n in itertools.count())
        self._postgres = None if postgres_url is None else sa.create_engine(postgres_url)
        self._rows: list[tuple[sa.Table, list[dict[str, t.Any]]]] = []
        night.fall(self._url(self._folder), self._folder)

        if self._postgres is not None:
            with self._postgres.connect() as connection:
                self._rows = [
                    (table, [dict(row) for row in connection.execute(sa.select(table)).mappings()])
                    for table in Base.metadata.sorted_tables
                ]

    def again(self) -> tuple[str, Path]:
        """A copy of it: where its database is, and its folder."""
        folder = next(self._copies)
        shutil.copytree(self._folder, folder)

        if self._postgres is not None:
            with self._postgres.begin() as connection:
                self._put_back(connection)

        return self._url(folder), folder

    def close(self) -> None:
        """Let go of the database."""
        if self._postgres is not None:
            self._postgres.dispose()

    def _url(self, folder: Path) -> str:
        if self._postgres is None:
            return f"sqlite:///{folder / 'host.sqlite'}"

        return self._postgres.url.render_as_string(hide_password=False)

    def _put_back(self, connection: sa.Connection) -> None:
        for table, _ in reversed(self._rows):
            connection.execute(sa.delete(table))

        for table, rows in self._rows:
            if rows:
                connection.execute(sa.insert(table), rows)


@pytest.fixture(scope="module", params=["sqlite", pytest.param("pg", marks=pytest.mark.postgres)])
def fallen(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> c.Iterator[Fallen]:
    """The night, on each kind of database."""
    url = None

    if request.param == "pg":
        server = sa.make_url(request.getfixturevalue("postgres_server"))
        url = server.set(database=f"night_{uuid.uuid4().hex}").render_as_string(False)
        administer(server, f"CREATE DATABASE {sa.make_url(url).database}")

    found = Fallen(tmp_path_factory.mktemp("night"), url)
    yield found
    found.close()


def administer(server: sa.URL, statement: str) -> None:
    """Tell a PostgreSQL server something."""
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT")

    with engine.connect() as connection:
        connection.execute(sa.text(statement))

    engine.dispose()


@pytest.mark.parametrize("name", [job.name for job in JOBS])
def test_a_worker_killed_at_any_step_loses_nothing_and_doubles_nothing(
    fallen: Fallen, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wall, hour = clock.wall, dt.timedelta(hours=1)
    later = hour
    monkeypatch.setattr(clock, "wall", lambda: wall() + later)
    undisturbed, steps = _live_through(*fallen.again(), name)

    for turn in range(1 + len(name) % min(STRIDE, steps), steps + 1, STRIDE):
        url, folder = fallen.again()
        later = hour
        assert _die_at(turn, url, folder, name) == DEAD
        later = 2 * hour  # what the dead one has claimed is free again
        compare(_settled(url, folder, name), undisturbed, f"{name} died at step {turn}")


def _live_through(url: str, folder: Path, name: str) -> tuple[dict[str, list[t.Any]], int]:
    """What is known after a run that nothing disturbs, and how many steps it took."""
    before = _known(url, folder)
    (ends, begins) = os.pipe()

    if (child := os.fork()) == 0:
        here = Night(url, folder)
        counted = here.die_at(0)
        here.run(name)
        os.write(begins, str(counted.count).encode())
        os._exit(0)

    os.close(begins)

    with os.fdopen(ends) as told:
        steps = int(told.read())

    assert os.waitpid(child, 0)[1] == 0
    # The books are only looked at.
    assert (before == _known(url, folder)) == (name == "usage-books"), "or there was nothing to do"
    return _settled(url, folder, name), steps


def _die_at(turn: int, url: str, folder: Path, name: str) -> int:
    """Let a process die at that step of a job. Its exit status."""
    if (child := os.fork()) == 0:
        try:
            here = Night(url, folder)
            here.die_at(turn)
            here.run(name)
        finally:
            os._exit(1)

    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _known(url: str, folder: Path) -> dict[str, list[t.Any]]:
    here = Night(url, folder)

    try:
        return night.facts_of(here)
    finally:
        here.host.close()


def _settled(url: str, folder: Path, name: str) -> dict[str, list[t.Any]]:
    """What is known when the job has run again."""
    here = Night(url, folder)
    here.listen()

    try:
        assert here.settle(name).state == "ok"
        return night.facts_of(here)
    finally:
        here.host.close()


def compare(
    after: dict[str, list[t.Any]], undisturbed: dict[str, list[t.Any]], moment: str
) -> None:
    for what, facts in undisturbed.items():
        there, expected = collections.Counter(after[what]), collections.Counter(facts)
        lost, doubled = expected - there, there - expected
        allowed = 1 if what in AT_LEAST_ONCE and set(doubled) <= set(expected) else 0
        assert not lost, f"{moment}: of {what}, there is not {lost}"
        assert doubled.total() <= allowed, f"{moment}: of {what}, there is besides {doubled}"
