"""``flask billing retention``: what came of those who nearly left."""

from __future__ import annotations

import click
from flask.cli import with_appcontext

from ..retention import report as reports
from ..retention.report import Report, Share, Totals


@click.group()
def retention() -> None:
    """Visits to the cancel page, the offers shown there, and whether they helped."""


@retention.command()
@click.option("--days", default=90, type=click.IntRange(1, 3650), help="How far to look back.")
@with_appcontext
def report(days: int) -> None:
    """Print rates by offer and reason, and compare the arms of experiments."""
    found = reports.report(days=days)

    if not found.all.visits:
        click.echo(f"No visit since {found.since:%Y-%m-%d} is over yet.")
        return

    click.echo(f"Since {found.since:%Y-%m-%d}")
    click.echo(_HEAD)
    click.echo(_line("all visits", found.all))

    for (offer, reason), totals in sorted(found.by_offer.items(), key=str):
        click.echo(_line(f"{offer} / {reason or 'no reason'}", totals))

    _print_arms(found)


_HEAD = (
    f"{'':<34}{'visits':>8}{'cancelled':>11}{'saved':>8}{'abandoned':>11}{'after 30':>10}"
    f"{'after 90':>10}"
)


def _print_arms(found: Report) -> None:
    if not found.by_variant:
        return

    click.echo("")

    for variant, totals in found.by_variant.items():
        click.echo(_line(variant, totals))

    for comparison in found.comparisons:
        one, other = comparison.arms
        click.echo(f"\n{one} against {other}, retained after 30 days:")

        if comparison.p_value is None:
            click.echo("  Not enough data")
            continue

        for name, share in zip(comparison.arms, comparison.retained, strict=True):
            low, high = share.interval or (0.0, 1.0)
            click.echo(f"  {name}: {_percent(share)} (95 %: {low:.1%} to {high:.1%})")

        click.echo(f"  p = {comparison.p_value:.3f}; look once, at the time you decided before")


def _line(name: str, totals: Totals) -> str:
    return (
        f"{name[:33]:<34}{totals.visits:>8}{_percent(totals.cancelled):>11}"
        f"{_percent(totals.saved):>8}{_percent(totals.abandoned):>11}"
        f"{_percent(totals.retained_30):>10}{_percent(totals.retained_90):>10}"
    )


def _percent(share: Share) -> str:
    return "-" if share.rate is None else f"{share.rate:.1%}"
