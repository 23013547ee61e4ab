"""The usage page, its report as CSV, and the meter fragments that open pages poll."""

from __future__ import annotations

from flask import Response, abort, request, url_for
from flask.typing import ResponseReturnValue

from .. import negotiation
from ..customers import require_current_customer
from ..state import state
from . import badges, fragments, meter_views, plan_facts, usage_answers
from .overview import SHOWN
from .visitor import Visitor, require_visitor


def index() -> ResponseReturnValue:
    """Every meter of the customer and the report of a period; as a fragment only the report."""
    visitor = require_visitor()

    if negotiation.wants_fragment():
        return _report(visitor).fragment()

    # Before the report, which then knows the periods.
    meters = meter_views.views_of(visitor.customer)
    answer = _report(visitor)
    return fragments.show(
        "billing/usage.html",
        status=answer.status,
        visitor=visitor,
        badge=badges.badge(visitor),
        facts=plan_facts.facts(visitor, visitor.change) if visitor.live is not None else None,
        meters=meters,
        version=meter_views.version(meters),
        all_meters=True,
        **answer.context,
    )


def _report(visitor: Visitor) -> usage_answers.Answer:
    url = url_for("billing.usage.index")
    return usage_answers.report(visitor.customer, url, url_for("billing.usage.csv"))


def csv() -> ResponseReturnValue:
    """The report's days as CSV."""
    return usage_answers.csv(require_visitor().customer)


def meters() -> ResponseReturnValue:
    """The meters of the overview, or with ``?all=1`` those of the usage page.

    204 while nothing shown differs from version ``?v=``.
    """
    customer = require_current_customer()
    every = request.args.get("all") == "1"
    found = meter_views.views_of(customer)
    shown = found if every else found[:SHOWN]
    version = meter_views.version(shown)

    if request.args.get("v") == version:
        return Response(status=204)

    return fragments.show("billing/_meters.html", meters=shown, version=version, all_meters=every)


def meter(key: str) -> ResponseReturnValue:
    """One meter, as ``billing_meter(key)`` puts it into a host's page; 204 likewise."""
    customer = require_current_customer()

    if all(known.key != key for known in state().catalog.meters):
        abort(404)

    shown = meter_views.meter_of(customer, key)
    version = meter_views.version([shown])

    if request.args.get("v") == version:
        return Response(status=204)

    return fragments.show("billing/_live_meter.html", meter=shown, version=version)
