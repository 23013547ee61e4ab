"""A frozen sandbox and a client on it, with a small catalog."""

from __future__ import annotations

import collections.abc as c
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
import stripe

from flask_billing.sandbox import Sandbox

from .watch import watched

START = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def every_answer_fits(monkeypatch: pytest.MonkeyPatch) -> c.Iterator[dict[str, None]]:
    """No test of the sandbox passes over an answer that the SDK's classes do not describe."""
    yield from watched(monkeypatch)


@pytest.fixture
def sandbox(every_answer_fits: dict[str, None]) -> c.Iterator[Sandbox]:
    """A sandbox in memory whose clock stands at noon of 31 January 2026."""
    with Sandbox(now=START) as one:
        yield one


@pytest.fixture
def client(sandbox: Sandbox) -> stripe.StripeClient:
    """A plain stripe-python client on it."""
    return sandbox.client()


@dataclass(frozen=True)
class Shop:
    """A product with prices, and a customer who may have a card."""

    client: stripe.StripeClient
    product: str
    month: str
    year: str
    team: str

    def customer(self, card: str | None = "pm_card_visa") -> str:
        """A new customer, with a default card."""
        customer = self.client.v1.customers.create({"email": "ada@example.com", "name": "Ada"})
        if card is not None:
            method = self.client.v1.payment_methods.attach(card, {"customer": customer.id})
            self.client.v1.customers.update(
                customer.id, {"invoice_settings": {"default_payment_method": method.id}}
            )
        return customer.id

    def subscribe(self, customer: str | None = None, price: str | None = None) -> str:
        """A new subscription to the monthly price."""
        return self.client.v1.subscriptions.create(
            {
                "customer": customer or self.customer(),
                "items": [{"price": price or self.month}],
            }
        ).id

    def checkout(self, customer: str | None, **more: object) -> str:
        """A new Checkout Session for the monthly price."""
        params: dict[str, object] = {
            "mode": "subscription",
            "line_items": [{"price": self.month, "quantity": 1}],
            "success_url": "https://app.example/done?session={CHECKOUT_SESSION_ID}",
            "cancel_url": "https://app.example/pricing",
        }
        if customer is not None:
            params["customer"] = customer
        params.update(more)
        return self.client.v1.checkout.sessions.create(params).id  # type: ignore[arg-type]


@pytest.fixture
def shop(client: stripe.StripeClient) -> Shop:
    """Pro at $25 a month or $250 a year, and Team at $49."""
    product = client.v1.products.create({"name": "Pro"})
    month = client.v1.prices.create(
        {
            "product": product.id,
            "currency": "usd",
            "unit_amount": 2500,
            "recurring": {"interval": "month"},
            "lookup_key": "pro_month",
        }
    )
    year = client.v1.prices.create(
        {
            "product": product.id,
            "currency": "usd",
            "unit_amount": 25_000,
            "recurring": {"interval": "year"},
            "lookup_key": "pro_year",
        }
    )
    team = client.v1.prices.create(
        {
            "product_data": {"name": "Team"},
            "currency": "usd",
            "unit_amount": 4900,
            "recurring": {"interval": "month"},
            "lookup_key": "team_month",
        }
    )
    return Shop(client, product.id, month.id, year.id, team.id)
