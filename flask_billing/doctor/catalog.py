"""Is Stripe in line with the catalog?"""

from __future__ import annotations

import collections.abc as c

from .. import catalog_push
from ..state import state
from .finding import Finding, failure, ok, warning


def check() -> c.Iterator[Finding]:
    """Tell each thing a push would do."""
    changes = catalog_push.diff()

    for change in changes:
        text = f"Stripe differs from the catalog: {change}."

        if change.action == "conflict":
            yield failure("catalog", text, "Settle it in the catalog or at Stripe.")
        elif state().stripe.sandbox:
            advice = "The next checkout on the sandbox does it, or 'flask billing catalog push'."
            yield warning("catalog", text, advice)
        else:
            yield failure("catalog", text, "Run 'flask billing catalog push'.")

    if not changes:
        yield ok("catalog", "Stripe is in line with the catalog.")
