"""Is Stripe in line with the catalog?"""

from __future__ import annotations

import collections.abc as c

from .. import catalog_push
from .finding import Finding, failure, ok


def check() -> c.Iterator[Finding]:
    """Tell each thing a push would do."""
    changes = catalog_push.diff()

    for change in changes:
        advice = (
            "Settle it in the catalog or at Stripe."
            if change.action == "conflict"
            else "Run 'flask billing catalog push'."
        )
        yield failure("catalog", f"Stripe differs from the catalog: {change}.", advice)

    if not changes:
        yield ok("catalog", "Stripe is in line with the catalog.")
