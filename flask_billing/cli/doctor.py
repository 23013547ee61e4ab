"""``flask billing doctor``: is everything well, and what to do where it is not."""

from __future__ import annotations

import collections.abc as c
import dataclasses
import json
import textwrap

import click
from flask.cli import with_appcontext

from ..doctor import CHECKS, Finding, destination, endpoint, examine
from ..errors import BillingError

_MARKS = {"ok": "ok     ", "warning": "WARNING", "failure": "FAILURE"}


@click.command()
@click.argument("checks", nargs=-1, type=click.Choice(list(CHECKS)))
@click.option("--offline", is_flag=True, help="Leave out the checks that ask Stripe.")
@click.option("--json", "as_json", is_flag=True, help="Print a list of findings as JSON.")
@click.option("--fix", is_flag=True, help="Register webhook endpoint and event destination first.")
@with_appcontext
def doctor(checks: tuple[str, ...], offline: bool, as_json: bool, fix: bool) -> None:
    """Check keys, endpoint, catalog, clock, tables, jobs, queues, subscriptions and usage.

    Exits with 1 where something fails. Warnings do not count.
    """
    if fix:
        _fix()

    findings = examine(checks, offline=offline)

    if as_json:
        click.echo(json.dumps([dataclasses.asdict(finding) for finding in findings], indent=2))
    else:
        _print(findings)

    if any(finding.level == "failure" for finding in findings):
        raise click.exceptions.Exit(1)


def _fix() -> None:
    try:
        _tell("endpoint", endpoint.mend())

        if destination.is_wanted():
            _tell("event destination", destination.mend())
    except BillingError as error:
        raise click.ClickException(str(error)) from error


def _tell(what: str, secret: str | None) -> None:
    if secret is None:
        click.echo(f"The {what} sends every event that is handled.", err=True)
        return

    click.echo(
        f"The {what} is registered. Its signing secret is shown this once; add it to "
        "BILLING_STRIPE_WEBHOOK_SECRETS:",
        err=True,
    )
    click.echo(secret, err=True)


def _print(findings: c.Iterable[Finding]) -> None:
    for finding in findings:
        click.echo(f"{_MARKS[finding.level]} {finding.check}: {finding.text}")

        if finding.advice is not None:
            click.echo(textwrap.indent(finding.advice, " " * 8))
