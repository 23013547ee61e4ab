"""Some weeks of random life in every run of the suite; a year with ``BILLING_SOAK_DAYS=365``.

``BILLING_SOAK_DAYS=365 python -m pytest -s tests/soak`` prints the figures.
"""

from __future__ import annotations

import collections.abc as c
import os
import random
import time

import pytest

from flask_billing import clock

from ..host import Host
from .life import Life, check

MakeApp = c.Callable[..., Host]

DAYS = int(os.environ.get("BILLING_SOAK_DAYS", "40"))
CUSTOMERS = int(os.environ.get("BILLING_SOAK_CUSTOMERS", "8"))


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", [int(os.environ.get("BILLING_SOAK_SEED", "1"))])
def test_a_stormy_year_ends_with_the_rows_of_stripe(
    make_app: MakeApp, database_url: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = make_app(database_url, catalog=_catalog())
    life = Life(host, CUSTOMERS, random.Random(seed))
    wall = clock.wall
    monkeypatch.setattr(clock, "wall", lambda: wall() + life.ahead)
    began = time.monotonic()
    life.live(DAYS)
    check(life)

    for name, count in sorted(life.counts.items()):
        print(f"{name:32} {count}")

    print(f"{DAYS} days, {CUSTOMERS} customers, seed {seed}: {time.monotonic() - began:.0f} s")


def _catalog() -> dict[str, object]:
    """Three plans above a free one, by month and year."""

    def plan(rank: int, amount: int, tokens: int) -> dict[str, object]:
        return {
            "name": f"Plan {rank}",
            "rank": rank,
            "trial_days": 7 if rank == 1 else 0,
            "prices": [
                {"interval": "month", "amount": amount},
                {"interval": "year", "amount": amount * 10},
            ],
            "limits": [
                # By the month on every plan, so that every counter holds all of its month.
                {"meter": "tokens", "included": tokens, "window": "month"},
                {"meter": "api_calls", "included": 1_000, "window": "month"},
            ],
        }

    return {
        "meters": {"tokens": {"name": "Tokens"}, "api_calls": {"name": "API calls"}},
        "plans": {
            "free": {
                "name": "Free",
                "limits": [
                    {"meter": "tokens", "included": 100_000, "window": "month"},
                    {"meter": "api_calls", "included": 50, "window": "month"},
                ],
            },
            "starter": plan(1, 2900, 500_000),
            "pro": plan(2, 9900, 2_000_000),
            "business": plan(3, 49_900, -1),
        },
    }
