"""Which sandbox a command works on: the app's, or the one in a file."""

from __future__ import annotations

import collections.abc as c
import contextlib
import json
import sqlite3
import typing as t
from pathlib import Path

import click
from flask.cli import NoAppException, ScriptInfo

from ..state import BillingState

if t.TYPE_CHECKING:
    from flask import Flask

    from ..sandbox import Sandbox

#: Seconds to wait for another process that is writing to a store.
PATIENCE: t.Final = 5.0

_TABLES: t.Final = frozenset(["objects", "due", "deliveries", "idempotency", "meta"])


@contextlib.contextmanager
def opened(context: click.Context, file: Path | None) -> c.Iterator[Sandbox]:
    """The sandbox in a file, or the app's, with its errors in plain words."""
    from ..sandbox import Sandbox, SandboxError

    try:
        if file is not None:
            check(file, must_exist=True)

            with Sandbox(file) as found:
                yield found
        else:
            app = _app(context)

            with app.app_context():
                yield _of_app(app)
    except SandboxError as error:
        raise click.ClickException(str(error)) from error
    except sqlite3.OperationalError as error:
        raise click.ClickException(_locked(file, error)) from error


def check(file: Path, *, must_exist: bool) -> None:
    """Make sure that a file is, or may become, a sandbox store, before anything touches it.

    :raises click.ClickException: with what to do instead.
    """
    if not file.exists():
        if must_exist:
            raise click.ClickException(f"There is no sandbox store {file}.")

        if not file.parent.is_dir():
            raise click.ClickException(f"There is no folder {file.parent} for the store.")

        return

    address = f"{file.resolve().as_uri()}?mode=rw"

    try:
        connection = sqlite3.connect(address, uri=True, timeout=PATIENCE, isolation_level=None)

        with contextlib.closing(connection):
            rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            tables = {name for (name,) in rows} - {"sqlite_sequence"}
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
    except sqlite3.OperationalError as error:
        raise click.ClickException(_locked(file, error)) from error
    except sqlite3.DatabaseError:
        tables = {"something else"}

    if not (tables >= _TABLES or (not tables and not must_exist)):
        raise click.ClickException(f"{file} is no sandbox store. Nothing was changed.")


def event(found: Sandbox, event_id: str) -> dict[str, t.Any]:
    """One event of a sandbox."""
    for one in found.events():
        if one["id"] == event_id:
            return one

    raise click.ClickException(
        f"There is no event {event_id!r}. 'flask billing sandbox events' shows them."
    )


def reset(found: Sandbox, context: click.Context, file: Path | None) -> None:
    """Empty a sandbox, and let the app's webhook route be known to it again."""
    found.reset()

    if file is None:
        found.connect(_app(context))


def as_json(value: object) -> str:
    """For people and for programs."""
    return json.dumps(value, indent=2)


def _app(context: click.Context) -> Flask:
    try:
        return context.ensure_object(ScriptInfo).load_app()
    except NoAppException as error:
        raise click.ClickException(
            f"{error.format_message()}\nOr name a sandbox's file with --store."
        ) from error


def _of_app(app: Flask) -> Sandbox:
    from ..sandbox import Sandbox

    state: BillingState | None = app.extensions.get("billing")
    found = state.sandbox if state is not None else None

    if not isinstance(found, Sandbox):
        raise click.ClickException(
            "The app is not on the sandbox. Set BILLING_SANDBOX = True, or name a sandbox's file "
            "with --store. Nothing was changed."
        )

    if found.path is None:
        raise click.ClickException(
            "The app's sandbox is in the memory of the app's own process, where no command "
            "reaches it. Set BILLING_SANDBOX_STORE = 'stripe.sqlite' and start the app again."
        )

    # This process says when something is delivered.
    found.webhooks.close()
    return found


def _locked(file: Path | None, error: sqlite3.OperationalError) -> str:
    what = str(file) if file is not None else "The app's store"

    if "locked" not in str(error):
        return f"{what} cannot be used: {error}."

    return f"{what} is locked by another process that is writing to it. Try again when it is done."
