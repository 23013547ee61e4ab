"""``flask billing ...``: what is run from the shell."""

from __future__ import annotations

import importlib
import typing as t

import click

#: Command -> the module in here that holds it, under the command's name.
MODULES: t.Final = {
    "catalog": "catalog",
    "doctor": "doctor",
    "install-migrations": "migrations",
    "jobs": "jobs",
    "outbox": "outbox",
    "retention": "retention",
    "sandbox": "sandbox",
    "sync": "sync",
    "usage": "usage",
    "webhooks": "webhooks",
}


class _LateGroup(click.Group):
    """Imports a command when it is asked for: an app that serves requests needs none."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands."""
        return sorted({*super().list_commands(ctx), *MODULES})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name."""
        if cmd_name not in MODULES:
            return super().get_command(ctx, cmd_name)

        module = importlib.import_module(f".{MODULES[cmd_name]}", __name__)
        return t.cast("click.Command", getattr(module, cmd_name.replace("-", "_")))

    def invoke(self, ctx: click.Context) -> t.Any:
        """Run a command. A database that is gone, or lacks tables, is an error in a sentence."""
        try:
            return super().invoke(ctx)
        except Exception as error:
            reason = _what_the_database_lacks(error)

            if reason is None:
                raise

            raise click.ClickException(reason) from error


def _what_the_database_lacks(error: Exception) -> str | None:
    from sqlalchemy import exc

    from .. import missing_tables

    if not isinstance(error, exc.DBAPIError):
        return None

    if missing_tables.are_the_reason(error):
        return f"The database lacks tables or columns of this version. {missing_tables.ADVICE}"

    if not isinstance(error, (exc.OperationalError, exc.InterfaceError)):
        return None

    reason = str(error.orig).partition("\n")[0].rstrip(".")
    return (
        f"The database does not answer: {reason}. See that it runs, can be reached, has room, and "
        "is not locked."
    )


@click.group(cls=_LateGroup)
def billing() -> None:
    """Plans, subscriptions, webhooks and usage of this app."""
