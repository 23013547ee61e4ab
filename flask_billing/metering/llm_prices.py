"""What a language model's tokens cost, by the prices the host configures."""

from __future__ import annotations

import collections.abc as c
import dataclasses
from decimal import ROUND_HALF_UP, Decimal

from ..errors import InvalidUsageError
from ..state import BillingState


@dataclasses.dataclass(frozen=True, slots=True)
class Cost:
    """The cost of one call, in millionths of the currency's minor unit.

    :param prompt: of input tokens that were not cached.
    :param saved: what the cached tokens would have cost more, had they not been cached.
    """

    prompt: int
    completion: int
    cached: int
    saved: int

    @property
    def total(self) -> int:
        """All parts together."""
        return self.prompt + self.completion + self.cached


def cost_of(
    current: BillingState, provider: str, model: str, tokens: c.Mapping[str, int]
) -> Cost | None:
    """What a call costs; None where its model has no price, or its parts are not known.

    :param tokens: ``input_tokens``, cached ones included, ``output_tokens``, ``cached_tokens``.
    :raises InvalidUsageError: where more tokens are cached than went in.
    """
    read, written = tokens.get("input_tokens"), tokens.get("output_tokens")
    cached = tokens.get("cached_tokens", 0)

    if read is not None and cached > read:
        raise InvalidUsageError(
            f"cached_tokens={cached} are more than input_tokens={read}, of which they are a part. "
            "Nothing was booked. Add what was read from the cache to the input tokens."
        )

    prices: c.Mapping[str, c.Mapping[str, object]] = current.app.config["BILLING_LLM_PRICES"]
    found = prices.get(f"{provider}/{model}")

    if found is None or (read is None and written is None):
        return None

    # Minor units a million tokens are millionths of a minor unit a token.
    price, output = _number(found["input"]), _number(found["output"])
    cheaper = _number(found.get("cached", found["input"]))
    return Cost(
        _whole(((read or 0) - cached) * price),
        _whole((written or 0) * output),
        _whole(cached * cheaper),
        _whole(cached * (price - cheaper)),
    )


def _number(price: object) -> Decimal:
    return Decimal(str(price))


def _whole(amount: Decimal) -> int:
    return int(amount.quantize(Decimal(1), rounding=ROUND_HALF_UP))
