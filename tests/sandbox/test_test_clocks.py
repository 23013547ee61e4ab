"""Test clocks of the API: customers with a time of their own."""

from __future__ import annotations

import pytest
import stripe

from flask_billing.sandbox import Sandbox

from .conftest import START, Shop

NOW = int(START.timestamp())
DAY = 86_400
JANUARY_2030 = 1_893_456_000


@pytest.fixture
def clock(client: stripe.StripeClient) -> str:
    """A clock at New Year 2030."""
    return client.v1.test_helpers.test_clocks.create(
        {"frozen_time": JANUARY_2030, "name": "Renewal"}
    ).id


def subscribed(client: stripe.StripeClient, shop: Shop, clock: str) -> stripe.Subscription:
    """A subscription of a customer of the clock."""
    customer = client.v1.customers.create({"name": "Ada", "test_clock": clock})
    method = client.v1.payment_methods.attach("pm_card_visa", {"customer": customer.id})
    return client.v1.subscriptions.create(
        {
            "customer": customer.id,
            "items": [{"price": shop.month}],
            "default_payment_method": method.id,
        }
    )


def test_a_clock_as_stripe_shows_it(client: stripe.StripeClient, clock: str) -> None:
    found = client.v1.test_helpers.test_clocks.retrieve(clock)
    assert (found.status, found.frozen_time, found.created) == ("ready", JANUARY_2030, NOW)
    assert found.deletes_after == NOW + 30 * DAY
    assert found.name == "Renewal"
    assert [one.id for one in client.v1.test_helpers.test_clocks.list()] == [clock]


def test_customers_have_the_time_of_their_clock(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox, clock: str
) -> None:
    subscription = subscribed(client, shop, clock)
    item = subscription["items"].data[0]
    assert (subscription.created, subscription.test_clock) == (JANUARY_2030, clock)
    assert item.current_period_end == JANUARY_2030 + 31 * DAY
    invoice = client.v1.invoices.retrieve(str(subscription.latest_invoice))
    assert (invoice.created, invoice.test_clock) == (JANUARY_2030, clock)
    other = client.v1.subscriptions.retrieve(shop.subscribe())
    assert (other.created, other.test_clock) == (NOW, None)
    # Payments and events are not simulated.
    assert client.v1.payment_intents.list().data[0].created == NOW
    assert {event["created"] for event in sandbox.events()} == {NOW}


def test_lists_leave_out_what_is_on_a_clock(
    client: stripe.StripeClient, shop: Shop, clock: str
) -> None:
    subscription = subscribed(client, shop, clock)
    customer = str(subscription.customer)
    assert client.v1.customers.list().data == []
    assert [one.id for one in client.v1.customers.list({"test_clock": clock})] == [customer]
    assert client.v1.subscriptions.list().data == []
    for params in ({"test_clock": clock}, {"customer": customer}):
        found = client.v1.subscriptions.list(params)  # type: ignore[arg-type]
        assert [one.id for one in found] == [subscription.id]


def test_advancing_renews_at_the_right_times_and_nobody_else(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox, clock: str
) -> None:
    subscription = subscribed(client, shop, clock)
    bystander = shop.subscribe()
    moved = client.v1.test_helpers.test_clocks.advance(
        clock, {"frozen_time": JANUARY_2030 + 40 * DAY}
    )
    assert moved.status == "advancing"
    assert moved.status_details is not None
    assert moved.status_details.advancing is not None
    assert moved.status_details.advancing.target_frozen_time == JANUARY_2030 + 40 * DAY
    ready = client.v1.test_helpers.test_clocks.retrieve(clock)
    assert (ready.status, ready.frozen_time) == ("ready", JANUARY_2030 + 40 * DAY)
    renewal, first = client.v1.invoices.list({"subscription": subscription.id}).data
    assert (renewal.status, renewal.created) == ("paid", JANUARY_2030 + 31 * DAY)
    assert renewal.status_transitions.paid_at == JANUARY_2030 + 31 * DAY + 3_600
    assert first.created == JANUARY_2030
    assert len(client.v1.invoices.list({"subscription": bystander}).data) == 1
    assert sandbox.clock.now() == START
    types = [event["type"] for event in sandbox.events()]
    assert types.index("test_helpers.test_clock.advancing") < types.index("invoice.upcoming")
    assert types[-1] == "test_helpers.test_clock.ready"


def test_the_sandbox_clock_leaves_test_clocks_alone(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox, clock: str
) -> None:
    subscription = subscribed(client, shop, clock)
    sandbox.clock.advance(days=29)
    assert client.v1.test_helpers.test_clocks.retrieve(clock).frozen_time == JANUARY_2030
    assert len(client.v1.invoices.list({"subscription": subscription.id}).data) == 1


@pytest.mark.parametrize("days", [-1, 0, 60])
def test_a_clock_moves_forward_two_intervals_at_most(
    client: stripe.StripeClient, shop: Shop, clock: str, days: int
) -> None:
    subscribed(client, shop, clock)
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        client.v1.test_helpers.test_clocks.advance(
            clock, {"frozen_time": JANUARY_2030 + days * DAY}
        )
    assert refusal.value.param == "frozen_time"
    client.v1.test_helpers.test_clocks.advance(clock, {"frozen_time": JANUARY_2030 + 59 * DAY})


def test_without_subscriptions_two_years(client: stripe.StripeClient, clock: str) -> None:
    clocks = client.v1.test_helpers.test_clocks
    with pytest.raises(stripe.InvalidRequestError):
        clocks.advance(clock, {"frozen_time": JANUARY_2030 + 732 * DAY})
    clocks.advance(clock, {"frozen_time": JANUARY_2030 + 730 * DAY})


def test_a_deleted_clock_takes_its_customers_along(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox, clock: str
) -> None:
    subscription = subscribed(client, shop, clock)
    assert client.v1.test_helpers.test_clocks.delete(clock).deleted is True
    for call in (
        lambda: client.v1.customers.retrieve(str(subscription.customer)),
        lambda: client.v1.subscriptions.retrieve(subscription.id),
        lambda: client.v1.test_helpers.test_clocks.retrieve(clock),
    ):
        with pytest.raises(stripe.InvalidRequestError) as missing:
            call()
        assert missing.value.http_status == 404
    assert client.v1.invoices.list().data == []
    assert sandbox.events()[-1]["type"] == "test_helpers.test_clock.deleted"


def test_a_clock_is_deleted_after_thirty_days(
    client: stripe.StripeClient, sandbox: Sandbox, clock: str
) -> None:
    sandbox.clock.advance(days=30)
    assert client.v1.test_helpers.test_clocks.list().data == []


def test_a_clock_takes_three_customers(client: stripe.StripeClient, clock: str) -> None:
    for _ in range(3):
        client.v1.customers.create({"test_clock": clock})
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        client.v1.customers.create({"test_clock": clock})
    assert refusal.value.param == "test_clock"


def test_a_customer_can_join_later(client: stripe.StripeClient, shop: Shop) -> None:
    customer = shop.customer()
    subscription = shop.subscribe(customer)
    clock = client.v1.test_helpers.test_clocks.create({"frozen_time": NOW, "customer": customer})
    assert client.v1.subscriptions.retrieve(subscription).test_clock == clock.id
    client.v1.test_helpers.test_clocks.advance(clock.id, {"frozen_time": NOW + 30 * DAY})
    assert len(client.v1.invoices.list({"subscription": subscription}).data) == 2


def test_usage_on_a_clock_is_billed_in_its_time(
    client: stripe.StripeClient, shop: Shop, clock: str
) -> None:
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
            "unit_amount": 100,
            "recurring": {"interval": "month", "usage_type": "metered", "meter": meter.id},
        }
    )
    subscription = subscribed(client, shop, clock)
    customer = str(subscription.customer)
    metered = client.v1.subscriptions.create(
        {
            "customer": customer,
            "items": [{"price": price.id}],
            "default_payment_method": str(subscription.default_payment_method),
        }
    )
    event = client.v1.billing.meter_events.create(
        {"event_name": "calls", "payload": {"stripe_customer_id": customer, "value": "7"}}
    )
    assert event.timestamp == JANUARY_2030
    client.v1.test_helpers.test_clocks.advance(clock, {"frozen_time": JANUARY_2030 + 32 * DAY})
    renewal = client.v1.invoices.list({"subscription": metered.id}).data[0]
    assert (renewal.total, renewal.status) == (700, "paid")
