"""What the tests of leaving ask of a host, and how its customers come into trouble."""

from __future__ import annotations

import typing as t

from werkzeug.test import TestResponse

from flask_billing.models import Customer, Invoice, Outbox, Subscription, SubscriptionChange
from flask_billing.stripe_customers import ensure_stripe_customer
from flask_billing.testing.prices import target_of

from ..host import Host
from ..views.person import Person


def cancel(person: Person, **form: str) -> TestResponse:
    """Press "Cancel plan" of the page that was opened."""
    return person.press("/billing/cancel", htmx=False, token=None, **form)


def states(host: Host) -> list[str]:
    """How the changes of the only customer stand, oldest first."""
    host.sandbox.webhooks.deliver()
    return [row.state for row in host.rows(SubscriptionChange)]


def status(host: Host) -> str:
    """Stripe's status of the newest subscription, as the app knows it."""
    host.sandbox.webhooks.deliver()
    found: str = host.rows(Subscription)[-1].status
    return found


def paid(host: Host) -> list[Invoice]:
    """The invoices for which money was taken."""
    host.sandbox.webhooks.deliver()
    return [row for row in host.rows(Invoice) if row.status == "paid" and row.amount_paid]


def bodies(host: Host, mail: str) -> list[dict[str, t.Any]]:
    """When a plan ends and by which request, as the mails of a kind tell."""
    host.sandbox.webhooks.deliver()
    facts = ("reference", "requested_at", "ends_at")
    rows = host.rows(Outbox, kind="mail", name=mail)
    return [{name: row.body[name] for name in facts} for row in rows]


def failing(host: Host) -> Person:
    """Somebody whose last renewal could not be collected."""
    person = Person(host)
    person.buy("starter")
    use_card(host, "pm_card_chargeCustomerFail")
    host.sandbox.clock.advance(days=32)
    host.sandbox.webhooks.deliver()
    assert status(host) == "past_due"
    return person


def use_card(host: Host, token: str, owner_id: str = "1") -> None:
    """From now on the newest subscription of that user is paid with another card."""
    stripe = host.sandbox.client()
    (customer_row,) = host.rows(Customer, owner_id=owner_id)
    row = host.rows(Subscription, customer_id=customer_row.id)[-1]
    customer = stripe.v1.subscriptions.retrieve(row.stripe_id).customer
    method = stripe.v1.payment_methods.attach(token, {"customer": str(customer)})
    stripe.v1.subscriptions.update(row.stripe_id, {"default_payment_method": method.id})


def start_incomplete(host: Host) -> None:
    """A subscription whose first payment was refused."""
    stripe = host.sandbox.client()

    with host.app.app_context():
        customer = ensure_stripe_customer(host.customer(), "a test")
        price = target_of(stripe, "starter", "month", "usd").price

    method = stripe.v1.payment_methods.attach("pm_card_chargeCustomerFail", {"customer": customer})
    stripe.v1.subscriptions.create(
        {
            "customer": customer,
            "items": [{"price": price}],
            "default_payment_method": method.id,
        }
    )
    host.sandbox.webhooks.deliver()
