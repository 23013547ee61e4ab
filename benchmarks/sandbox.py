"""A year of monthly subscribers on the Stripe sandbox: how long it takes to simulate.

They subscribe over the first month, one after the other, and are renewed, invoiced and paid until
a year is over. The target is a minute for a thousand of them.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import stripe

from flask_billing.sandbox import Sandbox

START = datetime(2026, 1, 1, tzinfo=UTC)
TARGET_SECONDS = 60


def main() -> int:
    """Print what happened in the year and how long it took; 1 if that was too long."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subscribers", type=int, default=1000)
    parser.add_argument("--file", action="store_true", help="keep the state in a file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "stripe.sqlite" if options.file else None
        with Sandbox(path, now=START) as sandbox:
            return measure(sandbox, options.subscribers)


def measure(sandbox: Sandbox, subscribers: int) -> int:
    """Let them subscribe, then let a year pass."""
    began = time.perf_counter()
    subscribe(sandbox, subscribers)
    subscribed = time.perf_counter()
    cpu = time.process_time()
    sandbox.clock.advance(to=START + timedelta(days=365))
    seconds = time.perf_counter() - subscribed
    cpu = time.process_time() - cpu

    events = sandbox.events()
    invoices = sum(event["type"] == "invoice.created" for event in events)
    paid = sum(event["type"] == "invoice.paid" for event in events)
    print(f"{subscribers} monthly subscribers in {subscribed - began:.1f} s")
    print(
        f"a year: {len(events)} events, {invoices} invoices, {paid} paid, "
        f"{seconds:.1f} s ({cpu:.1f} s of processor time)"
    )
    good = seconds * 1000 / subscribers < TARGET_SECONDS
    print(f"target: {TARGET_SECONDS} s for 1000 subscribers: {'PASS' if good else 'MISS'}")
    return 0 if good else 1


def subscribe(sandbox: Sandbox, subscribers: int) -> None:
    """Everybody chooses the same plan at a moment of their own in January."""
    client = sandbox.client()
    price = client.v1.prices.create(
        {
            "product_data": {"name": "Pro"},
            "currency": "usd",
            "unit_amount": 2500,
            "recurring": {"interval": "month"},
        }
    )
    for number in range(subscribers):
        subscribe_one(client, price.id, number)
        sandbox.clock.advance(to=START + timedelta(days=28) * (number + 1) / subscribers)


def subscribe_one(client: stripe.StripeClient, price: str, number: int) -> None:
    """One customer with a card that pays."""
    customer = client.v1.customers.create({"email": f"{number}@example.com"})
    method = client.v1.payment_methods.attach("pm_card_visa", {"customer": customer.id})
    client.v1.subscriptions.create(
        {
            "customer": customer.id,
            "items": [{"price": price}],
            "default_payment_method": method.id,
        }
    )


if __name__ == "__main__":
    sys.exit(main())
