"""``flask billing sandbox``: serve the offline Stripe, move its clock, look at its events."""

from __future__ import annotations

import collections.abc as c
import typing as t
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from . import sandbox_server, sandbox_store

if t.TYPE_CHECKING:
    from ..sandbox import Sandbox

_DAY: t.Final = timedelta(days=1)

_store_option: t.Final = click.option(
    "--store",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A store's file. Default: the store of the app.",
)


@click.group()
def sandbox() -> None:
    """The offline Stripe that stands in for the real one."""


@sandbox.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen at.")
@click.option(
    "--port",
    default=12111,
    show_default=True,
    type=click.IntRange(0, 65_535),
    help="0 takes a free one.",
)
@click.option(
    "--store",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A file that keeps the state. Default: in memory.",
)
@click.option("--webhook-url", help="Where to post webhooks, as http://127.0.0.1:8000/webhooks.")
@click.option("--webhook-secret", help="What to sign them with (whsec_...). Default: a new one.")
@click.option(
    "--allow-remote",
    is_flag=True,
    envvar="BILLING_SANDBOX_ALLOW_REMOTE",
    help="Let other machines in; also BILLING_SANDBOX_ALLOW_REMOTE=1 in the environment.",
)
def serve(
    host: str,
    port: int,
    file: Path | None,
    webhook_url: str | None,
    webhook_secret: str | None,
    allow_remote: bool,
) -> None:
    """Serve API and hosted pages to apps in any language. Needs no app.

    Prints the settings such an app needs, as lines for its environment.
    """
    sandbox_server.serve(
        host,
        port,
        file,
        webhook_url=webhook_url,
        webhook_secret=webhook_secret,
        allow_remote=allow_remote,
    )


@sandbox.command()
@click.option("--days", type=click.FloatRange(min=0), default=0)
@click.option("--hours", type=click.FloatRange(min=0), default=0)
@click.option(
    "--to", type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]), help="In UTC."
)
@_store_option
@click.pass_context
def advance(
    context: click.Context, days: float, hours: float, to: datetime | None, file: Path | None
) -> None:
    """Let time pass: renewals, trial ends and retries happen on their day.

    Webhooks are delivered day by day. Exits with 1 where the app answered one with an error.
    """
    if not (days or hours or to):
        raise click.UsageError("Say how far: --days, --hours or --to.")

    with sandbox_store.opened(context, file) as found:
        start, before = found.clock.now(), len(found.events())
        target = to.replace(tzinfo=UTC) if to else start + timedelta(days=days, hours=hours)

        if target < start:
            raise click.UsageError(
                f"The sandbox is at {start:%Y-%m-%d %H:%M} UTC already, and its clock only moves "
                "forward. Nothing was changed."
            )

        made = _advance(found, target)
        click.echo(f"{start:%Y-%m-%d %H:%M} -> {found.clock.now():%Y-%m-%d %H:%M} UTC")

        for event in found.events()[before:]:
            click.echo(_line(event))

        _report(found, made)


@sandbox.group(invoke_without_command=True)
@click.option("--type", "event_type", help="Only events of this type.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(min=1))
@click.option("--json", "as_json", is_flag=True, help="Print them whole, as one JSON array.")
@_store_option
@click.pass_context
def events(
    context: click.Context, event_type: str | None, limit: int, as_json: bool, file: Path | None
) -> None:
    """Print the last events, newest first."""
    if context.invoked_subcommand is not None:
        return

    with sandbox_store.opened(context, file) as found:
        latest = found.events(event_type)[: -limit - 1 : -1]

        if as_json:
            click.echo(sandbox_store.as_json(latest))
            return

        for event in latest:
            click.echo(_line(event))


@events.command()
@click.argument("event")
@_store_option
@click.pass_context
def show(context: click.Context, event: str, file: Path | None) -> None:
    """Print one event whole, and its deliveries."""
    with sandbox_store.opened(context, file) as found:
        click.echo(sandbox_store.as_json(sandbox_store.event(found, event)))

        for delivery in found.webhooks.log(limit=1_000_000):
            if delivery.event == event:
                click.echo(
                    f"{delivery.state} after {delivery.attempts} attempts, "
                    f"last answer {delivery.status}: {delivery.url}",
                    err=True,
                )


@events.command()
@click.argument("event")
@_store_option
@click.pass_context
def resend(context: click.Context, event: str, file: Path | None) -> None:
    """Deliver an event again. Exits with 1 where it was answered with an error."""
    with sandbox_store.opened(context, file) as found:
        sandbox_store.event(found, event)
        _report(found, found.webhooks.replay(event))


@sandbox.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
@_store_option
@click.pass_context
def reset(context: click.Context, yes: bool, file: Path | None) -> None:
    """Forget everything in the sandbox. The app's own tables stay as they are."""
    with sandbox_store.opened(context, file) as found:
        if not yes:
            click.confirm(f"Forget all customers, payments and events in {found.path}?", abort=True)

        sandbox_store.reset(found, context, file)
        click.echo(f"{found.path} is empty. Nothing in the app's own database was changed.")


def _advance(found: Sandbox, target: datetime) -> list[tuple[str, int]]:
    """Advance a day at a time, delivering on the way."""
    made: list[tuple[str, int]] = []

    while (now := found.clock.now()) < target:
        found.clock.advance(to=min(target, now + _DAY))
        made += found.webhooks.deliver(due_only=True)

    return made


def _line(event: c.Mapping[str, t.Any]) -> str:
    at = datetime.fromtimestamp(event["created"], UTC)
    about = event["data"]["object"].get("id", "")
    return f"{at:%Y-%m-%d %H:%M:%S}  {event['id']}  {event['type']}  {about}".rstrip()


def _report(found: Sandbox, made: list[tuple[str, int]]) -> None:
    """Say what became of the deliveries."""
    failed = [(name, status) for name, status in made if not 200 <= status < 300]
    waiting = found.webhooks.pending() - len(failed)
    told = [f"{len(made) - len(failed)} webhooks delivered"]

    if waiting > 0:
        told.append(f"{waiting} left to the process that receives them")

    click.echo(", ".join(told))

    for name, status in failed:
        click.echo(f"{name} was answered {status or 'not at all'}", err=True)

    if failed:
        raise SystemExit(1)
