"""Less usual changes of subscriptions: anchors, trials, ends in between, discounts, modes."""

from __future__ import annotations

import typing as t
from datetime import UTC, datetime

import pytest
import stripe

from flask_billing.sandbox import Sandbox, Settings
from flask_billing.sandbox.settings import THREE_RETRIES

from .conftest import START, Shop

NOW = int(START.timestamp())
DAY = 86_400
END = NOW + 28 * DAY


def invoices(client: stripe.StripeClient, subscription: str) -> list[stripe.Invoice]:
    return list(client.v1.invoices.list({"subscription": subscription}).data)


def test_a_new_anchor_credits_the_old_period_and_charges_a_new_one(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    subscription = shop.subscribe()
    sandbox.clock.advance(days=14)
    anew = client.v1.subscriptions.update(subscription, {"billing_cycle_anchor": {"type": "now"}})
    item = anew["items"].data[0]
    assert (anew.billing_cycle_anchor, item.current_period_start) == (NOW + 14 * DAY,) * 2
    assert [line.amount for line in invoices(client, subscription)[0].lines.data] == [-1250, 2500]


def test_a_trial_given_to_a_paying_customer_credits_the_rest(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    customer = shop.customer()
    subscription = shop.subscribe(customer)
    sandbox.clock.advance(days=14)
    trialing = client.v1.subscriptions.update(subscription, {"trial_end": NOW + 21 * DAY})
    assert (trialing.status, trialing.billing_cycle_anchor) == ("trialing", NOW + 21 * DAY)
    assert [one.amount for one in client.v1.invoice_items.list({"customer": customer}).data] == [
        -1250
    ]
    sandbox.clock.advance(days=8)
    assert invoices(client, subscription)[0].total == 1250


def test_a_longer_trial_costs_nothing(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    customer = shop.customer()
    trial = client.v1.subscriptions.create(
        {"customer": customer, "items": [{"price": shop.month}], "trial_period_days": 7}
    )
    longer = client.v1.subscriptions.update(trial.id, {"trial_end": NOW + 30 * DAY})
    assert longer["items"].data[0].current_period_end == NOW + 30 * DAY
    assert client.v1.invoice_items.list({"customer": customer}).data == []
    sandbox.clock.advance(days=29)
    assert client.v1.subscriptions.retrieve(trial.id).status == "trialing"


def test_an_end_in_the_middle_of_a_period_credits_the_rest(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    ends = NOW + 14 * DAY
    customer = shop.customer()
    prorated, not_prorated = shop.subscribe(customer), shop.subscribe(customer)
    client.v1.subscriptions.update(prorated, {"cancel_at": ends})
    client.v1.subscriptions.update(not_prorated, {"cancel_at": ends, "proration_behavior": "none"})
    sandbox.clock.advance(days=15)
    for object_id in (prorated, not_prorated):
        ended = client.v1.subscriptions.retrieve(object_id)
        assert (ended.status, ended.ended_at, ended.canceled_at) == ("canceled", ends, NOW)
    [last] = client.v1.invoices.list({"customer": customer, "status": "draft"}).data
    client.v1.invoices.finalize_invoice(last.id)
    assert client.v1.customers.retrieve(customer).balance == -1250


@pytest.mark.parametrize(("moment", "days"), [("min_period_end", 28), ("max_period_end", 365)])
def test_an_end_may_be_named(
    client: stripe.StripeClient, shop: Shop, moment: t.Any, days: int
) -> None:
    subscription = client.v1.subscriptions.create(
        {
            "customer": shop.customer(),
            "items": [{"price": shop.month}, {"price": shop.year}],
            "cancel_at": moment,
        }
    )
    assert (subscription.cancel_at, subscription.cancel_at_period_end) == (NOW + days * DAY, False)


def test_items_of_several_intervals_renew_each_in_its_time(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    subscription = client.v1.subscriptions.create(
        {"customer": shop.customer(), "items": [{"price": shop.month}, {"price": shop.year}]}
    )
    sandbox.clock.advance(days=29)
    assert [one.total for one in invoices(client, subscription.id)] == [2500, 27_500]
    sandbox.clock.advance(days=337)
    yearly = [one for one in client.v1.invoices.list({"limit": 20}).data if one.total == 27_500]
    assert len(yearly) == 2


def test_a_leap_day_comes_back_after_four_years() -> None:
    with Sandbox(now=datetime(2024, 2, 29, 12, tzinfo=UTC)) as sandbox:
        client = sandbox.client()
        price = client.v1.prices.create(
            {
                "product_data": {"name": "Pro"},
                "currency": "usd",
                "unit_amount": 25_000,
                "recurring": {"interval": "year"},
            }
        )
        subscription = Shop(client, "", "", price.id, "").subscribe(price=price.id)
        ends = []
        for _ in range(4):
            item = client.v1.subscriptions.retrieve(subscription)["items"].data[0]
            ends.append(datetime.fromtimestamp(item.current_period_end, UTC))
            sandbox.clock.advance(to=ends[-1])
        assert [(end.year, end.month, end.day) for end in ends] == [
            (2025, 2, 28),
            (2026, 2, 28),
            (2027, 2, 28),
            (2028, 2, 29),
        ]


def test_classic_billing_starts_anew_with_another_interval(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    subscription = client.v1.subscriptions.create(
        {
            "customer": shop.customer(),
            "items": [{"price": shop.month}],
            "billing_mode": {"type": "classic"},
        }
    )
    sandbox.clock.advance(days=14)
    yearly = client.v1.subscriptions.update(
        subscription.id,
        {"items": [{"id": subscription["items"].data[0].id, "price": shop.year}]},
    )
    assert yearly.billing_cycle_anchor == NOW + 14 * DAY
    assert [line.amount for line in invoices(client, subscription.id)[0].lines.data] == [
        -1250,
        25_000,
    ]


def test_discounts_come_and_go_with_their_events(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    client.v1.coupons.create({"id": "stay", "percent_off": 20, "duration": "forever"})
    subscription = shop.subscribe()
    before = len(sandbox.events())
    client.v1.subscriptions.update(subscription, {"discounts": [{"coupon": "stay"}]})
    deleted = client.v1.subscriptions.delete_discount(subscription)
    assert deleted.deleted
    assert [event["type"] for event in sandbox.events()[before:]] == [
        "customer.discount.created",
        "customer.subscription.updated",
        "customer.subscription.updated",
        "customer.discount.deleted",
    ]
    assert sandbox.events()[before + 1]["data"]["previous_attributes"] == {"discounts": []}
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.subscriptions.delete_discount(subscription)
    assert caught.value.http_status == 404


def test_canceling_now_may_credit_and_invoice(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    customer = shop.customer()
    subscription = client.v1.subscriptions.retrieve(shop.subscribe(customer))
    sandbox.clock.advance(days=7)
    client.v1.subscriptions.update(
        subscription.id, {"items": [{"id": subscription["items"].data[0].id, "quantity": 2}]}
    )
    sandbox.clock.advance(days=7)
    canceled = client.v1.subscriptions.cancel(
        subscription.id, {"prorate": True, "invoice_now": True}
    )
    final = client.v1.invoices.retrieve(str(canceled.latest_invoice))
    assert [line.amount for line in final.lines.data] == [-1875, 3750, -2500]
    assert (final.status, client.v1.customers.retrieve(customer).balance) == ("draft", 0)
    client.v1.invoices.finalize_invoice(final.id)
    assert client.v1.customers.retrieve(customer).balance == final.total == -625


def test_canceling_now_without_either_drops_what_waited(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    customer = shop.customer()
    subscription = client.v1.subscriptions.retrieve(shop.subscribe(customer))
    sandbox.clock.advance(days=7)
    client.v1.subscriptions.update(
        subscription.id, {"items": [{"id": subscription["items"].data[0].id, "quantity": 2}]}
    )
    client.v1.subscriptions.cancel(subscription.id)
    assert client.v1.invoice_items.list({"customer": customer}).data == []


@pytest.mark.parametrize(
    ("behavior", "status"),
    [("keep_as_draft", "draft"), ("mark_uncollectible", "uncollectible"), ("void", "void")],
)
def test_paused_collection_by_behavior(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox, behavior: t.Any, status: str
) -> None:
    subscription = client.v1.subscriptions.retrieve(shop.subscribe())
    client.v1.subscriptions.update(subscription.id, {"pause_collection": {"behavior": behavior}})
    sandbox.clock.advance(days=14)
    client.v1.subscriptions.update(
        subscription.id,
        {
            "items": [{"id": subscription["items"].data[0].id, "price": shop.team}],
            "proration_behavior": "always_invoice",
        },
    )
    sandbox.clock.advance(days=15)
    found = invoices(client, subscription.id)
    assert [one.status for one in found] == [status, status, "paid"]
    assert client.v1.subscriptions.retrieve(subscription.id).status == "active"
    resumed = client.v1.subscriptions.update(subscription.id, {"pause_collection": ""})
    assert resumed.pause_collection is None
    sandbox.clock.advance(days=31)
    assert invoices(client, subscription.id)[0].status == "paid"


def test_a_plan_parameter_names_a_price_too(client: stripe.StripeClient, shop: Shop) -> None:
    subscription = client.v1.subscriptions.retrieve(shop.subscribe())
    item = subscription["items"].data[0].id
    changed = client.v1.subscriptions.update(
        subscription.id, {"items": [{"id": item, "plan": shop.team}]}
    )
    assert changed["items"].data[0].price.id == shop.team


def test_what_the_sandbox_does_not_build_is_not_forgotten_silently(
    client: stripe.StripeClient, shop: Shop
) -> None:
    params: stripe.params.SubscriptionCreateParams = {
        "customer": shop.customer(),
        "items": [{"price": shop.month}],
    }
    with pytest.raises(stripe.InvalidRequestError, match="does not know `backdate_start_date`"):
        client.v1.subscriptions.create({**params, "backdate_start_date": NOW - DAY})
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.subscriptions.create({**params, "collection_method": "send_invoice"})
    assert caught.value.param == "days_until_due"
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.subscriptions.create({**params, "items": [{"quantity": 1}]})
    assert caught.value.param == "items[0][price]"


def test_voiding_the_first_invoice_ends_an_incomplete_subscription(
    client: stripe.StripeClient, shop: Shop
) -> None:
    subscription = client.v1.subscriptions.retrieve(
        shop.subscribe(shop.customer("pm_card_chargeCustomerFail"))
    )
    client.v1.invoices.void_invoice(str(subscription.latest_invoice))
    assert client.v1.subscriptions.retrieve(subscription.id).status == "incomplete_expired"


def test_a_trial_without_a_card_asks_for_one(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    customer = shop.customer(card=None)
    trial = client.v1.subscriptions.create(
        {
            "customer": customer,
            "items": [{"price": shop.month}],
            "trial_period_days": 7,
            "expand": ["pending_setup_intent"],
        }
    )
    intent = t.cast(stripe.SetupIntent, trial.pending_setup_intent)
    assert (intent.status, intent.customer) == ("requires_payment_method", customer)
    client.v1.setup_intents.confirm(
        intent.id, {"payment_method": "pm_card_visa", "return_url": "https://app.example/done"}
    )
    ready = client.v1.subscriptions.retrieve(trial.id)
    assert ready.pending_setup_intent is None
    assert ready.default_payment_method is not None
    sandbox.clock.advance(days=8)
    assert invoices(client, trial.id)[0].status == "paid"


def test_a_preview_with_items_that_do_not_stay(client: stripe.StripeClient, shop: Shop) -> None:
    customer = shop.customer()
    subscription = shop.subscribe(customer)
    preview = client.v1.invoices.create_preview(
        {
            "subscription": subscription,
            "invoice_items": [{"amount": 700, "currency": "usd", "description": "Setup"}],
        }
    )
    assert [line.amount for line in preview.lines.data] == [700, 2500]
    assert client.v1.invoice_items.list({"customer": customer}).data == []


def test_a_change_on_subscription_items_may_wait_too(
    client: stripe.StripeClient, shop: Shop
) -> None:
    customer = shop.customer()
    subscription = client.v1.subscriptions.retrieve(shop.subscribe(customer))
    bad = client.v1.payment_methods.attach("pm_card_chargeCustomerFail", {"customer": customer})
    client.v1.customers.update(customer, {"invoice_settings": {"default_payment_method": bad.id}})
    item = client.v1.subscription_items.update(
        subscription["items"].data[0].id,
        {
            "quantity": 3,
            "proration_behavior": "always_invoice",
            "payment_behavior": "pending_if_incomplete",
        },
    )
    assert item.quantity == 1
    assert client.v1.subscriptions.retrieve(subscription.id).pending_update is not None
    with pytest.raises(stripe.InvalidRequestError, match="discounts of single items"):
        client.v1.subscription_items.create(
            {
                "subscription": subscription.id,
                "price": shop.team,
                "discounts": [{"coupon": "any"}],
            }
        )


def test_three_retries_in_a_week_are_a_setting(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    sandbox.settings = Settings(retry_days=THREE_RETRIES, after_retries="unpaid")
    customer = shop.customer()
    subscription = shop.subscribe(customer)
    bad = client.v1.payment_methods.attach("pm_card_chargeCustomerFail", {"customer": customer})
    client.v1.customers.update(customer, {"invoice_settings": {"default_payment_method": bad.id}})
    sandbox.clock.advance(days=34)
    assert client.v1.subscriptions.retrieve(subscription).status == "past_due"
    sandbox.clock.advance(days=1, hours=2)
    assert client.v1.subscriptions.retrieve(subscription).status == "unpaid"
    failed = invoices(client, subscription)[0]
    assert (failed.attempt_count, failed.next_payment_attempt) == (4, None)
    sandbox.clock.advance(days=25)
    assert invoices(client, subscription)[0].status == "draft"
    good = client.v1.payment_methods.attach("pm_card_visa", {"customer": customer})
    client.v1.invoices.pay(invoices(client, subscription)[0].id, {"payment_method": good.id})
    assert client.v1.subscriptions.retrieve(subscription).status == "active"


def test_subscriptions_are_found_by_any_of_their_prices(
    client: stripe.StripeClient, shop: Shop
) -> None:
    customer = shop.customer()
    both = client.v1.subscriptions.create(
        {"customer": customer, "items": [{"price": shop.month}, {"price": shop.team}]}
    ).id
    shop.subscribe(customer)
    found = client.v1.subscriptions.list({"price": shop.team}).data
    assert [one.id for one in found] == [both]
    assert len(client.v1.subscriptions.list({"price": shop.month}).data) == 2
    with pytest.raises(stripe.InvalidRequestError, match="by `current_period_end`"):
        client.v1.subscriptions.list({"current_period_end": NOW})
