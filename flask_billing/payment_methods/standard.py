"""The default: what new invoices are charged to, on the customer and on what runs."""

from __future__ import annotations

from .. import stripe_objects, sync
from ..errors import StripeRejectedError
from ..models import Customer, PaymentMethodChange
from ..subscriptions import schedules
from . import intents, known
from .calls import Calls
from .wallet import wallet_of


def make_default(customer: Customer, stripe_id: str) -> PaymentMethodChange:
    """Charge everything to one of the customer's payment methods from now on.

    Nothing is charged by this.

    :param stripe_id: of the payment method.
    :raises PaymentMethodNotFoundError: where it is not one of this customer's.
    :raises PaymentMethodsChangedError: where it has gone at Stripe, unheard by us.
    :raises StripeError: where Stripe refused or did not answer.
    """
    wallet_of(customer).get(stripe_id)
    return intents.carry_out(customer, intents.Wish("default", stripe_id))


def point_everything_to(change: PaymentMethodChange, calls: Calls) -> None:
    """Tell Stripe to charge customer and live subscriptions to the change's payment method."""
    assert change.method is not None
    point_customer(change, change.method, calls)

    for subscription, _own in known.live_subscriptions(change.customer_id):
        point_subscription(subscription, change.method, calls)


def point_customer(change: PaymentMethodChange, method: str, calls: Calls) -> None:
    """Tell Stripe what new invoices of the customer are charged to."""
    calls.post(
        "customer",
        f"/v1/customers/{known.stripe_customer_of(change)}",
        {"invoice_settings": {"default_payment_method": method}},
    )


def point_subscription(subscription: str, method: str, calls: Calls) -> None:
    """Tell Stripe what a subscription is charged to, now and after what is scheduled for it.

    One that has ended meanwhile is left alone.
    """
    try:
        answer = calls.post(
            subscription, f"/v1/subscriptions/{subscription}", {"default_payment_method": method}
        )
    except StripeRejectedError:
        sync.pull("subscription", subscription, action=known.ACTION)

        if not known.has_ended(subscription):
            raise

        return

    if (schedule := stripe_objects.reference(answer.get("schedule"))) is not None:
        schedules.charge_to(schedule, method, calls)
