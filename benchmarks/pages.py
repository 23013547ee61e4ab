"""Pages, fragments and API answers that do not call Stripe: p95 and queries.

    .venv/bin/python benchmarks/pages.py [--rounds N] [--only sqlite|postgresql]

Absolute times hold for the machine they were taken on, and for what else it did: a line says how
long a million additions take it meanwhile. The paths take turns, and the whole
request is measured: routing, session, owner, queries, template.
"""

from __future__ import annotations

import argparse
import collections.abc as c
import contextlib
import re
import statistics
import sys
import time
import typing as t
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import rounds
import sqlalchemy as sa
from databases import DATABASES
from paying_host import PayingHost
from rounds import Target

HTMX: t.Final = {"HX-Request": "true", "HX-Request-Type": "partial"}
ACCEPT: t.Final = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
P95: t.Final = Target("≤", 10, " ms")
REQUESTS_A_ROUND: t.Final = 20


class Page(t.NamedTuple):
    """Something that is asked for."""

    name: str
    path: str
    headers: dict[str, str] = ACCEPT
    status: int = 200
    queries: int | None = None


PAGES: t.Final = (
    Page("overview", "/billing/", queries=3),
    Page("plans", "/billing/plans", queries=1),
    Page("plans, yearly", "/billing/plans?interval=year", queries=1),
    Page("usage", "/billing/usage", queries=3),
    Page("meters, all, fragment", "/billing/meters", ACCEPT | HTMX),
    Page("meter, fragment", "/billing/meters/tokens", ACCEPT | HTMX, queries=3),
    Page("checkout cancelled", "/billing/checkout/cancelled", status=303),
    Page("API: usage", "/billing/api/usage", {"Accept": "application/json"}),
    Page("API: subscription", "/billing/api/subscription", {"Accept": "application/json"}),
    Page("stylesheet", "/billing/static/billing.css"),
)


def main() -> None:
    """Measure on each database."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=rounds.ROUNDS)
    parser.add_argument("--only", choices=[name.lower() for name in DATABASES])
    options = parser.parse_args()

    for name, databases in DATABASES.items():
        if options.only in (None, name.lower()):
            with databases() as fresh, contextlib.closing(PayingHost(fresh())) as host:
                measure(name, host, options.rounds)


def measure(database: str, host: PayingHost, count: int) -> None:
    """Ask for every page in turn, round after round."""
    pages = (*PAGES, unchanged_meter(host))
    times: dict[str, list[list[float]]] = {page.name: [] for page in pages}
    additions: list[float] = []

    for page in pages:
        ask(host, page)  # compiles templates and statements

    for number in range(count):
        shift = number % len(pages)
        additions.append(add_a_million())

        for page in pages[shift:] + pages[:shift]:
            times[page.name].append([ask(host, page) for _ in range(REQUESTS_A_ROUND)])

    for page in pages:
        report(database, host, page, times[page.name])

    rounds.absolute("a million additions meanwhile", additions)


def add_a_million() -> float:
    """Seconds that a fixed loop takes: how fast the machine is at the time."""
    began = time.perf_counter()
    total = 0

    for number in range(1_000_000):
        total += number

    return time.perf_counter() - began


def unchanged_meter(host: PayingHost) -> Page:
    """A meter that polls and has nothing new to show."""
    html = host.browser.get("/billing/meters/tokens", headers=ACCEPT | HTMX).text
    found = re.search(r'"v": "(\w+)"', html)
    assert found is not None, html
    path = f"/billing/meters/tokens?v={found[1]}"
    return Page("meter, unchanged", path, ACCEPT | HTMX, status=204, queries=3)


def ask(host: PayingHost, page: Page) -> float:
    """Seconds one answer took."""
    began = time.perf_counter()
    answer = host.browser.get(page.path, headers=page.headers)
    seconds = time.perf_counter() - began
    assert answer.status_code == page.status, (page.path, answer.status_code)
    answer.close()
    return seconds


def report(database: str, host: PayingHost, page: Page, times: list[list[float]]) -> None:
    """Print one page's p95, queries and calls to Stripe."""
    tails = [rounds.percentile(samples, 95) * 1e3 for samples in times]
    middles = [statistics.median(samples) * 1e3 for samples in times]
    host.sandbox.forget_requests()

    with counted_queries() as statements:
        ask(host, page)

    rounds.value(
        f"{database}: {page.name}, p95",
        statistics.median(tails),
        f"ms ({min(tails):.1f}-{max(tails):.1f}; p50 {statistics.median(middles):.1f})",
        P95,
    )
    most = Target("≤", page.queries, "") if page.queries is not None else None
    rounds.value(f"  queries of {page.name}", len(statements), "", most)
    calls = len(host.sandbox.requests)
    assert calls == 0, f"{page.path} called Stripe"


@contextlib.contextmanager
def counted_queries() -> c.Iterator[list[str]]:
    """The statements a block sends, on every engine."""
    statements: list[str] = []

    def note(*arguments: object) -> None:
        if not str(arguments[2]).startswith("BEGIN"):
            statements.append(str(arguments[2]))

    sa.event.listen(sa.Engine, "before_cursor_execute", note)

    try:
        yield statements
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)


if __name__ == "__main__":
    main()
