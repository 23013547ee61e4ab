"""``flask billing usage``: what an owner has used, and booking facts by hand."""

from __future__ import annotations

import contextlib
import typing as t
from datetime import UTC, datetime
from pathlib import Path

import click
from flask.cli import with_appcontext

from .. import metering
from ..errors import BillingError
from ..state import state
from .owners import find_customer

if t.TYPE_CHECKING:
    import collections.abc as c


@click.group()
def usage() -> None:
    """What customers use, and how much of it is left."""


@usage.command()
@click.argument("owner_type")
@click.argument("owner_id")
@with_appcontext
def show(owner_type: str, owner_id: str) -> None:
    """Print the usage of every meter, as OWNER_TYPE user OWNER_ID 7."""
    for found in metering.usages(find_customer(owner_type, owner_id)):
        click.echo(_line(found))


@usage.command()
@click.argument("owner_type", required=False)
@click.argument("owner_id", required=False)
@click.argument("meter", required=False)
@click.argument("quantity", type=int, required=False)
@click.option("--key", help="Books once, however often the command is repeated with it.")
@click.option("--at", "moment", help="When it happened, as 2026-11-20T10:00; UTC. Default: now.")
@click.option(
    "--file",
    "path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Books each line of a file: CSV, or JSON lines where its name ends in .jsonl.",
)
@with_appcontext
def record(
    owner_type: str | None,
    owner_id: str | None,
    meter: str | None,
    quantity: int | None,
    key: str | None,
    moment: str | None,
    path: Path | None,
) -> None:
    """Book a fact, whatever the quota says; or with --file, many of them."""
    if path is not None:
        if owner_type is not None or key is not None or moment is not None:
            raise click.UsageError("With --file, everything else stands in the file.")

        _import(path)
        return

    if owner_type is None or owner_id is None or meter is None or quantity is None:
        raise click.UsageError("Pass OWNER_TYPE OWNER_ID METER QUANTITY, or --file.")

    with _plain_errors():
        decision = metering.record(
            meter,
            quantity,
            key=key,
            at=_moment(moment),
            customer=find_customer(owner_type, owner_id),
        )
        state().db.session.commit()  # where usage is booked in it

    done = "Already booked" if decision.replayed else "Booked"
    click.echo(f"{done} {quantity}. {_line(decision.status)}")


@usage.command()
@with_appcontext
def replay() -> None:
    """Book what was spooled while the database was down; each fact once."""
    from ..metering.replay import replay as replay_spool

    with _plain_errors():
        found = replay_spool()

    click.echo(
        f"Booked {found.booked} from the spool; {found.known} were booked before, "
        f"{found.rejected} were set aside."
        + (f" {found.left} wait for a catalog that has their meter or plan." if found.left else "")
    )


@usage.command()
@click.argument("owner_type", required=False)
@click.argument("owner_id", required=False)
@click.option("--repair", is_flag=True, help="Put right what is counted, by the events.")
@with_appcontext
def reconcile(owner_type: str | None, owner_id: str | None, repair: bool) -> None:
    """Compare counters, daily sums and credits with the events, and with Stripe's meters.

    Of one owner, or of everybody. Changes nothing without --repair. Exits with 1 where something
    is still wrong.
    """
    if owner_type is not None and owner_id is None:
        raise click.UsageError("Pass OWNER_TYPE OWNER_ID, or neither.")

    customer = find_customer(owner_type, str(owner_id)) if owner_type is not None else None

    with _plain_errors():
        books = metering.reconcile_usage(customer, repair=repair)

    for difference in books.differences:
        click.echo(str(difference))

    click.echo(f"{str(books).capitalize()}.")

    if books.unrepaired:
        raise click.exceptions.Exit(1)


@usage.command()
@with_appcontext
def export() -> None:
    """Report to Stripe's meters what was used and not reported yet, each unit once.

    Exits with 1 where Stripe refused some of it, did not answer, or takes it no more.
    """
    with _plain_errors():
        found = metering.export_usage(of_any_age=True)

    click.echo(f"{str(found).replace('sent', 'Sent', 1)}.")

    if found.failed or found.unanswered or found.late:
        raise click.exceptions.Exit(1)


@usage.command()
@click.option(
    "--settle", is_flag=True, help="Tell of it no more: it was billed or credited by hand."
)
@with_appcontext
def late(settle: bool) -> None:
    """List usage that came too late for Stripe, which takes 35 days, and is billed nowhere.

    Below zero it was taken back when the invoice that charges it was final.
    """
    found = metering.late_usage()

    for one in found:
        click.echo(f"customer {one.customer_id}: {one.quantity:,} {one.meter} of {one.bucket}")

    if settle:
        metering.settle_late(found)
        state().db.session.commit()  # where usage is booked in it
        click.echo(f"Settled {len(found)}.")


def _import(path: Path) -> None:
    from ..metering.imports import import_usage

    booked = known = wrong = 0

    with path.open(encoding="utf-8-sig", errors="replace", newline="") as lines:
        for line in import_usage(lines, json_lines=path.suffix in (".jsonl", ".ndjson")):
            booked += line.booked
            known += not line.booked and line.error is None

            if line.error is not None:
                wrong += 1
                click.echo(_printable(f"line {line.number}: {line.error}"), err=True)

    state().db.session.commit()  # where usage is booked in it
    click.echo(f"Booked {booked}; {known} were booked before, {wrong} could not be.")

    if wrong:
        raise click.exceptions.Exit(1)


def _line(found: metering.Usage) -> str:
    limit = "unlimited" if found.limit is None else f"of {found.limit:,}"
    until = f", resets {found.resets_at:%Y-%m-%d %H:%M} UTC" if found.resets_at else ""
    told = f"{found.used:,} {limit}, {found.level}{_more(found)}{until}"
    return f"{found.meter} ({found.window}): {told}"


def _more(found: metering.Usage) -> str:
    """Why a limit that is reached stops nothing."""
    if found.policy == "soft":
        return ", nothing is refused" if found.level == "exceeded" else ""

    return ", more is sold" if found.goes_on and found.is_beyond and found.left != 0 else ""


def _printable(text: str) -> str:
    """A text that a terminal takes, whatever stood in a file."""
    return text.encode(errors="backslashreplace").decode()


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None

    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is no time, as 2026-11-20T10:00") from error

    return found if found.tzinfo else found.replace(tzinfo=UTC)


@contextlib.contextmanager
def _plain_errors() -> c.Iterator[None]:
    """Errors of ours as one line, without a traceback."""
    try:
        yield
    except BillingError as error:
        raise click.ClickException(str(error)) from error
