"""P5b, what happened to a customer's plan."""

from __future__ import annotations

from flask.typing import ResponseReturnValue

from .. import subscriptions
from . import fragments, history_lines
from .visitor import require_visitor


def history() -> ResponseReturnValue:
    """Every change of the signed-in customer's plan."""
    visitor = require_visitor()
    entries = subscriptions.history(visitor.customer)
    return fragments.show(
        "billing/history.html", visitor=visitor, lines=history_lines.lines(entries)
    )
