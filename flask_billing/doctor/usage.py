"""Do the usage books balance?"""

from __future__ import annotations

import collections.abc as c

from .. import metering
from .finding import Finding, failure, ok


def check() -> c.Iterator[Finding]:
    """Hold what is counted against the events. Changes nothing."""
    books = metering.reconcile_usage()

    if not books.differences:
        yield ok("usage", f"The usage books balance ({books.compared} sums compared).")
        return

    first = "; ".join(str(found) for found in books.differences[:3])
    yield failure(
        "usage",
        f"{len(books.differences)} sums of usage are not those of the events: {first}.",
        "'flask billing usage reconcile' shows all, and with --repair it puts them right.",
    )
