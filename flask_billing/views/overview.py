"""P3, the billing overview: usage first, then the plan, the card and the last invoices."""

from __future__ import annotations

from flask.typing import ResponseReturnValue

from .. import customers
from ..catalog import Plan
from ..state import state
from . import (
    account_rows,
    badges,
    banners,
    details_labels,
    fragments,
    invoice_labels,
    meter_views,
    payment_labels,
    plan_cards,
    plan_facts,
)
from .visitor import Visitor, require_visitor

#: Meters on the overview; the usage page has all.
SHOWN = 4


def overview() -> ResponseReturnValue:
    """Everything about a customer's billing on one page, without a call to Stripe."""
    visitor = require_visitor()
    offer = _plan_to_buy(visitor)
    meters = meter_views.views_of(visitor.customer)

    if offer is not None and all(meter.shape == "excluded" for meter in meters):
        meters = []

    return fragments.show(
        "billing/overview.html",
        visitor=visitor,
        banner=banners.banner(visitor),
        badge=badges.badge(visitor),
        facts=plan_facts.facts(visitor, visitor.change) if visitor.live is not None else None,
        meters=meters[:SHOWN],
        further_meters=len(meters) > SHOWN,
        version=meter_views.version(meters[:SHOWN]),
        method=visitor.method,
        payment=payment_labels,
        details=details_labels,
        invoices=[invoice_labels.line(row) for row in account_rows.last_invoices(visitor.customer)],
        offer=None
        if offer is None
        else plan_cards.card_of(offer, visitor, customers.currency_of(visitor.customer)),
    )


def _plan_to_buy(visitor: Visitor) -> Plan | None:
    """What the page leads with for someone who has bought nothing yet."""
    if visitor.live is not None:
        return None

    sold = [plan for plan in state().catalog.public_plans if plan.prices]
    return next((plan for plan in sold if plan.highlight), sold[0] if sold else None)
