"""The same facts as JSON, for the host's own scripts and apps."""

from __future__ import annotations

from flask import jsonify
from flask.typing import ResponseReturnValue

from .. import metering
from ..catalog import Plan
from ..usage_charge import UsageCharge
from .visitor import require_visitor


def usage() -> ResponseReturnValue:
    """Every meter of the customer; quantities in smallest units, times in UTC."""
    visitor = require_visitor()
    return jsonify(
        plan=_plan(visitor.plan),
        meters=[
            {
                "meter": usage.meter,
                "name": usage.name,
                "unit": usage.unit,
                "plan": _plan(visitor.plan),
                "window": usage.window,
                "used": usage.used,
                "limit": usage.limit,
                "remaining": usage.remaining,
                "unlimited": usage.unlimited,
                "has_reset": usage.has_reset,
                "resets_at": usage.resets_at.isoformat() if usage.resets_at else None,
                "level": usage.level,
                "colour": usage.colour,
                "over": usage.over,
                "goes_on": usage.goes_on,
                "stops_at": usage.stops_at,
                "overage_rate": usage.overage_rate,
                "estimated_charge": _charge(usage.estimated_charge),
            }
            for usage in metering.usages(visitor.customer)
        ],
    )


def subscription() -> ResponseReturnValue:
    """The customer's plan, whether it may be used, and its dates in UTC."""
    visitor = require_visitor()
    found = visitor.access.subscription
    dates = (
        "started_at",
        "ended_at",
        "trial_end",
        "current_period_start",
        "current_period_end",
        "cancel_at",
    )
    return jsonify(
        plan=_plan(visitor.plan),
        allowed=visitor.access.allowed,
        reason=visitor.access.reason,
        until=visitor.access.until.isoformat() if visitor.access.until else None,
        status=found.status if found is not None else None,
        interval=found.interval if found is not None else None,
        quantity=found.quantity if found is not None else None,
        unit_amount=found.unit_amount if found is not None else None,
        currency=found.currency if found is not None else None,
        **{
            name: value.isoformat()
            if found is not None and (value := getattr(found, name)) is not None
            else None
            for name in dates
        },
    )


def _charge(charge: UsageCharge | None) -> dict[str, object] | None:
    if charge is None:
        return None

    return {
        "amount": charge.amount,
        "currency": charge.currency,
        "units": charge.units,
        "charged_at": charge.charged_at.isoformat() if charge.charged_at else None,
    }


def _plan(plan: Plan | None) -> dict[str, str] | None:
    return None if plan is None else {"key": plan.key, "name": plan.name}
