"""The next invoice, a fragment of the overview that loads after it: it asks Stripe."""

from __future__ import annotations

import logging

from flask.typing import ResponseReturnValue

from .. import invoices, negotiation
from ..errors import StripeError
from . import fragments, plan_facts
from .visitor import Visitor, require_visitor

log = logging.getLogger("flask_billing.views")


def upcoming() -> ResponseReturnValue:
    """The next invoice, that there is none, or that Stripe could not be asked.

    The last is told in the fragment's own place, so it is an answer as any other there: htmx
    shows nothing that comes with a 503.
    """
    visitor = require_visitor()
    found, failed = None, False

    try:
        if not _owes_nothing_more(visitor):
            found = invoices.upcoming(visitor.customer, visitor.live)
    except StripeError as error:
        log.error("The next invoice could not be read: %s (%s)", type(error).__name__, error.code)
        failed = True

    return fragments.show(
        "billing/upcoming.html",
        "billing/_upcoming.html",
        status=503 if failed and not negotiation.wants_fragment() else 200,
        visitor=visitor,
        upcoming=found,
        failed=failed,
    )


def _owes_nothing_more(visitor: Visitor) -> bool:
    """Whether they were told that nothing more is charged, which Stripe has yet to hear."""
    live = visitor.live
    return visitor.is_leaving and not (live and plan_facts.bills_usage(live, visitor.plan))
