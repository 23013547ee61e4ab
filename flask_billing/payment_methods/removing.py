"""Removing a card, and what takes over; the last one of a plan that runs stays."""

from __future__ import annotations

import sqlalchemy as sa

from .. import stripe_objects, sync
from ..errors import LastPaymentMethodError, PaymentMethodsChangedError
from ..models import ENDED, Customer, PaymentMethodChange, Subscription
from ..stripe_gateway import gateway
from . import intents, known, standard
from .calls import Calls
from .wallet import wallet_of


def remove(
    customer: Customer, stripe_id: str, *, announced: str | None = None
) -> PaymentMethodChange:
    """Take a payment method off a customer, for good.

    What is charged to it is charged to its successor from then on (:meth:`.Wallet.successor`).

    :param announced: id of the successor that the customer was told of; None asks for no match.
    :raises PaymentMethodNotFoundError: where it is not one of this customer's.
    :raises LastPaymentMethodError: where a plan runs and there is no other.
    :raises PaymentMethodsChangedError: where another one would take over than was announced.
    :raises StripeError: where Stripe refused or did not answer.
    """
    wallet = wallet_of(customer)
    method = wallet.get(stripe_id)

    if wallet.is_needed(method):
        raise LastPaymentMethodError

    successor = wallet.successor(method)
    takes_over = successor.stripe_id if successor is not None else None

    if announced is not None and announced != takes_over:
        raise PaymentMethodsChangedError

    def check(connection: sa.Connection) -> None:
        """Whether one is left, now that nobody else can remove any."""
        attached = set(known.attached(connection, customer.id))

        if stripe_id not in attached or not {takes_over} <= {None, *attached}:
            raise PaymentMethodsChangedError

        if len(attached) == 1 and _has_plan(connection, customer.id):
            raise LastPaymentMethodError

    wish = intents.Wish("remove", stripe_id, successor=takes_over)
    return intents.carry_out(customer, wish, check)


def detach(change: PaymentMethodChange, calls: Calls) -> None:
    """Let the successor take over at Stripe, then take the payment method off."""
    assert change.method is not None
    stripe_customer = known.stripe_customer_of(change)
    method = gateway().get(f"/v1/payment_methods/{change.method}")

    if stripe_objects.reference(method.get("customer")) is None:
        return

    for subscription, _own in known.live_subscriptions(change.customer_id):
        sync.pull("subscription", subscription, action=known.ACTION)

    running = known.live_subscriptions(change.customer_id)

    if running:
        _refuse_the_last(change, stripe_customer)

    if change.successor is not None:
        _hand_over(change, change.successor, stripe_customer, running, calls)

    calls.post("detach", f"/v1/payment_methods/{change.method}/detach")


def _hand_over(
    change: PaymentMethodChange,
    successor: str,
    stripe_customer: str,
    running: list[tuple[str, str | None]],
    calls: Calls,
) -> None:
    customer = gateway().get(f"/v1/customers/{stripe_customer}")

    if stripe_objects.default_payment_method(customer) in (None, change.method):
        standard.point_customer(change, successor, calls)

    for subscription, own in running:
        if own == change.method:
            standard.point_subscription(subscription, successor, calls)


def _refuse_the_last(change: PaymentMethodChange, stripe_customer: str) -> None:
    """Make sure that Stripe has another one too: it may have gone in the portal, unheard by us."""
    found = gateway().list(f"/v1/customers/{stripe_customer}/payment_methods")

    if all(method["id"] == change.method for method in found):
        for stripe_id in known.method_ids(change.customer_id):
            known.pull_method(stripe_id)

        raise LastPaymentMethodError


def _has_plan(connection: sa.Connection, customer_id: int) -> bool:
    return (
        connection.scalar(
            sa.select(Subscription.id)
            .where(Subscription.customer_id == customer_id, Subscription.status.not_in(ENDED))
            .limit(1)
        )
        is not None
    )
