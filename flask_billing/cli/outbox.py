"""``flask billing outbox``: signals and mails that did not leave."""

from __future__ import annotations

import click
from flask.cli import with_appcontext

from .. import outbox as messages
from ..models import Outbox


@click.group()
def outbox() -> None:
    """Signals and mails that were given up after many attempts."""


@outbox.command("list")
@click.option("--limit", default=50, type=click.IntRange(1, 10_000), help="How many, at most.")
@with_appcontext
def list_given_up(limit: int) -> None:
    """Print what was given up, newest first, with the last error. Times are UTC."""
    for row in messages.given_up(limit=limit):
        click.echo(_line(row))


@outbox.command()
@with_appcontext
def retry() -> None:
    """Let what was given up leave after all, by the jobs outbox and mail.

    Mails that are too old to be news, or not true any more, are dropped by then.
    """
    revived = messages.revive()

    if not revived:
        click.echo("Nothing was given up.")
        return

    click.echo(f"{revived} will leave when the jobs 'outbox' and 'mail' run next.")


def _line(row: Outbox) -> str:
    whose = "" if row.customer_id is None else f" of customer {row.customer_id}"
    reason = (row.error or "").partition("\n")[0]
    return (
        f"{row.id:>6}  {row.created_at:%Y-%m-%d %H:%M:%S}  {row.kind} {row.name}{whose}: {reason}"
    )
