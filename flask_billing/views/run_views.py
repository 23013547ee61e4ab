"""A run as people read it: calls, tokens and cost by phase."""

from __future__ import annotations

import typing as t
from decimal import Decimal

from .. import money
from ..metering.runs import PhaseSum, RunSummary
from ..state import state

#: Micro-units in a minor unit.
_MICRO: t.Final = 1_000_000


def shown(summary: RunSummary) -> dict[str, object]:
    """What the template of a run needs."""
    total = summary.total
    return {
        "rows": [_row(one) for one in summary.phases],
        "total": _row(total),
        "costs": total.cost_total != 0,
        "saved": amount(total.cost_saved) if total.cost_saved > 0 else None,
    }


def amount(micro: int) -> str:
    """Micro-units of the catalog's currency as an amount of money.

    What is less than the smallest coin is shown as less than it, never as nothing.
    """
    currency = state().catalog.currency
    minor = int((Decimal(micro) / _MICRO).to_integral_value())

    if minor == 0 and micro > 0:
        return f"< {money.format_money(1, currency)}"

    return money.format_money(minor, currency)


def _row(one: PhaseSum) -> dict[str, object]:
    return {
        "phase": one.phase,
        "calls": f"{one.calls:,}",
        "tokens": f"{one.tokens:,}",
        "cost": amount(one.cost_total),
    }
