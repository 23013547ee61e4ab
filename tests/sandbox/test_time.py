"""What happens by itself when the clock moves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import stripe

from flask_billing.sandbox import Sandbox, SandboxError, Settings

from .conftest import START, Shop

NOW = int(START.timestamp())
DAY = 86_400


def stamp(year: int, month: int, day: int, hour: int = 12) -> int:
    return int(datetime(year, month, day, hour, tzinfo=UTC).timestamp())


def test_a_renewal_has_its_draft_hour(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    subscription = shop.subscribe()
    sandbox.clock.advance(days=28, minutes=30)
    draft = client.v1.invoices.list({"subscription": subscription}).data[0]
    assert (draft.status, draft.billing_reason) == ("draft", "subscription_cycle")
    assert draft.automatically_finalizes_at == draft.created + 3601
    assert draft.next_payment_attempt == draft.created + 3600
    assert (draft.period_start, draft.period_end) == (NOW, NOW + 28 * DAY)
    assert client.v1.subscriptions.retrieve(subscription).status == "active"
    sandbox.clock.advance(minutes=31)
    paid = client.v1.invoices.retrieve(draft.id)
    assert (paid.status, paid.attempt_count) == ("paid", 1)
    assert paid.status_transitions.paid_at == draft.created + 3600


def test_the_events_of_a_renewal(shop: Shop, sandbox: Sandbox) -> None:
    shop.subscribe()
    before = len(sandbox.events())
    sandbox.clock.advance(days=28, hours=2)
    events = sandbox.events()[before:]
    assert [event["type"] for event in events] == [
        "invoice.upcoming",
        "invoice.created",
        "customer.subscription.updated",
        "payment_intent.created",
        "invoice.updated",
        "invoice.finalized",
        "charge.succeeded",
        "payment_intent.succeeded",
        "invoice_payment.paid",
        "invoice.updated",
        "invoice.paid",
        "invoice.payment_succeeded",
    ]
    assert "id" not in events[0]["data"]["object"]
    assert events[0]["created"] == stamp(2026, 2, 21)
    previous = events[2]["data"]["previous_attributes"]
    assert set(previous) == {"items", "latest_invoice"}
    assert len(previous["items"]["data"]) == 1
    assert events[2]["created"] == stamp(2026, 2, 28)
    assert events[-1]["created"] == stamp(2026, 2, 28, 13)
    assert {event["request"]["id"] for event in events} == {None}


def test_months_keep_the_anchor_day(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    subscription = shop.subscribe()
    ends = []
    for _ in range(4):
        item = client.v1.subscriptions.retrieve(subscription)["items"].data[0]
        ends.append(item.current_period_end)
        sandbox.clock.advance(to=datetime.fromtimestamp(item.current_period_end, UTC))
    assert ends == [
        stamp(2026, 2, 28),
        stamp(2026, 3, 31),
        stamp(2026, 4, 30),
        stamp(2026, 5, 31),
    ]


def test_a_year_in_one_step_is_twelve_renewals_in_order(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    subscription = shop.subscribe()
    sandbox.clock.advance(days=366)
    invoices = list(client.v1.invoices.list({"subscription": subscription, "limit": 100}).data)
    assert len(invoices) == 13
    assert {invoice.status for invoice in invoices} == {"paid"}
    times = [event["created"] for event in sandbox.events()]
    assert times == sorted(times)


def test_a_trial_ends_with_a_reminder_and_a_bill(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    subscription = client.v1.subscriptions.create(
        {"customer": shop.customer(), "items": [{"price": shop.month}], "trial_period_days": 14}
    )
    sandbox.clock.advance(days=11)
    assert sandbox.events("customer.subscription.trial_will_end")[0]["created"] == NOW + 11 * DAY
    sandbox.clock.advance(days=3)
    turned = client.v1.subscriptions.retrieve(subscription.id)
    assert turned.status == "active"
    assert turned["items"].data[0].current_period_start == NOW + 14 * DAY
    previous = sandbox.events("customer.subscription.updated")[-1]["data"]["previous_attributes"]
    assert previous["status"] == "trialing"
    sandbox.clock.advance(hours=2)
    invoice = client.v1.invoices.retrieve(str(turned.latest_invoice))
    assert (invoice.status, invoice.amount_paid, invoice.billing_reason) == (
        "paid",
        2500,
        "subscription_cycle",
    )


@pytest.mark.parametrize(
    ("behavior", "status"), [("cancel", "canceled"), ("pause", "paused"), (None, "past_due")]
)
def test_a_trial_without_a_card(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox, behavior: str | None, status: str
) -> None:
    params: stripe.params.SubscriptionCreateParams = {
        "customer": shop.customer(card=None),
        "items": [{"price": shop.month}],
        "trial_period_days": 7,
    }
    if behavior is not None:
        params["trial_settings"] = {"end_behavior": {"missing_payment_method": behavior}}
    subscription = client.v1.subscriptions.create(params)
    sandbox.clock.advance(days=7, hours=2)
    assert client.v1.subscriptions.retrieve(subscription.id).status == status


def failing(client: stripe.StripeClient, shop: Shop) -> tuple[str, str]:
    """A subscription whose card was good once and fails from now on."""
    customer = shop.customer()
    subscription = shop.subscribe(customer)
    bad = client.v1.payment_methods.attach("pm_card_chargeCustomerFail", {"customer": customer})
    client.v1.customers.update(customer, {"invoice_settings": {"default_payment_method": bad.id}})
    return customer, subscription


def test_dunning_tries_eight_times_and_cancels(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    _, subscription = failing(client, shop)
    sandbox.clock.advance(days=28, hours=2)
    assert client.v1.subscriptions.retrieve(subscription).status == "past_due"
    previous = sandbox.events("customer.subscription.updated")[-1]["data"]["previous_attributes"]
    assert previous == {"status": "active"}
    invoice = client.v1.invoices.list({"subscription": subscription}).data[0]
    assert (invoice.status, invoice.attempt_count) == ("open", 1)
    assert invoice.next_payment_attempt is not None
    sandbox.clock.advance(days=14)
    ended = client.v1.subscriptions.retrieve(subscription)
    assert ended.status == "canceled"
    assert ended.cancellation_details is not None
    assert ended.cancellation_details.reason == "payment_failed"
    invoice = client.v1.invoices.retrieve(invoice.id)
    assert (invoice.attempt_count, invoice.next_payment_attempt) == (9, None)
    assert len(sandbox.events("invoice.payment_failed")) == 9


def test_a_new_card_ends_the_dunning(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    customer, subscription = failing(client, shop)
    sandbox.clock.advance(days=28, hours=2)
    good = client.v1.payment_methods.attach("pm_card_visa", {"customer": customer})
    client.v1.customers.update(customer, {"invoice_settings": {"default_payment_method": good.id}})
    sandbox.clock.advance(days=1)
    assert client.v1.subscriptions.retrieve(subscription).status == "active"


@pytest.mark.parametrize("after", ["unpaid", "past_due"])
def test_the_account_decides_how_dunning_ends(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox, after: str
) -> None:
    sandbox.settings = Settings(retry_days=(1, 3, 5), after_retries=after)  # type: ignore[arg-type]
    _, subscription = failing(client, shop)
    sandbox.clock.advance(days=28 + 8)
    assert client.v1.subscriptions.retrieve(subscription).status == after
    failed = client.v1.invoices.list({"subscription": subscription}).data[0]
    assert failed.attempt_count == 4


def test_a_card_that_wants_authentication_is_not_tried_in_vain(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    person = sandbox.checkout(shop.checkout(shop.customer(card=None)))
    person.pay("4000002760003184")
    person.authenticate()
    subscription = client.v1.subscriptions.list().data[0]
    sandbox.clock.advance(days=30)
    assert client.v1.subscriptions.retrieve(subscription.id).status == "past_due"
    assert len(sandbox.events("invoice.payment_action_required")) == 1
    invoice = client.v1.invoices.list({"subscription": subscription.id}).data[0]
    assert invoice.attempt_count == 1


def test_a_card_set_up_once_pays_by_itself(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    person = sandbox.checkout(shop.checkout(shop.customer(card=None)))
    person.pay("4000002500003155")
    person.authenticate()
    sandbox.clock.advance(days=30)
    assert [one.status for one in client.v1.invoices.list().data] == ["paid", "paid"]


def test_the_clock_only_moves_forward(sandbox: Sandbox) -> None:
    assert sandbox.clock.now() == START
    assert sandbox.clock.advance(days=1) == START + timedelta(days=1)
    with pytest.raises(SandboxError, match="only moves forward"):
        sandbox.clock.advance(to=START)


def test_an_unfrozen_clock_follows_the_wall_clock() -> None:
    def wall() -> datetime:
        return datetime.now(UTC).replace(microsecond=0)

    month = timedelta(days=31)
    before = wall()
    with Sandbox() as sandbox:
        assert before <= sandbox.clock.now() <= wall()
        before = wall()
        sandbox.clock.advance(days=31)
        assert before + month <= sandbox.clock.now() <= wall() + month
        sandbox.clock.freeze()
        assert sandbox.clock.now() == sandbox.clock.now()


def test_sent_invoices_fall_due(client: stripe.StripeClient, shop: Shop, sandbox: Sandbox) -> None:
    subscription = client.v1.subscriptions.create(
        {
            "customer": shop.customer(card=None),
            "items": [{"price": shop.month}],
            "collection_method": "send_invoice",
            "days_until_due": 7,
        }
    )
    assert subscription.status == "active"
    sandbox.clock.advance(hours=2)
    invoice = client.v1.invoices.retrieve(str(subscription.latest_invoice))
    assert (invoice.status, invoice.due_date) == ("open", NOW + 7 * DAY)
    sandbox.clock.advance(days=8)
    assert client.v1.subscriptions.retrieve(subscription.id).status == "past_due"
    client.v1.invoices.pay(invoice.id, {"paid_out_of_band": True})
    assert client.v1.subscriptions.retrieve(subscription.id).status == "active"
