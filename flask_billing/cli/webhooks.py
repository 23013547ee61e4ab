"""``flask billing webhooks``: look into the inbox, and process events again."""

from __future__ import annotations

import collections
import collections.abc as c
import typing as t

import click
from flask.cli import with_appcontext

from .. import webhooks as inbox
from ..errors import PayloadForgottenError
from ..models import WebhookEvent
from ..webhooks import reading

STATES: t.Final = ("waiting", "handled", "ignored", "failed", "dead")


@click.group()
def webhooks() -> None:
    """Events Stripe delivered: what became of them, and another try."""


@webhooks.command("list")
@click.option("--state", "outcome", type=click.Choice(STATES), help="Only events in this state.")
@click.option("--limit", default=50, type=click.IntRange(1, 10_000), help="How many, at most.")
@with_appcontext
def list_events(outcome: str | None, limit: int) -> None:
    """Print the last events, newest first."""
    for event in reading.latest(outcome=outcome, limit=limit):
        click.echo(_line(event))


@webhooks.command()
@click.argument("event")
@click.option("--payload", is_flag=True, help="Print what Stripe sent, personal details and all.")
@with_appcontext
def show(event: str, payload: bool) -> None:
    """Print one event with its last error. EVENT is its number or Stripe's id."""
    found = _find(event)

    for label, value in _facts(found):
        click.echo(f"{label:<13}{value}")

    if found.error:
        click.echo(f"\n{found.error.rstrip()}")

    if payload:
        click.echo(f"\n{found.payload or 'The payload was pruned.'}")


@webhooks.command()
@click.argument("events", nargs=-1)
@click.option("--dead", is_flag=True, help="All that were given up, too.")
@with_appcontext
def retry(events: tuple[str, ...], dead: bool) -> None:
    """Process events that failed, dead letters too; without EVENTS all whose time has come.

    The job webhook-retries does the latter by itself. Exits with 1 where one failed.
    """
    if not events:
        _report(_retry_all_due(dead=dead))
        return

    if dead:
        raise click.UsageError("Name events, or ask for all that are dead with --dead.")

    chosen = [_find(event) for event in events]
    closed = [event.stripe_id for event in chosen if event.state in ("handled", "ignored")]

    if closed:
        raise click.ClickException(
            f"{', '.join(closed)} did not fail, so nothing was done. To process an event again "
            "all the same, use 'flask billing webhooks replay'."
        )

    _report(collections.Counter(_process(event) for event in chosen))


@webhooks.command()
@click.argument("event")
@with_appcontext
def replay(event: str) -> None:
    """Process an event again, whatever became of it. Its object is read from Stripe as it is now.

    Nothing is announced twice. Exits with 1 where it failed.
    """
    _report({_process(_find(event)): 1})


def _process(event: WebhookEvent) -> str:
    try:
        return inbox.process(event.id)
    except PayloadForgottenError as error:
        raise click.ClickException(str(error)) from error


def _retry_all_due(*, dead: bool) -> dict[str, int]:
    # First, as what fails now may be given up by that.
    found: collections.Counter[str] = collections.Counter(inbox.retry_dead() if dead else {})

    while outcomes := inbox.retry_due():  # what fails is not due again at once
        found.update(outcomes)

    return found


def _report(outcomes: c.Mapping[t.Any, int]) -> None:
    told = [f"{count} {outcome}" for outcome, count in sorted(outcomes.items())]
    click.echo(", ".join(told) or "No event is waiting.")

    if outcomes.get("failed"):
        raise SystemExit(1)


def _find(reference: str) -> WebhookEvent:
    found = reading.find(reference)

    if found is None:
        raise click.ClickException(
            f"There is no webhook event {reference!r}. 'flask billing webhooks list' shows them."
        )

    return found


def _line(event: WebhookEvent) -> str:
    return (
        f"{event.id:>6}  {event.received_at:%Y-%m-%d %H:%M:%S}  {event.state:<9}"
        f"{event.stripe_id}  {event.type}"
    )


def _facts(event: WebhookEvent) -> c.Iterator[tuple[str, object]]:
    yield "Event", f"{event.stripe_id} (number {event.id})"
    yield "Type", event.type
    yield "Object", event.object_id or "none"
    yield "State", event.state
    yield "Received", f"{event.received_at:%Y-%m-%d %H:%M:%S} UTC, {event.deliveries} times"
    yield "Attempts", f"{event.attempts} failed"

    if event.handled_at is not None:
        yield "Handled", f"{event.handled_at:%Y-%m-%d %H:%M:%S} UTC"

    if event.next_attempt_at is not None:
        yield "Next attempt", f"{event.next_attempt_at:%Y-%m-%d %H:%M:%S} UTC"
