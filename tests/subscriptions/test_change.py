"""Plans that are changed: what was shown is charged, or nothing is."""

from __future__ import annotations

import collections.abc as c
import datetime as dt

import pytest

from flask_billing import subscriptions
from flask_billing.errors import CardDeclinedError, NoSubscriptionError, UnknownPlanError
from flask_billing.models import Customer, Outbox, SubscriptionChange
from flask_billing.subscriptions import QuoteChangedError, refusals

from ..host import Host
from ..views.person import Person
from .subscriber import BANK_ASKS, DECLINED, GOOD, Subscriber


@pytest.fixture
def customer(host: Host) -> Subscriber:
    """Somebody on Starter, ten days into their month."""
    found = Subscriber(host)
    found.pass_days(10)
    return found


def _to_a_smaller_plan(customer: Customer) -> object:
    return subscriptions.downgrade(customer, "starter")


def test_an_upgrade_charges_what_was_shown(customer: Subscriber) -> None:
    quote = customer.quote("pro")
    assert (quote.kind, quote.next_amount, quote.next_at) == (
        "upgrade",
        9900,
        customer.row.current_period_end,
    )
    assert [line.kind for line in quote.lines] == ["unused", "charge"]
    assert sum(line.amount for line in quote.lines) == quote.due_now
    assert quote.card is not None

    change = customer.confirm(quote)

    assert (change.state, change.actor) == ("done", "user 1")
    assert customer.paid[0] == change.amount == quote.due_now
    assert customer.plan == ("pro", "month", 1)


def test_time_between_looking_and_confirming_changes_nothing(customer: Subscriber) -> None:
    quote = customer.quote("pro")
    customer.host.sandbox.clock.advance(hours=5)

    assert customer.confirm(quote).amount == quote.due_now == customer.paid[0]


def test_a_second_click_gets_the_same_change(customer: Subscriber) -> None:
    quote = customer.quote("pro")
    first, second = customer.confirm(quote), customer.confirm(quote)

    assert first.id == second.id
    assert customer.paid == [quote.due_now, 2900]


def test_a_quote_confirmed_long_ago_does_nothing_any_more(customer: Subscriber) -> None:
    quote = customer.quote("pro")
    customer.confirm(quote)
    customer.change("enterprise")
    paid = customer.paid

    with pytest.raises(QuoteChangedError, match=r"used before\. Nothing was charged") as refused:
        customer.confirm(quote)

    assert refused.value.quote.kind == "downgrade"
    assert customer.paid == paid
    assert customer.plan == ("enterprise", "month", 1)


def test_another_amount_is_shown_again_and_not_charged(customer: Subscriber) -> None:
    quote = customer.quote("pro")
    customer.stripe.v1.invoice_items.create(
        {
            "customer": str(customer.at_stripe.customer),
            "subscription": customer.row.stripe_id,
            "amount": 700,
            "currency": "usd",
        }
    )

    with pytest.raises(QuoteChangedError, match="The amount changed") as changed:
        customer.confirm(quote)

    assert changed.value.quote.due_now == quote.due_now + 700
    assert customer.changes == []
    assert customer.paid == [2900]

    customer.confirm(changed.value.quote)
    assert customer.paid[0] == quote.due_now + 700


@pytest.mark.parametrize("interval", ["month", "year"])
def test_lines_that_stripe_leaves_out_of_a_preview_are_in_the_quote(
    customer: Subscriber, interval: str
) -> None:
    short = customer.quote("pro", interval)

    for number in range(12):
        customer.stripe.v1.invoice_items.create(
            {
                "customer": str(customer.at_stripe.customer),
                "subscription": customer.row.stripe_id,
                "amount": 100 + number,
                "currency": "usd",
            }
        )

    quote = customer.quote("pro", interval)
    lines = {line.kind: line.amount for line in quote.lines}
    assert set(lines) == {"other", "further"}
    assert sum(lines.values()) == quote.due_now == short.due_now + 1266
    assert quote.next_at == (short.next_at if interval == "month" else None)
    customer.confirm(quote)
    assert customer.paid[0] == quote.due_now


def test_a_renewal_since_is_another_amount(customer: Subscriber) -> None:
    quote = customer.quote("pro")
    customer.pass_days(25)

    with pytest.raises(QuoteChangedError) as changed:
        customer.confirm(quote)

    assert changed.value.quote.due_now != quote.due_now
    assert customer.plan == ("starter", "month", 1)


def test_what_is_added_to_the_invoice_after_the_last_look_is_credited(
    customer: Subscriber, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from flask_billing.subscriptions import schedules

    quote = customer.quote("pro")
    stripe_customer = str(customer.at_stripe.customer)

    def add_a_charge(*_arguments: object) -> None:
        customer.stripe.v1.invoice_items.create(
            {
                "customer": stripe_customer,
                "subscription": customer.row.stripe_id,
                "amount": 700,
                "currency": "usd",
            }
        )

    monkeypatch.setattr(schedules, "release_ours", add_a_charge)
    change = customer.confirm(quote)

    assert change.amount == customer.paid[0] == quote.due_now + 700
    assert customer.stripe.v1.customers.retrieve(stripe_customer).balance == -700
    assert "700 usd more" in caplog.text


def test_a_declined_card_leaves_plan_and_books_as_they_were(customer: Subscriber) -> None:
    customer.use_card(DECLINED)
    quote = customer.quote("pro")

    with pytest.raises(CardDeclinedError, match="declined"):
        customer.confirm(quote)

    assert customer.plan == ("starter", "month", 1)
    assert customer.invoices[0].status == "void"
    assert customer.at_stripe.pending_update is None
    assert customer.changes == [("upgrade", "failed")]

    with pytest.raises(QuoteChangedError, match="used before"):
        customer.confirm(quote)

    customer.use_card(GOOD)
    customer.change("pro")
    customer.pass_days(2)
    assert customer.plan == ("pro", "month", 1)
    assert [invoice.status for invoice in customer.invoices] == ["paid", "void", "paid"]


def test_a_bank_that_asks_keeps_the_change_waiting(customer: Subscriber) -> None:
    customer.use_card(BANK_ASKS)
    quote = customer.quote("pro")
    change = customer.confirm(quote)

    assert (change.state, change.effective_at) == ("pending", None)
    assert customer.plan == ("starter", "month", 1)
    assert customer.confirm(quote).id == change.id

    customer.answer_the_bank()
    assert customer.plan == ("pro", "month", 1)
    assert customer.changes == [("upgrade", "done")]
    assert customer.paid[0] == quote.due_now


def test_a_change_nobody_confirms_is_forgotten(customer: Subscriber) -> None:
    customer.use_card(BANK_ASKS)
    customer.change("pro")
    customer.pass_days(1)

    assert customer.changes == [("upgrade", "failed")]
    assert customer.plan == ("starter", "month", 1)
    assert customer.invoices[0].status == "void"


def test_another_choice_takes_the_place_of_one_that_waits_for_the_bank(
    customer: Subscriber,
) -> None:
    customer.use_card(BANK_ASKS)
    customer.change("pro")
    customer.use_card(GOOD)
    quote = customer.quote("enterprise")
    assert quote.replaces is not None
    customer.confirm(quote)

    assert customer.plan == ("enterprise", "month", 1)
    assert [invoice.status for invoice in customer.invoices] == ["paid", "void", "paid"]
    assert customer.changes == [("upgrade", "failed"), ("undo_change", "done"), ("upgrade", "done")]


@pytest.mark.parametrize("leave", [subscriptions.cancel, _to_a_smaller_plan])
def test_who_leaves_cannot_pay_for_what_waits_for_the_bank(
    customer: Subscriber, leave: c.Callable[[Customer], object]
) -> None:
    customer.change("pro")
    customer.use_card(BANK_ASKS)
    customer.change("enterprise")

    with customer.host.app.app_context():
        leave(customer.host.customer())

    customer.host.sandbox.webhooks.deliver()
    assert customer.at_stripe.pending_update is None
    assert [invoice.status for invoice in customer.invoices] == ["void", "paid", "paid"]
    assert ("upgrade", "failed") in customer.changes
    customer.pass_days(40)
    assert customer.plan[0] != "enterprise"


def test_a_change_that_waits_for_the_bank_can_be_given_up(customer: Subscriber) -> None:
    customer.use_card(BANK_ASKS)
    customer.change("pro")

    with customer.host.app.app_context():
        subscriptions.undo_change(customer.host.customer())

    assert customer.at_stripe.pending_update is None
    assert customer.invoices[0].status == "void"
    assert customer.plan == ("starter", "month", 1)


def test_a_yearly_plan_begins_now(customer: Subscriber) -> None:
    quote = customer.quote("starter", "year")
    customer.confirm(quote)

    assert quote.kind == "upgrade"
    assert customer.paid[0] == quote.due_now
    assert customer.plan == ("starter", "year", 1)
    assert quote.next_at == customer.row.current_period_end
    assert quote.next_amount == 28_884


def test_a_downgrade_begins_when_the_period_ends(customer: Subscriber) -> None:
    customer.change("pro")
    end = customer.row.current_period_end
    quote = customer.quote("starter")
    assert (quote.kind, quote.due_now, quote.lines) == ("downgrade", 0, ())
    assert (quote.effective_at, quote.next_at, quote.next_amount) == (end, end, 2900)

    change = customer.confirm(quote)
    assert (change.state, change.effective_at) == ("pending", end)
    assert customer.plan == ("pro", "month", 1)
    assert customer.row.schedule_id is not None
    names = [row.name for row in customer.host.rows(Outbox)]
    assert names.count("subscription.change_scheduled") == 1
    assert names.count("change_scheduled") == 1

    customer.pass_days(25)
    assert customer.plan == ("starter", "month", 1)
    assert customer.changes == [("upgrade", "done"), ("downgrade", "done")]
    assert customer.paid[0] == 2900

    customer.pass_days(35)
    assert customer.row.schedule_id is None  # released by itself


def test_a_downgrade_is_undone_by_releasing_its_schedule(customer: Subscriber) -> None:
    customer.change("pro")
    customer.change("starter")

    with customer.host.app.app_context():
        subscriptions.undo_change(customer.host.customer())

        with pytest.raises(refusals.NothingToUndoError):
            subscriptions.undo_change(customer.host.customer())

    assert customer.at_stripe.schedule is None
    customer.pass_days(25)
    assert customer.plan == ("pro", "month", 1)
    assert customer.changes[1:] == [("downgrade", "undone"), ("undo_change", "done")]


def test_a_schedule_keeps_discounts_tax_metadata_and_other_items(customer: Subscriber) -> None:
    client, subscription = customer.stripe, customer.row.stripe_id
    rate = client.v1.tax_rates.create({"display_name": "VAT", "percentage": 20, "inclusive": False})
    client.v1.coupons.create({"id": "fifth", "percent_off": 20, "duration": "forever"})
    meter = client.v1.billing.meters.create(
        {
            "display_name": "Tokens",
            "event_name": "tokens",
            "default_aggregation": {"formula": "sum"},
        }
    )
    metered = client.v1.prices.create(
        {
            "currency": "usd",
            "unit_amount": 1,
            "product_data": {"name": "Tokens by hand"},
            "recurring": {"interval": "month", "usage_type": "metered", "meter": meter.id},
        }
    ).id
    customer.change("pro")
    client.v1.subscriptions.update(
        subscription,
        {
            "items": [{"price": metered}],
            "default_tax_rates": [rate.id],
            "discounts": [{"coupon": "fifth"}],
            "metadata": {"team": "blue"},
        },
    )
    quote = customer.quote("starter")
    assert quote.next_amount == 2784
    customer.confirm(quote)
    customer.pass_days(25)

    now = customer.at_stripe
    assert customer.plan == ("starter", "month", 1)
    assert metered in [item.price.id for item in now["items"].data]
    assert now.metadata.to_dict()["team"] == "blue"
    assert [one.id for one in now.default_tax_rates or []] == [rate.id]
    assert len(now.discounts) == 1
    assert customer.paid[0] == 2784


def test_an_upgrade_releases_the_downgrade_that_waits(customer: Subscriber) -> None:
    customer.change("pro")
    customer.change("starter")
    quote = customer.quote("enterprise")
    assert quote.replaces is not None
    assert quote.replaces.to_plan == "starter"
    customer.confirm(quote)
    customer.pass_days(25)

    assert customer.plan == ("enterprise", "month", 1)
    assert customer.changes[1:] == [("downgrade", "undone"), ("upgrade", "done")]


def test_a_declined_upgrade_puts_the_downgrade_back(customer: Subscriber) -> None:
    customer.change("pro")
    customer.change("starter")
    customer.use_card(DECLINED)

    with pytest.raises(CardDeclinedError):
        customer.change("enterprise")

    customer.use_card(GOOD)
    customer.pass_days(25)
    assert customer.plan == ("starter", "month", 1)


def test_on_trial_another_plan_costs_nothing_and_the_trial_goes_on(host: Host) -> None:
    customer = Subscriber(host, "pro")
    end = customer.row.trial_end
    quote = customer.quote("starter")
    assert (quote.kind, quote.due_now, quote.trial_end) == ("switch", 0, end)
    assert (quote.next_amount, quote.next_at) == (2900, end)

    assert customer.confirm(quote).state == "done"
    assert (customer.row.status, customer.row.trial_end) == ("trialing", end)
    assert customer.paid == [0]
    customer.pass_days(15)
    assert customer.paid[0] == 2900


def test_a_bigger_plan_without_a_trial_ends_it(host: Host) -> None:
    customer = Subscriber(host, "pro")
    assert customer.quote("enterprise").kind == "end_trial"


def test_a_trial_can_be_ended_and_paid_for_at_once(host: Host) -> None:
    customer = Subscriber(host, "pro")
    quote = customer.quote(end_trial=True)
    assert (quote.kind, quote.due_now) == ("end_trial", 9900)
    customer.confirm(quote)

    assert (customer.row.status, customer.paid[0]) == ("active", 9900)
    assert quote.next_at == customer.row.current_period_end


def test_a_trial_that_cannot_be_paid_for_goes_on(host: Host) -> None:
    customer = Subscriber(host, "pro")
    customer.use_card(DECLINED)

    with pytest.raises(CardDeclinedError):
        customer.confirm(customer.quote(end_trial=True))

    assert customer.row.status == "trialing"
    assert customer.invoices[0].status == "void"


def test_a_trial_waits_for_the_bank_before_it_ends(host: Host) -> None:
    customer = Subscriber(host, "pro")
    customer.use_card(BANK_ASKS)
    assert customer.confirm(customer.quote(end_trial=True)).state == "pending"
    assert customer.row.status == "trialing"

    customer.answer_the_bank()
    assert customer.row.status == "active"
    assert customer.changes == [("end_trial", "done")]


REFUSED = {
    "past_due": refusals.PayFirstError,
    "paused": refusals.ResumeFirstError,
    "ending": refusals.KeepFirstError,
}


@pytest.mark.parametrize("state", REFUSED)
def test_what_has_to_be_done_first_is_said(host: Host, state: str) -> None:
    customer = Subscriber(host)
    quote = customer.quote("pro")

    if state == "past_due":
        customer.use_card(DECLINED)
        customer.pass_days(33)
    else:
        update = {"pause_collection": {"behavior": "void"}}
        ending = {"cancel_at_period_end": True}
        customer.stripe.v1.subscriptions.update(
            customer.row.stripe_id,
            update if state == "paused" else ending,  # type: ignore[arg-type]
        )

    requests = len(customer.invoices)

    for attempt in (lambda: customer.quote("pro"), lambda: customer.confirm(quote)):
        with pytest.raises(REFUSED[state], match=r"(?i)nothing (further )?was charged"):
            attempt()

    assert len(customer.invoices) == requests
    assert customer.row.plan == "starter"


def test_an_incomplete_plan_is_paid_for_first(host: Host) -> None:
    customer = Subscriber(host)
    customer.stripe.v1.subscriptions.cancel(customer.row.stripe_id)
    host.sandbox.webhooks.deliver()

    with pytest.raises(NoSubscriptionError):
        customer.quote("pro")


def test_only_what_is_sold_can_be_had(customer: Subscriber) -> None:
    for plan, interval, seats in (
        ("nope", None, None),
        ("legacy", None, None),
        ("free", None, None),
        ("pro", "week", None),
        ("pro", None, 3),
    ):
        with pytest.raises(UnknownPlanError, match="Nothing was charged"):
            customer.quote(plan, interval, seats)

    with pytest.raises(refusals.SamePlanError):
        customer.quote("starter", "month")


def test_tokens_of_others_and_altered_ones_are_refused(customer: Subscriber) -> None:
    quote = customer.quote("pro")
    Person(customer.host, "2").buy("starter")

    with customer.host.app.app_context():
        for token in (quote.token.swapcase(), "", "e30.abc", quote.token.replace(".", "")):
            with pytest.raises(refusals.QuoteInvalidError):
                subscriptions.change_plan(customer.host.customer(), token)

        with pytest.raises(refusals.QuoteInvalidError):
            subscriptions.change_plan(customer.host.customer("2"), quote.token)

    assert customer.changes == []


def test_a_price_that_was_replaced_at_stripe_makes_way_for_its_successor(
    customer: Subscriber,
) -> None:
    shown = customer.quote("pro")
    old = customer.stripe.v1.prices.retrieve(shown.terms.price)
    new = customer.stripe.v1.prices.create(
        {
            "product": str(old.product),
            "currency": "usd",
            "unit_amount": 9900,
            "recurring": {"interval": "month"},
            "lookup_key": str(old.lookup_key),
            "transfer_lookup_key": True,
        }
    )
    customer.stripe.v1.prices.update(old.id, {"active": False})

    with pytest.raises(QuoteChangedError) as changed:
        customer.confirm(shown)

    customer.confirm(changed.value.quote)
    assert customer.price == new.id


def test_an_old_quote_is_shown_again(customer: Subscriber) -> None:
    customer.host.app.config["BILLING_QUOTE_LIFETIME"] = dt.timedelta(0)
    quote = customer.quote("pro")

    with pytest.raises(QuoteChangedError, match=r"out of date\. Nothing was charged") as changed:
        customer.confirm(quote)

    assert changed.value.quote.due_now == quote.due_now
    assert customer.changes == []


def test_without_a_card_nothing_is_charged(customer: Subscriber) -> None:
    row = customer.row
    client = customer.stripe
    stripe_customer = str(customer.at_stripe.customer)

    for method in client.v1.customers.payment_methods.list(stripe_customer).data:
        client.v1.payment_methods.detach(method.id)

    client.v1.subscriptions.update(row.stripe_id, {"default_payment_method": ""})
    customer.host.sandbox.webhooks.deliver()
    quote = customer.quote("pro")
    assert quote.needs_card

    with pytest.raises(refusals.NoPaymentMethodError):
        customer.confirm(quote)

    assert customer.changes == []


def test_a_schedule_from_outside_is_left_alone(customer: Subscriber) -> None:
    quote = customer.quote("pro")
    customer.stripe.v1.subscription_schedules.create({"from_subscription": customer.row.stripe_id})

    for attempt in (
        lambda: customer.quote("enterprise"),
        lambda: customer.confirm(quote),
    ):
        with pytest.raises(refusals.ForeignScheduleError):
            attempt()

    with customer.host.app.app_context():
        assert subscriptions.cancel(customer.host.customer()).state == "pending"

    assert customer.at_stripe.schedule is None


def test_a_subscription_that_ended_meanwhile_is_not_changed(customer: Subscriber) -> None:
    quote = customer.quote("pro")
    customer.stripe.v1.subscriptions.cancel(customer.row.stripe_id)

    with pytest.raises(NoSubscriptionError):
        customer.confirm(quote)

    assert customer.changes == [("end", "done")]
    assert customer.paid == [2900]


def test_a_downgrade_needs_no_quote(customer: Subscriber) -> None:
    customer.change("pro")

    with customer.host.app.app_context():
        change = subscriptions.downgrade(
            customer.host.customer(), "starter", reason="too_expensive", actor="an offer"
        )
        assert (change.state, change.reason, change.actor) == (
            "pending",
            "too_expensive",
            "an offer",
        )

        with pytest.raises(refusals.NotADowngradeError):
            subscriptions.downgrade(customer.host.customer(), "enterprise")


def test_limits_follow_an_upgrade_at_once(customer: Subscriber) -> None:
    host = customer.host
    host.app.config["BILLING_LIMIT_CACHE"] = dt.timedelta(minutes=5)

    with host.app.app_context():
        assert host.billing.usage("tokens", customer=host.customer()).limit == 500_000

    customer.change("pro")

    with host.app.app_context():
        assert host.billing.usage("tokens", customer=host.customer()).limit == 2_000_000


def test_the_history_tells_what_was_paid(customer: Subscriber) -> None:
    quote = customer.quote("pro")
    customer.confirm(quote)
    (row,) = customer.host.rows(SubscriptionChange)

    assert (row.from_plan, row.to_plan, row.from_interval, row.to_interval) == (
        "starter",
        "pro",
        "month",
        "month",
    )
    assert (row.amount, row.currency, row.quantity) == (quote.due_now, "usd", 1)
