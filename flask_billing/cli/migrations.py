"""``flask billing install-migrations``: our revisions, copied into the host's own history."""

from __future__ import annotations

import importlib.util
import re
import typing as t
from pathlib import Path

import click
from flask import current_app
from flask.cli import with_appcontext

if t.TYPE_CHECKING:
    from alembic.script import Script, ScriptDirectory


@click.command("install-migrations")
@click.option("-d", "--directory", help="The host's migrations folder, where it is not the usual.")
@with_appcontext
def install_migrations(directory: str | None) -> None:
    """Copy the revisions of the billing tables into this app's migrations.

    They keep their ids and follow the app's current head, so the history stays one line.
    Run again after an update: only what is new is copied.
    """
    copied = copy_revisions(own_scripts(), _host_scripts(directory))

    for name in copied:
        click.echo(f"Copied {name}")

    if copied:
        click.echo("Next: flask db upgrade")
    else:
        click.echo("Nothing to copy: all billing revisions are in the app's migrations.")


def own_scripts() -> ScriptDirectory:
    """The migrations folder that ships with this package."""
    from alembic.script import ScriptDirectory

    # Type checkers can't follow setuptools' package_dir, so the package is found by its name.
    found = importlib.util.find_spec("flask_billing.migrations")
    assert found is not None
    assert found.origin is not None
    return ScriptDirectory(str(Path(found.origin).parent))


def copy_revisions(own: ScriptDirectory, host: ScriptDirectory) -> list[str]:
    """Copy what the host lacks, each after the other, behind the host's head.

    :returns: names of the files written.
    :raises click.ClickException: where the host's history has several heads.
    """
    previous = _head(host)
    present = {script.revision for script in host.walk_revisions()}
    copied = []

    for script in reversed(list(own.walk_revisions())):
        if script.revision not in present:
            copied.append(_copy(script, previous, Path(host.versions)))
            previous = script.revision

    return copied


def _host_scripts(directory: str | None) -> ScriptDirectory:
    from alembic.script import ScriptDirectory

    extension = current_app.extensions.get("migrate")

    if extension is None:
        raise click.ClickException(
            "This app has no Flask-Migrate. Add 'Migrate(app, db)' to it, then 'flask db init'."
        )

    folder = Path(directory or extension.directory)

    if not (folder / "env.py").is_file():
        raise click.ClickException(
            f"There is no migrations folder at {folder.resolve()}. Make one with 'flask db init', "
            "or name yours with --directory."
        )

    return ScriptDirectory.from_config(extension.migrate.get_config(str(folder)))


def _head(host: ScriptDirectory) -> str | None:
    heads = host.get_heads()

    if len(heads) > 1:
        raise click.ClickException(
            f"The app's migrations have {len(heads)} heads ({', '.join(sorted(heads))}), and the "
            "billing revisions can follow only one. Join them with 'flask db merge heads'."
        )

    return heads[0] if heads else None


def _copy(script: Script, previous: str | None, folder: Path) -> str:
    """Write a revision that follows ``previous``; gives back the file's name."""
    source = Path(script.path)
    text = source.read_text(encoding="utf-8")
    text = re.sub(r"^Revises:.*$", f"Revises: {previous or ''}".rstrip(), text, flags=re.M)
    text = re.sub(r"^down_revision = .*$", f"down_revision = {previous!r}", text, flags=re.M)
    (folder / source.name).write_text(text, encoding="utf-8")
    return source.name
