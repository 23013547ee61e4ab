"""Filling the demo's databases: at the first start, and again when it is reset.

They are made in a folder of their own, by a second app on empty databases, and put in place
when they are done. So an interrupted start leaves nothing half-done.
"""

from __future__ import annotations

import collections.abc as c
import contextlib
import os
import shutil
import sqlite3
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
from flask import Flask

from flask_billing import Customer, catalog_push
from flask_billing.sandbox import Sandbox

from . import history, live_sandbox
from .extensions import Base, db

#: The app's database last: where it stands, everything does.
FILES = ("stripe.sqlite", "linnet.sqlite")
#: Seconds after which another start's folder was left behind by a crash.
LEFT_BEHIND = 600


def seed_once(folder: Path) -> None:
    """Fill an instance folder, unless that was done before with the tables of today."""
    if (folder / FILES[-1]).exists() and _has_todays_tables(folder / FILES[-1]):
        return

    click.echo("The first start lives through 90 days of history. This takes some seconds.")

    with _seeded(folder) as made:
        for name in FILES:
            for rest in folder.glob(f"{name}-*"):  # journals of a file that is no more
                rest.unlink()

            os.replace(made / name, folder / name)


def reset(app: Flask) -> None:
    """Start the demo afresh, under a running app: its databases get the content of new ones."""
    folder = Path(app.instance_path)

    with _seeded(folder) as made:
        for name in FILES:
            with (
                contextlib.closing(sqlite3.connect(made / name)) as fresh,
                contextlib.closing(sqlite3.connect(folder / name, timeout=30)) as live,
            ):
                fresh.backup(live)

    live_sandbox.post_webhooks(app)


def _has_todays_tables(file: Path) -> bool:
    """Whether a database of an earlier checkout still fits the models."""
    tables = {**Base.metadata.tables, **Customer.metadata.tables}

    with contextlib.closing(sqlite3.connect(file)) as connection:
        for table in tables.values():
            rows = connection.execute("SELECT name FROM pragma_table_info(?)", (table.name,))

            if not {column.name for column in table.columns} <= {name for (name,) in rows}:
                return False

    return True


@contextlib.contextmanager
def _seeded(folder: Path) -> c.Iterator[Path]:
    """A folder beside the real files, with seeded ones; it is removed afterwards."""
    for left in folder.glob("seeding-*"):
        if time.time() - left.stat().st_mtime > LEFT_BEHIND:
            shutil.rmtree(left, ignore_errors=True)

    made = Path(tempfile.mkdtemp(prefix="seeding-", dir=folder))

    try:
        _fill(made, today=datetime.now(UTC).replace(microsecond=0))
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _fill(folder: Path, *, today: datetime) -> None:
    from . import create_app

    start = today - timedelta(days=history.DAYS)
    Sandbox(folder / FILES[0], now=start).close()
    app = create_app(folder, live=False)

    with app.app_context():
        try:
            db.create_all()
            catalog_push.push()
            history.live_through(live_sandbox.sandbox_of(app), start, today)
        finally:
            live_sandbox.close(app)
