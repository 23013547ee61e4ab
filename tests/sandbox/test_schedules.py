"""Subscription schedules: a plan for what a subscription will be, and when."""

from __future__ import annotations

import typing as t

import pytest
import stripe

from flask_billing.sandbox import Sandbox

from .conftest import START, Shop

NOW = int(START.timestamp())
DAY = 86_400
END = NOW + 28 * DAY
MONTH: t.Final = {"interval": "month"}


@pytest.fixture
def team(client: stripe.StripeClient, shop: Shop) -> stripe.Subscription:
    """A subscription to Team, of a customer with a good card."""
    return client.v1.subscriptions.retrieve(shop.subscribe(price=shop.team))


def downgrade(
    client: stripe.StripeClient, shop: Shop, subscription: str
) -> stripe.SubscriptionSchedule:
    """From Team to Pro when the period ends, then on by itself."""
    schedule = client.v1.subscription_schedules.create({"from_subscription": subscription})
    phase = schedule.phases[0]
    return client.v1.subscription_schedules.update(
        schedule.id,
        {
            "end_behavior": "release",
            "proration_behavior": "none",
            "phases": [
                {
                    "items": [{"price": shop.team, "quantity": 1}],
                    "start_date": phase.start_date,
                    "end_date": phase.end_date,
                },
                {
                    "items": [{"price": shop.month, "quantity": 1}],
                    "duration": {"interval": "month"},
                    "proration_behavior": "none",
                },
            ],
        },
    )


def names(sandbox: Sandbox, since: int) -> list[str]:
    return [event["type"] for event in sandbox.events()[since:]]


def price_of(subscription: stripe.Subscription) -> str:
    price: str = subscription["items"].data[0].price.id
    return price


def test_a_running_subscription_gets_a_schedule_of_its_period(
    client: stripe.StripeClient, sandbox: Sandbox, team: stripe.Subscription
) -> None:
    before = len(sandbox.events())
    schedule = client.v1.subscription_schedules.create({"from_subscription": team.id})
    assert names(sandbox, before) == [
        "subscription_schedule.created",
        "customer.subscription.updated",
    ]
    assert sandbox.events()[-1]["data"]["previous_attributes"] == {"schedule": None}
    assert (schedule.status, schedule.subscription) == ("active", team.id)
    phase = schedule.phases[0]
    assert (phase.start_date, phase.end_date) == (NOW, END)
    assert (phase["items"][0].price, phase["items"][0].quantity) == (price_of(team), 1)
    assert schedule.current_phase is not None
    assert (schedule.current_phase.start_date, schedule.current_phase.end_date) == (NOW, END)
    assert client.v1.subscriptions.retrieve(team.id).schedule == schedule.id
    with pytest.raises(stripe.InvalidRequestError, match="already attached to a schedule"):
        client.v1.subscription_schedules.create({"from_subscription": team.id})
    with pytest.raises(stripe.InvalidRequestError, match="You cannot set `metadata`"):
        client.v1.subscription_schedules.create(
            {"from_subscription": team.id, "metadata": {"why": "downgrade"}}
        )


def test_a_downgrade_happens_at_the_end_of_the_period(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox, team: stripe.Subscription
) -> None:
    schedule = downgrade(client, shop, team.id)
    assert [phase.end_date for phase in schedule.phases] == [END, END + 28 * DAY]
    sandbox.clock.advance(days=27)
    assert price_of(client.v1.subscriptions.retrieve(team.id)) == shop.team
    before = len(sandbox.events())
    sandbox.clock.advance(days=1, hours=2)
    lower = client.v1.subscriptions.retrieve(team.id)
    assert price_of(lower) == shop.month
    assert lower["items"].data[0].current_period_start == END
    invoices = client.v1.invoices.list({"subscription": team.id}).data
    assert [one.total for one in invoices] == [2500, 4900]
    assert (invoices[0].billing_reason, invoices[0].status) == ("subscription_cycle", "paid")
    assert names(sandbox, before)[:4] == [
        "subscription_schedule.updated",
        "customer.subscription.updated",
        "invoice.created",
        "customer.subscription.updated",
    ]
    sandbox.clock.advance(days=31)
    done = client.v1.subscription_schedules.retrieve(schedule.id)
    assert (done.status, done.released_subscription) == ("released", team.id)
    free = client.v1.subscriptions.retrieve(team.id)
    assert (free.schedule, free.status, price_of(free)) == (None, "active", shop.month)
    assert len(client.v1.invoices.list({"subscription": team.id}).data) == 3


def test_the_first_of_a_month_is_kept_after_a_downgrade(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox, team: stripe.Subscription
) -> None:
    downgrade(client, shop, team.id)
    sandbox.clock.advance(days=29)
    item = client.v1.subscriptions.retrieve(team.id)["items"].data[0]
    assert item.current_period_end == END + 31 * DAY


def test_release_undoes_a_downgrade(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox, team: stripe.Subscription
) -> None:
    schedule = downgrade(client, shop, team.id)
    before = len(sandbox.events())
    released = client.v1.subscription_schedules.release(schedule.id)
    assert (released.status, released.subscription) == ("released", None)
    assert (released.released_subscription, released.released_at) == (team.id, NOW)
    assert names(sandbox, before) == [
        "subscription_schedule.updated",
        "customer.subscription.updated",
        "subscription_schedule.released",
    ]
    sandbox.clock.advance(days=30)
    assert price_of(client.v1.subscriptions.retrieve(team.id)) == shop.team
    with pytest.raises(stripe.InvalidRequestError, match="currently in the `released` status"):
        client.v1.subscription_schedules.release(schedule.id)
    again = client.v1.subscription_schedules.create({"from_subscription": team.id})
    assert again.phases[0].start_date == END


def test_only_the_schedule_may_end_a_subscription_it_manages(
    client: stripe.StripeClient, team: stripe.Subscription
) -> None:
    schedule = client.v1.subscription_schedules.create({"from_subscription": team.id})
    attempts: list[stripe.params.SubscriptionUpdateParams] = [
        {"cancel_at_period_end": True},
        {"cancel_at": END},
    ]
    for attempt in attempts:
        with pytest.raises(stripe.InvalidRequestError) as caught:
            client.v1.subscriptions.update(team.id, attempt)
        assert caught.value.user_message == (
            f"The subscription is managed by the subscription schedule `{schedule.id}`, and "
            "updating any cancelation behavior directly is not allowed. Please update the "
            "schedule instead."
        )
    client.v1.subscription_schedules.release(schedule.id)
    assert client.v1.subscriptions.update(team.id, {"cancel_at_period_end": True}).cancel_at == END


@pytest.mark.parametrize(
    ("phases", "message"),
    [
        ([{"end_date": END}], "missing at least one phase with a `start_date`"),
        ([{"start_date": "now", "end_date": END}], "modify the start date of the current phase"),
        (
            [{"start_date": NOW, "end_date": END}, {"start_date": END + 5, "duration": MONTH}],
            "start date of a phase must be the end date",
        ),
        ([{"start_date": NOW, "end_date": END, "duration": MONTH}], "only specify one of these"),
        ([{"start_date": NOW, "end_date": NOW - 1}], "must be after its start date"),
        ([{"start_date": NOW, "end_date": NOW + 5}], "cannot end in the past"),
        ([{"start_date": NOW}, {"duration": MONTH}], r"Missing required param: phases\[0\]"),
        ([{"start_date": NOW, "duration": MONTH}] + 10 * [{"duration": MONTH}], "at most 10"),
    ],
)
def test_phases_follow_one_another(
    client: stripe.StripeClient,
    shop: Shop,
    sandbox: Sandbox,
    team: stripe.Subscription,
    phases: list[dict[str, t.Any]],
    message: str,
) -> None:
    schedule = client.v1.subscription_schedules.create({"from_subscription": team.id})
    sandbox.clock.advance(days=1)
    sent = [{"items": [{"price": shop.team}], **phase} for phase in phases]
    with pytest.raises(stripe.InvalidRequestError, match=message):
        client.v1.subscription_schedules.update(schedule.id, t.cast(t.Any, {"phases": sent}))
    unchanged = client.v1.subscription_schedules.retrieve(schedule.id)
    assert [(one.start_date, one.end_date) for one in unchanged.phases] == [(NOW, END)]


def test_a_phase_without_its_discount_drops_it(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    client.v1.coupons.create({"id": "stay", "percent_off": 20, "duration": "forever"})
    kept, lost = (
        client.v1.subscriptions.create(
            {
                "customer": shop.customer(),
                "items": [{"price": shop.team}],
                "discounts": [{"coupon": "stay"}],
            }
        )
        for _ in range(2)
    )
    for subscription in (kept, lost):
        schedule = client.v1.subscription_schedules.create({"from_subscription": subscription.id})
        reductions = [{"discount": str(subscription.discounts[0])}]
        assert schedule.phases[0].discounts[0].discount == subscription.discounts[0]
        phases: list[dict[str, t.Any]] = [
            {"items": [{"price": shop.team}], "start_date": NOW, "end_date": END},
            {"items": [{"price": shop.month}], "duration": MONTH},
        ]
        for phase in phases if subscription is kept else phases[:1]:
            phase["discounts"] = reductions
        client.v1.subscription_schedules.update(schedule.id, t.cast(t.Any, {"phases": phases}))
    sandbox.clock.advance(days=29)
    totals = [
        client.v1.invoices.list({"subscription": one.id}).data[0].total for one in (kept, lost)
    ]
    assert totals == [2000, 2500]


def test_a_schedule_from_scratch_starts_later_and_cancels_at_its_end(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    customer = shop.customer()
    schedule = client.v1.subscription_schedules.create(
        {
            "customer": customer,
            "start_date": NOW + 5 * DAY,
            "end_behavior": "cancel",
            "phases": [{"items": [{"price": shop.month}], "duration": {"interval": "month"}}],
            "metadata": {"why": "term"},
        }
    )
    assert (schedule.status, schedule.subscription, schedule.current_phase) == (
        "not_started",
        None,
        None,
    )
    listed = client.v1.subscription_schedules.list({"customer": customer, "scheduled": True})
    assert [one.id for one in listed.data] == [schedule.id]
    sandbox.clock.advance(days=5)
    started = client.v1.subscription_schedules.retrieve(schedule.id)
    assert started.status == "active"
    subscription = client.v1.subscriptions.retrieve(str(started.subscription))
    assert (subscription.status, subscription.schedule) == ("active", schedule.id)
    assert subscription.cancel_at == started.phases[0].end_date
    first = client.v1.invoices.retrieve(str(subscription.latest_invoice))
    assert (first.status, first.billing_reason) == ("draft", "subscription_create")
    sandbox.clock.advance(hours=1)
    assert client.v1.invoices.retrieve(first.id).status == "paid"
    sandbox.clock.advance(days=22)
    assert names(sandbox, 0)[-1] == "subscription_schedule.expiring"
    sandbox.clock.advance(days=8)
    ended = client.v1.subscription_schedules.retrieve(schedule.id)
    assert (ended.status, ended.completed_at) == ("completed", subscription.cancel_at)
    assert client.v1.subscriptions.retrieve(subscription.id).status == "canceled"
    assert names(sandbox, 0)[-2:] == [
        "customer.subscription.deleted",
        "subscription_schedule.completed",
    ]


def test_a_change_of_the_current_phase_is_prorated(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox, team: stripe.Subscription
) -> None:
    schedule = client.v1.subscription_schedules.create({"from_subscription": team.id})
    sandbox.clock.advance(days=14)
    before = len(sandbox.events())
    client.v1.subscription_schedules.update(
        schedule.id,
        {
            "proration_behavior": "always_invoice",
            "phases": [
                {
                    "items": [{"price": shop.team, "quantity": 3}],
                    "start_date": NOW,
                    "end_date": END,
                }
            ],
        },
    )
    assert names(sandbox, before)[:3] == [
        "subscription_schedule.updated",
        "invoiceitem.created",
        "invoiceitem.created",
    ]
    changed = client.v1.subscriptions.retrieve(team.id, {"expand": ["latest_invoice"]})
    assert changed["items"].data[0].id == team["items"].data[0].id
    assert changed["items"].data[0].quantity == 3
    assert [line.amount for line in changed.latest_invoice.lines.data] == [-2450, 7350]  # type: ignore[union-attr]


def test_a_phase_may_end_now(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox, team: stripe.Subscription
) -> None:
    schedule = client.v1.subscription_schedules.create({"from_subscription": team.id})
    sandbox.clock.advance(days=14)
    updated = client.v1.subscription_schedules.update(
        schedule.id,
        {
            "phases": [
                {"items": [{"price": shop.team}], "start_date": NOW, "end_date": "now"},
                {
                    "items": [{"price": shop.month}],
                    "start_date": "now",
                    "end_date": END,
                    "proration_behavior": "none",
                },
            ]
        },
    )
    assert updated.current_phase is not None
    assert updated.current_phase.start_date == NOW + 14 * DAY
    assert price_of(client.v1.subscriptions.retrieve(team.id)) == shop.month
    assert len(client.v1.invoices.list({"subscription": team.id}).data) == 1


def test_canceling_a_schedule_cancels_its_subscription(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox, team: stripe.Subscription
) -> None:
    schedule = downgrade(client, shop, team.id)
    sandbox.clock.advance(days=14)
    canceled = client.v1.subscription_schedules.cancel(schedule.id)
    assert (canceled.status, canceled.canceled_at) == ("canceled", NOW + 14 * DAY)
    assert client.v1.subscriptions.retrieve(team.id).status == "canceled"
    final = client.v1.invoices.list({"subscription": team.id}).data[0]
    assert final.total == -2450
    assert names(sandbox, 0)[-2:] == [
        "customer.subscription.deleted",
        "subscription_schedule.canceled",
    ]


def test_a_yearly_phase_after_a_monthly_one_starts_its_year(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    subscription = shop.subscribe()
    schedule = client.v1.subscription_schedules.create({"from_subscription": subscription})
    client.v1.subscription_schedules.update(
        schedule.id,
        {
            "phases": [
                {"items": [{"price": shop.month}], "start_date": NOW, "end_date": END},
                {"items": [{"price": shop.year}], "duration": {"interval": "year"}},
            ]
        },
    )
    sandbox.clock.advance(days=29)
    yearly = client.v1.subscriptions.retrieve(subscription)
    assert yearly["items"].data[0].current_period_start == END
    assert yearly["items"].data[0].current_period_end == END + 365 * DAY
    assert client.v1.invoices.list({"subscription": subscription}).data[0].total == 25_000


def test_a_subscription_that_ends_is_scheduled_to_end(
    client: stripe.StripeClient, sandbox: Sandbox, team: stripe.Subscription
) -> None:
    client.v1.subscriptions.update(team.id, {"cancel_at_period_end": True})
    schedule = client.v1.subscription_schedules.create({"from_subscription": team.id})
    assert schedule.end_behavior == "cancel"
    client.v1.subscription_schedules.release(schedule.id, {"preserve_cancel_date": True})
    assert client.v1.subscriptions.retrieve(team.id).cancel_at == END
    again = client.v1.subscription_schedules.create({"from_subscription": team.id})
    client.v1.subscription_schedules.release(again.id)
    assert client.v1.subscriptions.retrieve(team.id).cancel_at is None
    sandbox.clock.advance(days=30)
    assert client.v1.subscriptions.retrieve(team.id).status == "active"


def test_a_direct_change_is_a_change_of_the_current_phase(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox, team: stripe.Subscription
) -> None:
    schedule = downgrade(client, shop, team.id)
    client.v1.subscriptions.update(
        team.id, {"items": [{"id": team["items"].data[0].id, "quantity": 2}]}
    )
    phases = client.v1.subscription_schedules.retrieve(schedule.id).phases
    assert [phase["items"][0].quantity for phase in phases] == [2, 1]


def test_the_preview_of_a_scheduled_downgrade_is_the_lower_renewal(
    client: stripe.StripeClient, shop: Shop, team: stripe.Subscription
) -> None:
    schedule = downgrade(client, shop, team.id)
    for params in t.cast(
        list[stripe.params.InvoiceCreatePreviewParams],
        [{"subscription": team.id}, {"schedule": schedule.id}],
    ):
        preview = client.v1.invoices.create_preview(params)
        assert (preview.total, preview.billing_reason) == (2500, "subscription_cycle")
    current = {"items": [{"price": shop.team}], "start_date": NOW, "end_date": END}
    then = {"items": [{"price": shop.month, "quantity": 5}], "duration": MONTH}
    planned = client.v1.invoices.create_preview(
        t.cast(t.Any, {"schedule": schedule.id, "schedule_details": {"phases": [current, then]}})
    )
    assert planned.total == 12_500
    unchanged = client.v1.subscription_schedules.retrieve(schedule.id)
    assert unchanged.phases[1]["items"][0].quantity == 1
    assert price_of(client.v1.subscriptions.retrieve(team.id)) == shop.team


def test_the_preview_of_a_schedule_to_come_is_its_first_invoice(
    client: stripe.StripeClient, shop: Shop
) -> None:
    customer = shop.customer()
    preview = client.v1.invoices.create_preview(
        t.cast(
            t.Any,
            {
                "customer": customer,
                "schedule_details": {
                    "phases": [{"items": [{"price": shop.month, "quantity": 2}], "duration": MONTH}]
                },
            },
        )
    )
    assert preview.total == 5000
    assert client.v1.subscription_schedules.list({"customer": customer}).data == []


def test_what_was_planned_may_be_gone_when_its_time_comes(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox, team: stripe.Subscription
) -> None:
    client.v1.coupons.create({"id": "once", "percent_off": 50, "duration": "once"})
    schedule = downgrade(client, shop, team.id)
    phases: list[dict[str, t.Any]] = [
        {"items": [{"price": shop.team}], "start_date": NOW, "end_date": END},
        {
            "items": [{"price": shop.month}],
            "duration": MONTH,
            "discounts": [{"coupon": "once"}],
            "default_payment_method": client.v1.payment_methods.list(
                {"customer": str(team.customer), "type": "card"}
            )
            .data[0]
            .id,
        },
    ]
    client.v1.subscription_schedules.update(schedule.id, t.cast(t.Any, {"phases": phases}))
    later = client.v1.subscription_schedules.create(
        {
            "customer": shop.customer(),
            "start_date": NOW + 5 * DAY,
            "phases": [{"items": [{"price": shop.month}]}],
        }
    )
    client.v1.prices.update(shop.month, {"active": False})
    client.v1.coupons.delete("once")
    client.v1.payment_methods.detach(phases[1]["default_payment_method"])
    client.v1.customers.delete(str(later.customer))
    sandbox.clock.advance(days=29)
    lower = client.v1.subscriptions.retrieve(team.id)
    assert (price_of(lower), lower.discounts) == (shop.month, [])
    assert client.v1.invoices.list({"subscription": team.id}).data[0].total == 2500
    assert client.v1.subscription_schedules.retrieve(later.id).status == "canceled"


def test_phases_name_what_there_is_in_one_currency(
    client: stripe.StripeClient, shop: Shop, team: stripe.Subscription
) -> None:
    euro = client.v1.prices.create(
        {
            "product": shop.product,
            "currency": "eur",
            "unit_amount": 2500,
            "recurring": {"interval": "month"},
        }
    )
    schedule = client.v1.subscription_schedules.create({"from_subscription": team.id})
    current: dict[str, t.Any] = {
        "items": [{"price": shop.team}],
        "start_date": NOW,
        "end_date": END,
    }
    for phases, param in (
        ([current, {"items": [{"price": euro.id}]}], "phases"),
        ([{**current, "items": [{"price": euro.id}]}], "phases"),
        ([{**current, "discounts": [{"coupon": "x"}]}], "phases[0][discounts][0][coupon]"),
        ([{**current, "items": [{"price": "price_x"}]}], "phases[0][items][0][price]"),
    ):
        with pytest.raises(stripe.InvalidRequestError) as caught:
            client.v1.subscription_schedules.update(schedule.id, t.cast(t.Any, {"phases": phases}))
        assert (caught.value.http_status, caught.value.param) == (400, param)
