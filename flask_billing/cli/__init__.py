"""``flask billing ...``: what is run from the shell."""

from __future__ import annotations

import click


@click.group()
def billing() -> None:
    """Plans, subscriptions, webhooks and usage of this app."""
