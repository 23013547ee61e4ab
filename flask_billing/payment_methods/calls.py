"""The calls to Stripe that one change of payment methods is made of."""

from __future__ import annotations

from ..models import PaymentMethodChange
from ..row_marks import idempotency_key
from ..stripe_gateway import Params, StripeObject, gateway


class Calls:
    """Writes to Stripe on behalf of one change, each step under a key of its own."""

    def __init__(self, change: PaymentMethodChange) -> None:
        self._change = change

    def get(self, path: str) -> StripeObject:
        """Read something as it is now."""
        return gateway().get(path)

    def post(self, step: str, path: str, params: Params | None = None) -> StripeObject:
        """Change something, once for this change and step."""
        key = idempotency_key(self._change, f"card-{step}", self._change.attempt)
        return gateway().post(path, params, idempotency_key=key)
