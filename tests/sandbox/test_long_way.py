"""However far the clock moves at once, the same happens on the way, at the same times."""

from __future__ import annotations

import typing as t
from datetime import timedelta

import pytest
import stripe

from flask_billing.sandbox import Sandbox

from .conftest import START, Shop

NOW = int(START.timestamp())
HOUR, DAY = 3_600, 86_400
DAYS = 100


def begin_everything(client: stripe.StripeClient, shop: Shop) -> None:
    """Everything that time changes, each for a customer of its own."""
    shop.subscribe()
    canceled = shop.subscribe()
    client.v1.subscriptions.update(canceled, {"cancel_at_period_end": True})
    client.v1.subscriptions.create(
        {"customer": shop.customer(), "items": [{"price": shop.month}], "trial_period_days": 10}
    )
    incomplete = client.v1.subscriptions.create(
        {"customer": shop.customer("pm_card_chargeCustomerFail"), "items": [{"price": shop.month}]}
    )
    assert incomplete.status == "incomplete"
    begin_dunning(client, shop)
    begin_downgrade(client, shop)
    begin_pending_update(client, shop)
    begin_metering(client, shop)
    paused = shop.subscribe()
    client.v1.subscriptions.update(
        paused, {"pause_collection": {"behavior": "void", "resumes_at": NOW + 40 * DAY}}
    )
    client.v1.subscriptions.create(
        {
            "customer": shop.customer(card=None),
            "items": [{"price": shop.month}],
            "collection_method": "send_invoice",
            "days_until_due": 5,
        }
    )
    shop.checkout(shop.customer(card=None))


def begin_dunning(client: stripe.StripeClient, shop: Shop) -> None:
    """A card that was good once and fails from now on."""
    customer = shop.customer()
    shop.subscribe(customer)
    bad = client.v1.payment_methods.attach("pm_card_chargeCustomerFail", {"customer": customer})
    client.v1.customers.update(customer, {"invoice_settings": {"default_payment_method": bad.id}})


def begin_downgrade(client: stripe.StripeClient, shop: Shop) -> None:
    """Team until the period ends, then Pro."""
    subscription = shop.subscribe(price=shop.team)
    schedule = client.v1.subscription_schedules.create({"from_subscription": subscription})
    phase = schedule.phases[0]
    client.v1.subscription_schedules.update(
        schedule.id,
        {
            "end_behavior": "release",
            "proration_behavior": "none",
            "phases": [
                {
                    "items": [{"price": shop.team}],
                    "start_date": phase.start_date,
                    "end_date": phase.end_date,
                },
                {"items": [{"price": shop.month}], "duration": {"interval": "month"}},
            ],
        },
    )


def begin_pending_update(client: stripe.StripeClient, shop: Shop) -> None:
    """An upgrade whose payment fails."""
    customer = shop.customer()
    subscription = client.v1.subscriptions.retrieve(shop.subscribe(customer))
    bad = client.v1.payment_methods.attach("pm_card_chargeCustomerFail", {"customer": customer})
    client.v1.customers.update(customer, {"invoice_settings": {"default_payment_method": bad.id}})
    updated = client.v1.subscriptions.update(
        subscription.id,
        {
            "items": [{"id": subscription["items"].data[0].id, "price": shop.team}],
            "payment_behavior": "pending_if_incomplete",
            "proration_behavior": "always_invoice",
        },
    )
    assert updated.pending_update is not None


def begin_metering(client: stripe.StripeClient, shop: Shop) -> None:
    """Usage that is billed, and usage that cannot be booked."""
    meter = client.v1.billing.meters.create(
        {
            "display_name": "Calls",
            "event_name": "calls",
            "default_aggregation": {"formula": "sum"},
        }
    )
    price = client.v1.prices.create(
        {
            "product": shop.product,
            "currency": "usd",
            "unit_amount": 5,
            "recurring": {"interval": "month", "usage_type": "metered", "meter": meter.id},
        }
    )
    customer = shop.customer()
    shop.subscribe(customer, price.id)
    for value in ("100", "many"):
        client.v1.billing.meter_events.create(
            {"event_name": "calls", "payload": {"stripe_customer_id": customer, "value": value}}
        )


def what_happened(sandbox: Sandbox) -> list[tuple[float, str, int | None]]:
    """(days since the start, type, amount) of every event, in order."""
    return [
        (
            (event["created"] - NOW) / DAY,
            event["type"],
            event["data"]["object"].get("amount_due"),
        )
        for event in sandbox.events()
    ]


@pytest.fixture(scope="module")
def at_once() -> list[tuple[float, str, int | None]]:
    """What happens when the clock moves a hundred days in one call."""
    return after_steps(timedelta(days=DAYS))


def after_steps(step: timedelta) -> list[tuple[float, str, int | None]]:
    """What happens when the clock moves there by steps."""
    with Sandbox(now=START) as sandbox:
        client = sandbox.client()
        begin_everything(client, new_shop(client))
        before = len(sandbox.events())
        while sandbox.clock.now() < START + timedelta(days=DAYS):
            sandbox.clock.advance(seconds=step.total_seconds())
        return what_happened(sandbox)[before:]


def new_shop(client: stripe.StripeClient) -> Shop:
    """Pro at $25 and Team at $49 a month."""
    product = client.v1.products.create({"name": "Pro"})

    def price(amount: int, interval: t.Literal["month", "year"]) -> str:
        return client.v1.prices.create(
            {
                "product": product.id,
                "currency": "usd",
                "unit_amount": amount,
                "recurring": {"interval": interval},
            }
        ).id

    return Shop(
        client, product.id, price(2500, "month"), price(25_000, "year"), price(4900, "month")
    )


@pytest.mark.parametrize("step", [timedelta(hours=1), timedelta(days=10)])
def test_steps_make_no_difference(
    at_once: list[tuple[float, str, int | None]], step: timedelta
) -> None:
    assert after_steps(step) == at_once


def test_everything_happens_at_its_time(at_once: list[tuple[float, str, int | None]]) -> None:
    days = [day for day, _type, _amount in at_once]
    assert days == sorted(days)
    first: dict[str, float] = {}
    for day, kind, _amount in at_once:
        first.setdefault(kind, day)
    assert {kind: first[kind] for kind in EXPECTED} == EXPECTED


#: The first time that each of these happens, in days since the start (31 January, noon).
EXPECTED = {
    "customer.subscription.pending_update_expired": 23 / 24,
    "checkout.session.expired": 1.0,
    "customer.subscription.trial_will_end": 7.0,
    "invoice.upcoming": 21.0,
    "customer.subscription.deleted": 28.0,
    "invoice.payment_failed": 28 + 1 / 24,
    "invoice.overdue": 5.0,
    "subscription_schedule.released": 56.0,
}
