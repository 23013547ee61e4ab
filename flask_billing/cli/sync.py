"""``flask billing sync``: our rows beside what Stripe has."""

from __future__ import annotations

import datetime as dt
import re

import click
from flask.cli import with_appcontext

from .. import stripe_customers
from ..customers import customer_for
from ..errors import BillingError
from ..models import Customer
from ..owners import Owner
from ..reconciliation import Report, reconcile_all, reconcile_changed, reconcile_customer
from ..webhooks.missed import KEPT_BY_STRIPE, receive_missed
from .owners import find_customer


class _Span(click.ParamType[dt.timedelta]):
    """A length of time, as 90m, 12h or 30d."""

    name = "span"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> dt.timedelta:
        """The text as a length of time."""
        found = re.fullmatch(r"(\d{1,5})([mhd])", str(value))

        if found is None:
            self.fail(f"{value!r} is no length of time, as 90m, 12h or 30d", param, ctx)

        units = {"m": "minutes", "h": "hours", "d": "days"}
        return dt.timedelta(**{units[found[2]]: int(found[1])})


@click.command()
@click.argument("owner_type", required=False)
@click.argument("owner_id", required=False)
@click.option("--all", "everybody", is_flag=True, help="Every customer.")
@click.option("--link", metavar="CUSTOMER", help="The owner's customer at Stripe, to link first.")
@click.option("--events", is_flag=True, help="Receive the events that never came.")
@click.option("--since", type=_Span(), help="Only what happened since, as 12h or 30d.")
@with_appcontext
def sync(
    owner_type: str | None,
    owner_id: str | None,
    everybody: bool,
    link: str | None,
    events: bool,
    since: dt.timedelta | None,
) -> None:
    """Compare our rows with Stripe, repair what differs, and print it.

    Of one owner (OWNER_TYPE user OWNER_ID 7), of --all, or of those that something happened to
    --since. With --events, receive the webhooks of the last 30 days that were lost instead. With
    --link, an owner is first linked to what Stripe has of it, as after a restored backup. Exits
    with 1 where something could not be repaired.
    """
    one = owner_type is not None and owner_id is not None

    if link is not None and not one:
        raise click.UsageError("Pass --link with OWNER_TYPE OWNER_ID.")

    if [one, everybody, events or since is not None].count(True) != 1 or (owner_type and not one):
        raise click.UsageError("Pass OWNER_TYPE OWNER_ID, --all, --since or --events.")

    try:
        if events:
            _receive(since or KEPT_BY_STRIPE)
        elif since is not None:
            _print(reconcile_changed(since))
        elif everybody:
            _print(reconcile_all())
        else:
            _print(reconcile_customer(_customer(str(owner_type), str(owner_id), link)))
    except BillingError as error:
        raise click.ClickException(str(error)) from error


def _customer(owner_type: str, owner_id: str, stripe_id: str | None) -> Customer:
    if stripe_id is None:
        return find_customer(owner_type, owner_id)

    customer = customer_for(Owner(owner_type, owner_id))
    stripe_customers.link(customer, stripe_id)
    return customer


def _receive(since: dt.timedelta) -> None:
    outcomes = receive_missed(since)
    told = [f"{count} {outcome}" for outcome, count in sorted(outcomes.items())]
    click.echo(", ".join(told) or "No event was missing.")

    if outcomes.get("failed"):
        raise click.exceptions.Exit(1)


def _print(report: Report) -> None:
    for drift in report.drifts:
        click.echo(str(drift))

    click.echo(f"{str(report).capitalize()}.")

    if report.unrepaired:
        raise click.exceptions.Exit(1)
