"""Customers with an invoice that waits to be paid."""

from __future__ import annotations

from flask_billing.models import Invoice

from ..host import Host
from ..views.person import Person

GOOD = "pm_card_visa"
DECLINED_LATER = "pm_card_chargeCustomerFail"
ASKS_THE_BANK = "pm_card_authenticationRequired"


def use_card(host: Host, stripe_customer: str, token: str) -> str:
    """Charge the customer's subscriptions to another card from now on; its id."""
    client = host.sandbox.client()
    card = client.v1.payment_methods.attach(token, {"customer": stripe_customer})
    client.v1.customers.update(
        stripe_customer, {"invoice_settings": {"default_payment_method": card.id}}
    )

    for running in client.v1.subscriptions.list({"customer": stripe_customer}).data:
        client.v1.subscriptions.update(running.id, {"default_payment_method": card.id})

    return card.id


def in_debt(host: Host, owner_id: str = "1", card: str = GOOD) -> Invoice:
    """The open invoice of a customer whose renewal failed, and who has another card now."""
    Person(host, owner_id).buy("starter")

    with host.app.app_context():
        customer = host.customer(owner_id)
        stripe_id, customer_id = customer.stripe_id, customer.id

    assert stripe_id is not None
    use_card(host, stripe_id, DECLINED_LATER)
    host.sandbox.clock.advance(days=32)
    host.sandbox.webhooks.deliver()
    use_card(host, stripe_id, card)
    host.sandbox.webhooks.deliver()
    (found,) = host.rows(Invoice, customer_id=customer_id, status="open")
    invoice: Invoice = found
    return invoice


def charges(host: Host) -> int:
    """How many charges went through at Stripe."""
    return len(host.sandbox.events("charge.succeeded"))
