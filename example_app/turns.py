"""What happens to a workspace's plan, besides that it renews."""

from __future__ import annotations

import collections.abc as c
import typing as t

from flask_billing import Customer, subscriptions
from flask_billing.sandbox import Sandbox

from . import live_sandbox
from .extensions import db

#: Keys of :data:`ACTS`.
Act = t.Literal[
    "card_fails", "cancel", "end", "pause", "downgrade", "try_without_card", "leave_unconfirmed"
]  # fmt: skip


class Turn(t.NamedTuple):
    """An act, that many days before today."""

    act: Act
    days_ago: int


def play(act: Act, sandbox: Sandbox, customer: Customer) -> None:
    """Let it happen, with its webhooks."""
    ACTS[act](sandbox, customer)
    sandbox.webhooks.deliver()
    db.session.commit()


def _card_fails(sandbox: Sandbox, customer: Customer) -> None:
    live_sandbox.use_card(sandbox, customer, live_sandbox.FAILING_CARD)


def _cancel(sandbox: Sandbox, customer: Customer) -> None:
    subscriptions.cancel(customer, reason="unused", actor=customer.name)


def _end(sandbox: Sandbox, customer: Customer) -> None:
    sandbox.client().v1.subscriptions.cancel(live_sandbox.subscription_id(customer))


def _pause(sandbox: Sandbox, customer: Customer) -> None:
    subscriptions.pause(customer, 2, actor=customer.name)


def _downgrade(sandbox: Sandbox, customer: Customer) -> None:
    subscriptions.downgrade(customer, "starter", "month", actor=customer.name)


def _try_without_card(sandbox: Sandbox, customer: Customer) -> None:
    _subscribe(sandbox, customer, trial_period_days=14)


def _leave_unconfirmed(sandbox: Sandbox, customer: Customer) -> None:
    """A first payment whose bank asks, and nobody answers."""
    stripe_customer = live_sandbox.stripe_customer(customer)
    method = sandbox.client().v1.payment_methods.attach(
        live_sandbox.ASKING_CARD, params={"customer": stripe_customer}
    )
    _subscribe(sandbox, customer, default_payment_method=method.id)


def _subscribe(sandbox: Sandbox, customer: Customer, **terms: t.Any) -> None:
    """A subscription as a support desk would make it, without a checkout."""
    client = sandbox.client()
    (price,) = client.v1.prices.list(params={"lookup_keys": ["billing_starter_month_usd"]}).data
    client.v1.subscriptions.create(
        params=t.cast(
            "t.Any",
            {
                "customer": live_sandbox.stripe_customer(customer),
                "items": [{"price": price.id}],
                **terms,
            },
        )
    )


ACTS: t.Final[dict[Act, c.Callable[[Sandbox, Customer], None]]] = {
    "card_fails": _card_fails,
    "cancel": _cancel,
    "end": _end,
    "pause": _pause,
    "downgrade": _downgrade,
    "try_without_card": _try_without_card,
    "leave_unconfirmed": _leave_unconfirmed,
}
