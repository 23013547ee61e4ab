"""``flask billing ...``: what is run from the shell."""

from __future__ import annotations

import click

from .catalog import catalog
from .migrations import install_migrations
from .usage import usage
from .webhooks import webhooks


@click.group()
def billing() -> None:
    """Plans, subscriptions, webhooks and usage of this app."""


billing.add_command(catalog)
billing.add_command(install_migrations)
billing.add_command(usage)
billing.add_command(webhooks)
