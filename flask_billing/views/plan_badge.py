"""The plan badge of a host's layout, which looks again when a page of ours changed the plan."""

from __future__ import annotations

from flask.typing import ResponseReturnValue

from . import badges, fragments
from .visitor import require_visitor


def plan_badge() -> ResponseReturnValue:
    """What ``billing_plan_badge()`` shows, as of now."""
    visitor = require_visitor()
    return fragments.show("billing/_plan_badge.html", badge=badges.badge(visitor), visitor=visitor)
