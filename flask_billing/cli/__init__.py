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


@click.group(cls=_LateGroup)
def billing() -> None:
    """Plans, subscriptions, webhooks and usage of this app."""
