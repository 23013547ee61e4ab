"""The usage page and the meter fragments that open pages poll."""

from __future__ import annotations

from flask import Response, abort, request
from flask.typing import ResponseReturnValue

from ..customers import require_current_customer
from ..state import state
from . import fragments, meter_views
from .overview import SHOWN
from .visitor import require_visitor


def index() -> ResponseReturnValue:
    """Every meter of the customer."""
    visitor = require_visitor()
    meters = meter_views.views_of(visitor.customer)
    return fragments.show(
        "billing/usage.html",
        visitor=visitor,
        meters=meters,
        version=meter_views.version(meters),
        all_meters=True,
    )


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
