"""The sandbox under the running demo: webhooks as real HTTP requests, and test cards."""

from __future__ import annotations

import typing as t
from datetime import datetime

import click
from flask import Flask

from flask_billing import Customer, database
from flask_billing.sandbox import Sandbox
from flask_billing.stripe_customers import ensure_stripe_customer

from .extensions import billing, db

#: Test cards, by Stripe's names: one that pays, one that is saved and then declined, and one
#: whose bank asks at every payment.
WORKING_CARD = "pm_card_visa"
FAILING_CARD = "pm_card_chargeCustomerFail"
ASKING_CARD = "pm_card_authenticationRequired"


def sandbox_of(app: Flask) -> Sandbox:
    """The sandbox the app runs on."""
    return t.cast("Sandbox", app.extensions["billing"].sandbox)


def post_webhooks(app: Flask) -> None:
    """Let the sandbox post its webhooks to this app's own address, as Stripe would.

    Under ``flask run`` the port is known; elsewhere, as in tests, they are passed in process.
    """
    port = _port()
    sandbox = sandbox_of(app)
    client = sandbox.client()

    for endpoint in client.v1.webhook_endpoints.list().data:
        client.v1.webhook_endpoints.delete(endpoint.id)

    for destination in client.v2.core.event_destinations.list().data:
        client.v2.core.event_destinations.delete(destination.id)

    path = app.extensions["billing"].webhook_path
    sandbox.connect(app, webhook_url=f"http://127.0.0.1:{port}{path}" if port else None)


def close(app: Flask) -> None:
    """Give back the connections of an app that is no longer needed."""
    with app.app_context():
        sandbox_of(app).close()
        database.close(app.extensions["billing"])
        db.session.remove()
        db.engine.dispose()


def use_card(sandbox: Sandbox, customer: Customer, token: str) -> None:
    """Let the customer's subscription be charged to another test card from now on.

    :param token: Stripe's name for a test card, as ``pm_card_visa``.
    """
    client = sandbox.client()
    assert customer.stripe_id is not None, "who has a subscription is known to Stripe"
    method = client.v1.payment_methods.attach(token, params={"customer": customer.stripe_id})
    client.v1.subscriptions.update(
        subscription_id(customer), params={"default_payment_method": method.id}
    )


def pay_open_invoice(sandbox: Sandbox, customer: Customer) -> None:
    """Pay what a failed renewal left open, as the bank's next try would."""
    client = sandbox.client()
    invoices = client.v1.invoices.list(
        params={"subscription": subscription_id(customer), "status": "open"}
    )

    for invoice in invoices.data:
        client.v1.invoices.pay(invoice.id)


def stripe_customer(customer: Customer) -> str:
    """The Stripe id of the customer, made there if it is new."""
    return ensure_stripe_customer(customer, "Subscribing")


def subscription_id(customer: Customer) -> str:
    """The Stripe id of the customer's subscription."""
    found = billing.access(customer).subscription
    assert found is not None, "only who has bought a plan is asked"
    return found.stripe_id


def months_on(moment: datetime, count: int) -> datetime:
    """The same time that many calendar months later, on the 28th at the latest."""
    months = moment.year * 12 + moment.month - 1 + count
    return moment.replace(year=months // 12, month=months % 12 + 1, day=min(moment.day, 28))


def _port() -> int | None:
    context = click.get_current_context(silent=True)

    if context is None or context.info_name != "run":
        return None

    return t.cast("int | None", context.params.get("port"))
