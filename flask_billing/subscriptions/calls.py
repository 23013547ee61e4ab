"""The calls to Stripe that one change is made of, each under a key of its own."""

from __future__ import annotations

import collections.abc as c
import dataclasses
import datetime as dt
import typing as t

from ..models import SubscriptionChange
from ..row_marks import idempotency_key
from ..stripe_gateway import Params, StripeObject, gateway


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a change stands after Stripe was asked; what is None stays as the intent says.

    :param state: "pending" waits for its date or its payment.
    :param announce: a signal that leaves with it.
    :param mail: a mail that leaves with it.
    """

    state: t.Literal["done", "pending", "undone", "failed"]
    effective_at: dt.datetime | None = None
    amount: int | None = None
    reason: str | None = None
    announce: str | None = None
    mail: str | None = None

    def columns(self) -> dict[str, object]:
        """What was learned beside the state."""
        learned = {"effective_at": self.effective_at, "amount": self.amount, "reason": self.reason}
        return {name: value for name, value in learned.items() if value is not None}


class Calls:
    """Writes to Stripe on behalf of one change.

    Each step has its own name, from which and from the change its idempotency key is made: a
    change that is carried out again repeats each of its steps and does none of them twice.
    """

    def __init__(self, change: SubscriptionChange) -> None:
        self._change = change

    def post(self, step: str, path: str, params: Params | None = None) -> StripeObject:
        """Create or change something, once for this change and step."""
        key = idempotency_key(self._change, f"change-{step}", self._change.attempt)
        return gateway().post(path, params, idempotency_key=key)

    def get(self, path: str, params: Params | None = None) -> StripeObject:
        """Read something as it is now."""
        return gateway().get(path, params)

    def list(self, path: str, params: Params | None = None) -> c.Iterator[StripeObject]:
        """Read a list to its end."""
        return gateway().list(path, params)

    def delete(self, path: str, params: Params | None = None) -> StripeObject:
        """End something. Stripe answers 404 to the second time."""
        return gateway().delete(path, params)
