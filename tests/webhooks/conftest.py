"""Hosts on a canned Stripe."""

from __future__ import annotations

import collections.abc as c

import pytest

from ..stripe_double import CannedHost, StripeObject, canned_host


@pytest.fixture
def make_canned(sqlite_url: str) -> c.Iterator[c.Callable[..., CannedHost]]:
    """Makes hosts on a canned Stripe and closes them; SQLite unless a URL is given."""
    hosts: list[CannedHost] = []

    def make(
        *objects: StripeObject, database_url: str = sqlite_url, **options: object
    ) -> CannedHost:
        hosts.append(canned_host(database_url, *objects, **options))  # type: ignore[arg-type]
        return hosts[-1]

    yield make

    for host in hosts:
        host.close()
