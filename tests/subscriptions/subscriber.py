"""A customer with a plan, as tests of changes need one: their card, their bank, their invoices."""

from __future__ import annotations

import typing as t

from stripe import Invoice, StripeClient
from stripe import Subscription as StripeSubscription

from flask_billing import subscriptions
from flask_billing.models import Subscription, SubscriptionChange
from flask_billing.subscriptions import Quote

from ..host import Host
from ..views.person import Person

GOOD: t.Final = "4242424242424242"
DECLINED: t.Final = "4000000000000341"
BANK_ASKS: t.Final = "4000002760003184"


class Subscriber:
    """Somebody who has bought a plan on the pages, by their user id.

    Business time stands still until days pass: what a change costs is counted to the second.
    """

    def __init__(self, host: Host, plan: str = "starter", interval: str = "month") -> None:
        self.host = host
        host.sandbox.clock.freeze()
        self.person = Person(host)
        self.person.buy(plan, interval)
        host.sandbox.webhooks.deliver()

    @property
    def stripe(self) -> StripeClient:
        """Stripe, past the app."""
        return self.host.sandbox.client()

    @property
    def row(self) -> Subscription:
        """What the app knows of the subscription."""
        found: Subscription = self.host.rows(Subscription)[-1]
        return found

    @property
    def at_stripe(self) -> StripeSubscription:
        """What Stripe has of it."""
        return self.stripe.v1.subscriptions.retrieve(self.row.stripe_id)

    @property
    def price(self) -> str:
        """The price it is on at Stripe."""
        return str(self.at_stripe["items"].data[0].price.id)

    @property
    def plan(self) -> tuple[str | None, str | None, int]:
        """Plan, interval and seats, as the app has them."""
        return self.row.plan, self.row.interval, self.row.quantity

    @property
    def invoices(self) -> list[Invoice]:
        """All invoices at Stripe, the newest first."""
        return self.stripe.v1.invoices.list({"limit": 100}).data

    @property
    def paid(self) -> list[int]:
        """What was paid so far, the newest first, in minor units."""
        return [invoice.amount_paid for invoice in self.invoices if invoice.status == "paid"]

    @property
    def changes(self) -> list[tuple[str, str]]:
        """Kind and state of each change, the oldest first."""
        return [(row.kind, row.state) for row in self.host.rows(SubscriptionChange)]

    def use_card(self, number: str) -> None:
        """Pay with another card from now on."""
        method = self.stripe.v1.payment_methods.create(
            {
                "type": "card",
                "card": t.cast(
                    "t.Any", {"number": number, "exp_month": 12, "exp_year": 2034, "cvc": "123"}
                ),
            }
        )
        row = self.row
        stripe_customer = t.cast("str", self.at_stripe.customer)
        self.stripe.v1.payment_methods.attach(method.id, {"customer": stripe_customer})
        self.stripe.v1.subscriptions.update(row.stripe_id, {"default_payment_method": method.id})
        self.host.sandbox.webhooks.deliver()

    def quote(
        self,
        plan: str | None = None,
        interval: str | None = None,
        quantity: int | None = None,
        **options: bool,
    ) -> Quote:
        """Look at what a change would cost."""
        with self.host.app.app_context():
            return subscriptions.quote_change(
                self.host.customer(), plan, interval, quantity, **options
            )

    def confirm(self, quote: Quote) -> SubscriptionChange:
        """Confirm what was shown."""
        with self.host.app.app_context():
            return subscriptions.change_plan(self.host.customer(), quote.token, actor="user 1")

    def change(
        self, plan: str | None = None, interval: str | None = None, quantity: int | None = None
    ) -> SubscriptionChange:
        """Look at a change and confirm it."""
        return self.confirm(self.quote(plan, interval, quantity))

    def answer_the_bank(self, *, yes: bool = True) -> None:
        """Answer on the bank's page, for the invoice that waits."""
        waiting = next(invoice for invoice in self.invoices if invoice.status == "open")
        payment = self.stripe.v1.invoice_payments.list({"invoice": waiting.id}).data[0].payment
        intent = self.stripe.v1.payment_intents.retrieve(t.cast("str", payment.payment_intent))
        self.host.app.test_client().post(
            f"/sandbox/stripe/3ds/{intent.id}",
            data={
                "client_secret": intent.client_secret,
                "answer": "complete" if yes else "fail",
            },
        )
        self.host.sandbox.webhooks.deliver()

    def pass_days(self, days: int) -> None:
        """Let time pass, and the webhooks of it arrive."""
        self.host.sandbox.clock.advance(days=days)
        self.host.sandbox.webhooks.deliver()
