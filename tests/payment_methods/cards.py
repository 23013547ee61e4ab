"""A customer with cards and a plan, and a browser that gives a card to Stripe."""

from __future__ import annotations

import collections.abc as c
import contextlib

import stripe
from stripe.params import SubscriptionCreateParams
from werkzeug.test import Client

from flask_billing.models import Customer, PaymentMethod
from flask_billing.stripe_customers import ensure_stripe_customer

from ..host import Host

PAYS, CHALLENGED, DECLINED = "4242424242424242", "4000002500003155", "4000000000000002"


class Cards:
    """What a customer of a test host has at Stripe. Everything is heard of by webhook."""

    def __init__(self, host: Host, owner_id: str = "1") -> None:
        self.host = host
        self.owner_id = owner_id
        self.client: stripe.StripeClient = host.sandbox.client()

        with host.app.app_context():
            self.stripe_id = ensure_stripe_customer(host.customer(owner_id), "A test")

    @contextlib.contextmanager
    def customer(self) -> c.Iterator[Customer]:
        """The customer's row, in an app context."""
        with self.host.app.app_context():
            yield self.host.customer(self.owner_id)

    def attach(self, token: str = "pm_card_visa", *, default: bool = False) -> str:  # noqa: S107
        """Give the customer a card; its id."""
        method = self.client.v1.payment_methods.attach(token, {"customer": self.stripe_id})

        if default:
            self.client.v1.customers.update(
                self.stripe_id, {"invoice_settings": {"default_payment_method": method.id}}
            )

        self.hear()
        return method.id

    def subscribe(self, card: str | None = None, *, pays: bool = True) -> str:
        """Put the customer on a plan, charged to a card of its own if given; its id.

        :param pays: False begins with a day of trial, for a card that is going to be refused.
        """
        price = self.client.v1.prices.create(
            {
                "currency": "usd",
                "unit_amount": 2900,
                "recurring": {"interval": "month"},
                "product_data": {"name": "Starter"},
                "metadata": {"billing_plan": "starter", "billing_interval": "month"},
            }
        )
        params: SubscriptionCreateParams = {
            "customer": self.stripe_id,
            "items": [{"price": price.id}],
        }

        if card is not None:
            params["default_payment_method"] = card

        if not pays:
            params["trial_period_days"] = 1

        made = self.client.v1.subscriptions.create(params)
        self.hear()
        return made.id

    def hear(self) -> None:
        """Let the app receive its webhooks."""
        self.host.sandbox.webhooks.deliver()

    def give(self, client_secret: str, number: str = PAYS) -> str:
        """Type a card into Stripe's form, as the browser does; the intent's status."""
        intent_id = client_secret.partition("_secret_")[0]
        browser = Client(self.host.sandbox.wsgi_app)
        answer = browser.post(
            f"/v1/setup_intents/{intent_id}/confirm",
            data={
                "client_secret": client_secret,
                "use_stripe_sdk": "true",
                "payment_method_data[type]": "card",
                "payment_method_data[card][number]": number,
                "payment_method_data[card][exp_month]": "12",
                "payment_method_data[card][exp_year]": "2034",
                "payment_method_data[card][cvc]": "123",
            },
            headers={"Authorization": f"Bearer {self.host.sandbox.publishable_key}"},
        )
        found = answer.get_json()
        return str(found.get("status") or found["error"]["code"])

    @property
    def default(self) -> str | None:
        """What Stripe charges new invoices to."""
        found = self.client.v1.customers.retrieve(self.stripe_id).invoice_settings
        assert found is not None
        return None if found.default_payment_method is None else str(found.default_payment_method)

    def pays(self, subscription: str) -> str | None:
        """The card of a subscription's own at Stripe."""
        found = self.client.v1.subscriptions.retrieve(subscription).default_payment_method
        return None if found is None else str(found)

    @property
    def at_stripe(self) -> list[str]:
        """The cards Stripe has, newest first."""
        found = self.client.v1.customers.payment_methods.list(self.stripe_id)
        return [method.id for method in found.data]

    @property
    def known(self) -> list[str]:
        """The cards the app has."""
        rows = self.host.rows(PaymentMethod)
        return [row.stripe_id for row in rows if row.detached_at is None]
