"""Changes that meet crashes, outages, webhooks out of order, and each other."""

from __future__ import annotations

import collections.abc as c
import datetime as dt
import functools
import threading

import pytest

from flask_billing import subscriptions
from flask_billing.errors import (
    BillingError,
    CardDeclinedError,
    ChangeUnderWayError,
    StripeUnreachableError,
)
from flask_billing.models import Subscription, SubscriptionChange
from flask_billing.subscriptions import QuoteChangedError, intents

from ..host import Host
from .subscriber import BANK_ASKS, DECLINED, Subscriber

SOON = dt.timedelta(0)


@pytest.fixture
def customer(any_host: Host) -> Subscriber:
    """Somebody on Starter, ten days into their month."""
    found = Subscriber(any_host)
    found.pass_days(10)
    return found


def test_a_retry_after_a_lost_answer_charges_once(customer: Subscriber) -> None:
    quote = customer.quote("pro")
    # The client repeats a request twice by itself, so all three answers are lost.
    customer.host.sandbox.fail("POST", "/v1/subscriptions/{id}", times=3, status=None, after=True)

    with pytest.raises(StripeUnreachableError):
        customer.confirm(quote)

    assert customer.changes == [("upgrade", "open")]
    assert customer.confirm(quote).state == "done"
    assert customer.paid == [quote.due_now, 2900]
    assert customer.plan == ("pro", "month", 1)


def test_a_retry_after_an_outage_charges_once(customer: Subscriber) -> None:
    quote = customer.quote("pro")
    customer.host.sandbox.fail("POST", "/v1/subscriptions/{id}", times=3, status=None)

    with pytest.raises(StripeUnreachableError):
        customer.confirm(quote)

    assert customer.paid == [2900]
    assert customer.confirm(quote).state == "done"
    assert customer.paid == [quote.due_now, 2900]


def test_what_charges_is_not_carried_out_once_nobody_waits(customer: Subscriber) -> None:
    quote = customer.quote("pro")
    customer.host.sandbox.fail("POST", "/v1/subscriptions/{id}", times=3, status=None)

    with pytest.raises(StripeUnreachableError):
        customer.confirm(quote)

    _finish_later(customer)
    assert customer.changes == [("upgrade", "failed")]
    assert customer.paid == [2900]

    with pytest.raises(QuoteChangedError):
        customer.confirm(quote)


def test_a_crash_after_the_charge_is_found_out(customer: Subscriber) -> None:
    quote = customer.quote("pro")
    customer.host.sandbox.fail("POST", "/v1/subscriptions/{id}", times=3, status=None, after=True)

    with pytest.raises(StripeUnreachableError):
        customer.confirm(quote)

    _finish_later(customer)
    assert customer.changes == [("upgrade", "done")]
    assert customer.plan == ("pro", "month", 1)
    assert customer.paid == [quote.due_now, 2900]


@pytest.mark.parametrize(
    "step",
    [
        ("GET", "/v1/invoices/{id}"),
        ("POST", "/v1/invoices/{id}/void"),
    ],
)
def test_a_decline_that_was_cut_off_collects_nothing_later(
    customer: Subscriber, step: tuple[str, str]
) -> None:
    customer.use_card(DECLINED)
    quote = customer.quote("pro")
    customer.host.sandbox.fail(*step, times=3, status=None)

    with pytest.raises(StripeUnreachableError):
        customer.confirm(quote)

    assert customer.invoices[0].status == "open"
    _finish_later(customer)
    assert customer.invoices[0].status == "void"
    assert customer.changes == [("upgrade", "failed")]
    assert customer.paid == [2900]


def test_a_waiting_bank_is_found_after_a_crash(customer: Subscriber) -> None:
    customer.use_card(BANK_ASKS)
    quote = customer.quote("pro")
    customer.host.sandbox.fail("POST", "/v1/subscriptions/{id}", times=3, status=None, after=True)

    with pytest.raises(StripeUnreachableError):
        customer.confirm(quote)

    _finish_later(customer)
    assert customer.changes == [("upgrade", "pending")]
    customer.answer_the_bank()
    assert customer.changes == [("upgrade", "done")]
    assert customer.plan == ("pro", "month", 1)


@pytest.mark.parametrize("lost", [True, False])
@pytest.mark.parametrize(
    "step",
    [
        ("POST", "/v1/subscription_schedules"),
        ("POST", "/v1/subscription_schedules/{id}"),
    ],
)
def test_a_downgrade_that_was_cut_off_is_finished_by_the_job(
    customer: Subscriber, step: tuple[str, str], lost: bool
) -> None:
    customer.change("pro")
    quote = customer.quote("starter")
    customer.host.sandbox.fail(*step, times=3, status=None, after=lost)

    with pytest.raises(StripeUnreachableError):
        customer.confirm(quote)

    with customer.host.app.app_context():
        assert subscriptions.finish_open(min_age=SOON) == 1

    assert customer.changes[-1] == ("downgrade", "pending")
    assert len(customer.stripe.v1.subscription_schedules.list().data) == 1
    customer.pass_days(25)
    assert customer.plan == ("starter", "month", 1)


def test_an_undo_during_an_outage_is_carried_out_later(customer: Subscriber) -> None:
    customer.change("pro")
    customer.change("starter")

    with customer.host.app.app_context():
        with customer.host.sandbox.outage(), pytest.raises(StripeUnreachableError):
            subscriptions.undo_change(customer.host.customer())

        subscriptions.finish_open(min_age=SOON)

    assert customer.at_stripe.schedule is None
    assert customer.changes[1:] == [("downgrade", "undone"), ("undo_change", "done")]


def test_clicks_that_meet_charge_once(customer: Subscriber) -> None:
    quote = customer.quote("pro")
    ended = _at_once([lambda: customer.confirm(quote)] * 4)

    assert [error for error in ended if error is not None] == []
    assert customer.paid == [quote.due_now, 2900]
    assert customer.changes == [("upgrade", "done")]


def test_two_tabs_with_two_plans_charge_for_what_was_shown(customer: Subscriber) -> None:
    quotes = [customer.quote("pro"), customer.quote("enterprise")]
    _at_once([functools.partial(customer.confirm, quote) for quote in quotes])

    done = [row for row in customer.host.rows(SubscriptionChange) if row.state == "done"]
    shown = {quote.plan.key: quote.due_now for quote in quotes}
    assert customer.paid == [shown[done[0].to_plan], 2900]
    assert len(done) == 1
    assert customer.row.plan == done[0].to_plan


def test_an_upgrade_and_a_cancellation_that_meet_leave_one_answer(customer: Subscriber) -> None:
    quote = customer.quote("pro")

    def cancel() -> None:
        with customer.host.app.app_context():
            subscriptions.cancel(customer.host.customer())

    _, cancelled = _at_once([lambda: customer.confirm(quote), cancel])
    assert set(customer.paid) <= {quote.due_now, 2900}
    assert (customer.row.plan == "pro") == (len(customer.paid) == 2)
    # Who comes while the charge is on its way is told so.
    assert isinstance(cancelled, ChangeUnderWayError) or customer.row.cancel_at is not None
    assert "open" not in [state for _, state in customer.changes]


@pytest.mark.parametrize("order", ["shuffled", "reversed"])
@pytest.mark.parametrize("answer", [True, False])
def test_late_and_repeated_webhooks_end_in_the_state_of_stripe(
    customer: Subscriber, order: str, answer: bool
) -> None:
    sandbox = customer.host.sandbox
    customer.use_card(BANK_ASKS)
    sandbox.webhooks.hold()
    customer.change("pro")
    customer.answer_the_bank(yes=answer)
    sandbox.webhooks.release(order=order, duplicates=2)  # type: ignore[arg-type]
    sandbox.webhooks.deliver()

    assert customer.row.price == customer.price
    assert customer.row.plan == ("pro" if answer else "starter")
    states = {row.state for row in customer.host.rows(SubscriptionChange)}
    assert states == ({"done"} if answer else {"pending"})


def test_a_downgrade_heard_of_late_and_out_of_order(customer: Subscriber) -> None:
    sandbox = customer.host.sandbox
    customer.change("pro")
    sandbox.webhooks.hold()
    customer.change("starter")
    sandbox.clock.advance(days=25)
    sandbox.webhooks.release(order="shuffled", duplicates=2)
    sandbox.webhooks.deliver()

    (row,) = customer.host.rows(Subscription)
    assert (row.plan, row.price, row.status) == ("starter", customer.price, "active")
    assert customer.changes == [("upgrade", "done"), ("downgrade", "done")]


def test_a_decline_and_its_second_click_meet(customer: Subscriber) -> None:
    customer.use_card(DECLINED)
    quote = customer.quote("pro")
    ended = _at_once([lambda: customer.confirm(quote)] * 3)

    assert all(isinstance(error, CardDeclinedError | QuoteChangedError) for error in ended)
    assert customer.paid == [2900]
    assert [invoice.status for invoice in customer.invoices] == ["void", "paid"]
    assert customer.plan == ("starter", "month", 1)


def _finish_later(customer: Subscriber) -> None:
    """Run the job that finishes what was left open, when no request is on its way any more."""
    settled = intents.SETTLED_AFTER
    intents.SETTLED_AFTER = SOON  # type: ignore[misc]

    try:
        with customer.host.app.app_context():
            subscriptions.finish_open(min_age=SOON)
    finally:
        intents.SETTLED_AFTER = settled  # type: ignore[misc]

    customer.host.sandbox.webhooks.deliver()


def _at_once(actions: list[c.Callable[[], object]]) -> list[BaseException | None]:
    """What became of actions that are done at the same time."""
    ended: list[BaseException | None] = [None] * len(actions)
    ready = threading.Barrier(len(actions))

    def act(number: int) -> None:
        ready.wait()

        try:
            actions[number]()
        except BillingError as error:
            ended[number] = error

    threads = [threading.Thread(target=act, args=(number,)) for number in range(len(actions))]

    for thread in threads:
        thread.start()

    for thread in threads:
        thread.join()

    return ended
