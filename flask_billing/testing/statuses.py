"""How a subscription comes into each status: as it would at Stripe, never written into a table."""

from __future__ import annotations

import collections.abc as c
import dataclasses
import typing as t

from . import cards

if t.TYPE_CHECKING:
    from stripe.params import SubscriptionCreateParams

    from .customer import SandboxCustomer

Status = t.Literal[
    "active", "trialing", "ending", "past_due", "unpaid", "paused", "incomplete",
    "incomplete_expired", "canceled",
]  # fmt: skip

#: Days of a trial on a plan that has none.
TRIAL_DAYS: t.Final = 14


@dataclasses.dataclass(frozen=True)
class Order:
    """What is subscribed to."""

    price: str
    metered: tuple[str, ...]
    quantity: int
    trial_days: int


def _active(customer: SandboxCustomer, order: Order) -> None:
    _create(customer, order)


def _trialing(customer: SandboxCustomer, order: Order) -> None:
    _create(customer, order, {"trial_period_days": order.trial_days})


def _ending(customer: SandboxCustomer, order: Order) -> None:
    _create(customer, order)
    customer.cancel()


def _canceled(customer: SandboxCustomer, order: Order) -> None:
    _create(customer, order)
    customer.cancel(now=True)


def _past_due(customer: SandboxCustomer, order: Order) -> None:
    _create(customer, order)
    customer.use_card(cards.DECLINED_LATER).renew()


def _unpaid(customer: SandboxCustomer, order: Order) -> None:
    sandbox = customer.sandbox
    _past_due(customer, order)

    with sandbox.changing_settings(dataclasses.replace(sandbox.settings, after_retries="unpaid")):
        sandbox.advance(days=max(sandbox.settings.retry_days, default=0) + 1)


def _paused(customer: SandboxCustomer, order: Order) -> None:
    _create(customer, order)
    customer.sandbox.client().v1.subscriptions.update(
        customer.stripe_subscription.id, {"pause_collection": {"behavior": "void"}}
    )


def _incomplete(customer: SandboxCustomer, order: Order) -> None:
    customer.use_card(cards.DECLINED_LATER)
    _create(customer, order, {"payment_behavior": "allow_incomplete"})


def _incomplete_expired(customer: SandboxCustomer, order: Order) -> None:
    _incomplete(customer, order)
    customer.sandbox.advance(days=1)


RECIPES: t.Final[dict[Status, c.Callable[[SandboxCustomer, Order], None]]] = {
    "active": _active,
    "trialing": _trialing,
    "ending": _ending,
    "past_due": _past_due,
    "unpaid": _unpaid,
    "paused": _paused,
    "incomplete": _incomplete,
    "incomplete_expired": _incomplete_expired,
    "canceled": _canceled,
}


def _create(
    customer: SandboxCustomer, order: Order, more: SubscriptionCreateParams | None = None
) -> None:
    params: SubscriptionCreateParams = {
        "customer": customer.stripe_id,
        "items": [{"price": order.price, "quantity": order.quantity}],
        **(more or {}),
    }
    params["items"] += [{"price": metered} for metered in order.metered]
    customer.sandbox.client().v1.subscriptions.create(params)
