"""A whole call of a language model, booked on the meters the host configures for it."""

from __future__ import annotations

import collections.abc as c
import typing as t

from ..errors import InvalidUsageError
from ..models import Customer
from ..state import state
from .booking import record
from .decision import Decision
from .dimensions import Dimensions, columns
from .inputs import check_key, find_meter, new_key
from .llm_prices import cost_of

_TOKENS: t.Final = (
    "input_tokens", "output_tokens", "cached_tokens",
    "prompt_tokens", "completion_tokens", "total_tokens",
)  # fmt: skip


class LlmCall(t.TypedDict, total=False):
    """What may be said of a call of a language model."""

    tokens: int | c.Mapping[str, int] | None
    latency_ms: int | None
    cost: int | None
    run: str | None
    phase: str | None
    key: str | None
    customer: Customer | None
    member: str | None
    endpoint: str | None
    status: int | None
    extra: c.Mapping[str, object] | None


def record_llm(
    provider: str,
    model: str,
    **call: t.Unpack[LlmCall],
) -> list[Decision]:
    """Book a whole call: always in full, whatever the quota says.

    ``BILLING_LLM_METERS`` names the meters and what of a call each counts. The first of them
    keeps tokens, cost, run and phase, so that sums count a call once.

    :param tokens: all of them, or a mapping in either vocabulary; input includes cached ones.
    :param cost: the total in millionths of the currency's minor unit; None takes it from
        ``BILLING_LLM_PRICES``.
    :param key: makes a repeated call book once, on each of the meters.
    :returns: a decision for each meter that was booked on.
    :raises InvalidUsageError: for usage that cannot be booked as asked.
    """
    current = state()
    meters: c.Mapping[str, str] = current.app.config["BILLING_LLM_METERS"]
    counted = _counted(call.get("tokens"))
    said: dict[str, t.Any] = {
        "provider": provider,
        "model": model,
        **{name: call.get(name) for name in ("member", "endpoint", "status")},
    }
    # Checked as a whole before anything is booked, for all meters or none.
    facts = columns(
        t.cast(
            "Dimensions",
            {
                **said,
                **counted,
                **{name: call.get(name) for name in ("latency_ms", "run", "phase", "extra")},
                "cost_total": call.get("cost"),
            },
        )
    )
    known: dict[str, int] = {name: t.cast("int", facts[name]) for name in _TOKENS if name in facts}
    priced = cost_of(current, provider, model, known)

    if call.get("cost") is None and priced is not None:
        facts |= {
            "cost_prompt": priced.prompt,
            "cost_completion": priced.completion,
            "cost_cached": priced.cached,
            "cost_total": priced.total,
            "cost_saved": priced.saved,
        }

    quantities = _quantities(meters, known, counted.get("total_tokens"), facts.get("cost_total"))

    for meter in quantities:
        find_meter(current, meter)

    key = call.get("key")

    if key is not None:
        check_key(key)

    key = new_key() if key is None else key
    decisions = []

    for position, (meter, quantity) in enumerate(quantities.items()):
        dimensions = t.cast("Dimensions", facts if position == 0 else said)
        decisions.append(
            record(meter, quantity, key=key, customer=call.get("customer"), **dimensions)
        )

    return decisions


def _counted(tokens: int | c.Mapping[str, int] | None) -> dict[str, int]:
    if tokens is None:
        return {}

    found = dict(tokens) if isinstance(tokens, c.Mapping) else {"total_tokens": tokens}
    unknown = sorted(set(found) - set(_TOKENS))

    if unknown:
        raise InvalidUsageError(
            f"{unknown[0]!r} is no count of tokens. Nothing was booked. Pass "
            f"{', '.join(_TOKENS)}, or the total as a number."
        )

    return {name: count for name, count in found.items() if count is not None}


def _quantities(
    meters: c.Mapping[str, str], known: dict[str, int], total: int | None, cost: object
) -> dict[str, int]:
    """Meter -> units, without meters that this call adds nothing to."""
    if total is None:
        total = known.get("input_tokens", 0) + known.get("output_tokens", 0)

    counts = {**known, "calls": 1, "total_tokens": total, "cost": t.cast("int", cost or 0)}
    found = {meter: counts.get(counted, 0) for meter, counted in meters.items()}
    found = {meter: quantity for meter, quantity in found.items() if quantity}

    if not found:
        raise InvalidUsageError(
            "The call has nothing that a meter of BILLING_LLM_METERS counts. Nothing was booked. "
            'Pass tokens=, or let a meter count "calls".'
        )

    return found
