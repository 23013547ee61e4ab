"""``flask billing catalog``: show the plans, compare them with Stripe, bring Stripe in line."""

from __future__ import annotations

import collections.abc as c
import contextlib
import importlib.resources

import click
from flask import current_app
from flask.cli import with_appcontext

from ..catalog_push import Change
from ..catalog_push import diff as diff_with_stripe
from ..catalog_push import push as push_to_stripe
from ..config import is_live
from ..errors import BillingError
from ..state import state
from .catalog_text import lines_of


@click.group()
def catalog() -> None:
    """The plans of this app, here and at Stripe."""


@catalog.command()
@with_appcontext
def show() -> None:
    """Print the plans with prices and limits."""
    for line in lines_of(state().catalog):
        click.echo(line)


@catalog.command()
def schema() -> None:
    """Print the JSON Schema of the file, for editors."""
    file = importlib.resources.files("flask_billing") / "catalog.schema.json"
    click.echo(file.read_text(encoding="utf-8"), nl=False)


@catalog.command()
@with_appcontext
def diff() -> None:
    """Print what a push would do. Exits with 1 where Stripe differs."""
    with _plain_errors():
        changes = diff_with_stripe()

    _print(changes)

    if changes:
        raise SystemExit(1)


@catalog.command()
@click.option("--dry-run", is_flag=True, help="Print what would be done, and do nothing.")
@click.option("--yes", is_flag=True, help="Do not ask before changing a live account.")
@with_appcontext
def push(dry_run: bool, yes: bool) -> None:
    """Create and update products, prices and meters at Stripe.

    Exits with 1 where something conflicts and was left as it is.
    """
    with _plain_errors():
        if dry_run or (is_live(current_app) and not yes):
            changes = diff_with_stripe()
            _print(changes)

            if dry_run or not changes:
                return

            click.confirm("This is a live Stripe account. Make these changes?", abort=True)
            changes = push_to_stripe()
        else:
            changes = push_to_stripe()
            _print(changes)

    if any(change.action == "conflict" for change in changes):
        raise click.ClickException(
            "The conflicts above were left as they are. Settle them in the catalog or at Stripe."
        )


def _print(changes: c.Sequence[Change]) -> None:
    for change in changes:
        click.echo(str(change))

    if not changes:
        click.echo("Stripe is in line with the catalog.")


@contextlib.contextmanager
def _plain_errors() -> c.Iterator[None]:
    """Errors of ours as one line, without a traceback."""
    try:
        yield
    except BillingError as error:
        raise click.ClickException(str(error)) from error
