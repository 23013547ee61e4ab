"""A customer's life on the sandbox: what we know follows Stripe, however its news arrive."""

from __future__ import annotations

import collections.abc as c
import typing as t
from datetime import timedelta

import pytest
import stripe

from flask_billing import checkout
from flask_billing.models import Invoice, Outbox, Subscription, WebhookEvent
from flask_billing.sandbox.webhooks import Order

from ..host import Host

MakeApp = c.Callable[..., Host]

#: Attaches, but every charge of it fails.
FAILING_CARD = "pm_card_chargeCustomerFail"


class Life:
    """One customer and the deliveries to come, in an order and each as many times."""

    def __init__(self, host: Host, order: Order, duplicates: int) -> None:
        self.host = host
        self.order = order
        self.duplicates = duplicates
        host.sandbox.webhooks.hold()

    def news(self) -> None:
        """Let the news come, then compare."""
        webhooks = self.host.sandbox.webhooks
        webhooks.release(order=self.order, duplicates=self.duplicates)
        webhooks.hold()
        self.compare()

    def compare(self) -> None:
        """What we hold is what Stripe holds."""
        client = self.host.sandbox.client()
        ours = {row.stripe_id: row for row in self.host.rows(Subscription)}
        at_stripe = client.v1.subscriptions.list({"status": "all"}).data
        assert ours.keys() == {found.id for found in at_stripe}

        for found in at_stripe:
            row, item = ours[found.id], found["items"].data[0]
            assert row.status == found.status
            assert row.price == item.price.id
            assert int(row.current_period_end.timestamp()) == item.current_period_end

        invoices = {found.id: found for found in client.v1.invoices.list().data}
        known = {row.stripe_id: row for row in self.host.rows(Invoice)}
        assert {key: row.status for key, row in known.items()} == {
            key: found.status for key, found in invoices.items()
        }
        assert {row.state for row in self.host.rows(WebhookEvent)} <= {"handled", "ignored"}

    def buy(self, plan: str) -> None:
        """Choose and pay; nobody comes back to the success page."""
        with self.host.app.app_context():
            row = checkout.start(
                self.host.customer(),
                plan=plan,
                interval="month",
                success_url="https://app.example.com/s",
                cancel_url="https://app.example.com/c",
            )
            assert row.session_id is not None
            self.host.sandbox.checkout(row.session_id).pay()

    def subscription(self) -> stripe.Subscription:
        """The newest subscription at Stripe."""
        return self.host.sandbox.client().v1.subscriptions.list({"status": "all"}).data[0]

    def card(self, token: str) -> None:
        """Charge this card from now on."""
        subscription = self.subscription()
        client = self.host.sandbox.client()
        method = client.v1.payment_methods.attach(token, {"customer": str(subscription.customer)})
        client.v1.subscriptions.update(subscription.id, {"default_payment_method": method.id})

    def days_left(self) -> float:
        """Days to the end of the current period."""
        [row] = self.host.rows(Subscription)
        left: timedelta = row.current_period_end - self.host.sandbox.clock.now()
        return left / timedelta(days=1)

    def told(self, kind: str = "signal") -> dict[str, int]:
        """What was announced, and how often."""
        counts: dict[str, int] = {}

        for row in self.host.rows(Outbox, kind=kind):
            counts[row.name] = counts.get(row.name, 0) + 1

        return counts

    def access(self) -> tuple[bool, str | None, str]:
        """Allowed, plan and reason."""
        with self.host.app.app_context():
            access = self.host.billing.access(self.host.customer())
            return access.allowed, access.plan.key if access.plan else None, access.reason


@pytest.fixture(params=["created", "reversed", "shuffled"])
def life(any_host: Host, request: pytest.FixtureRequest) -> Life:
    """A life whose news come twice, in each order in turn."""
    return Life(any_host, t.cast("Order", request.param), 2)


def test_from_the_first_payment_over_a_renewal_to_the_end(life: Life) -> None:
    life.buy("starter")
    life.news()
    assert life.access() == (True, "starter", "active")

    life.host.sandbox.clock.advance(days=32)
    life.news()
    assert life.access() == (True, "starter", "active")
    assert len(life.host.rows(Invoice, status="paid")) == 2

    client = life.host.sandbox.client()
    client.v1.subscriptions.update(life.subscription().id, {"cancel_at_period_end": True})
    life.news()
    assert life.access()[2] == "ending"

    life.host.sandbox.clock.advance(days=32)
    life.news()
    assert life.access() == (True, "free", "free")
    told = life.told()
    assert told["subscription.activated"] == 1
    assert told["subscription.renewed"] == 1
    assert told["subscription.cancel_scheduled"] == 1
    assert told["subscription.ended"] == 1
    assert told["payment.succeeded"] == 2
    assert life.told("mail")["receipt"] == 2


def test_a_renewal_that_fails_and_is_paid_with_another_card(life: Life) -> None:
    life.buy("starter")
    life.card(FAILING_CARD)
    life.news()
    life.host.sandbox.clock.advance(hours=2, days=life.days_left())
    life.news()
    assert life.access() == (True, "starter", "past_due")
    assert life.told()["payment.failed"] == 1

    life.card("pm_card_visa")
    [owed] = life.host.rows(Invoice, status="open")
    life.host.sandbox.client().v1.invoices.pay(owed.stripe_id)
    life.news()
    assert life.access() == (True, "starter", "active")
    assert life.told()["payment.succeeded"] == 2


def test_a_trial_that_turns_into_a_paid_plan(life: Life) -> None:
    life.buy("pro")
    life.news()
    assert life.access() == (True, "pro", "trialing")

    life.host.sandbox.clock.advance(days=12)
    life.news()
    assert life.told()["subscription.trial_will_end"] == 1

    life.host.sandbox.clock.advance(days=3)
    life.news()
    assert life.access() == (True, "pro", "active")
    assert life.told()["payment.succeeded"] == 1


def test_a_plan_change_made_at_stripe_is_followed(life: Life) -> None:
    life.buy("starter")
    life.news()
    subscription = life.subscription()
    client = life.host.sandbox.client()
    [price] = client.v1.prices.list({"lookup_keys": ["billing_enterprise_month_usd"]}).data
    client.v1.subscriptions.update(
        subscription.id,
        {"items": [{"id": subscription["items"].data[0].id, "price": price.id}]},
    )
    life.news()

    assert life.access() == (True, "enterprise", "active")
    assert life.told()["subscription.plan_changed"] == 1
