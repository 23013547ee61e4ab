"""Cancellations that Stripe could not be told of at once, and what they make good."""

from __future__ import annotations

import datetime as dt
import threading
import typing as t

import pytest

from flask_billing import subscriptions
from flask_billing.errors import StripeUnreachableError
from flask_billing.models import Customer, Invoice, Subscription, SubscriptionChange
from flask_billing.row_marks import reference

from ..host import Host
from ..patience import PATIENCE
from ..views.person import Person, words
from .leaving import bodies, cancel, failing, paid, states, status, use_card

SOON = dt.timedelta(0)


@pytest.fixture
def person(any_host: Host) -> Person:
    """Somebody who has bought Starter by the month and looks at the page to cancel it."""
    person = Person(any_host)
    person.buy("starter")
    person.open("/billing/cancel")
    return person


def test_an_outage_delays_a_cancellation_and_loses_none(person: Person) -> None:
    with person.host.sandbox.outage():
        answer = cancel(person, reason="unused")
        (change,) = person.host.rows(SubscriptionChange)
        promise = (
            f"We recorded your cancellation at {change.created_at:%H:%M} UTC and will finish it "
            "automatically. You won't be charged again."
        )
        assert answer.status_code == 503
        assert promise in words(answer)
        assert f"Reference {reference(change)}" in words(answer)
        assert promise in words(person.open("/billing/"))
        assert promise in words(person.open("/billing/cancel/done"))
        assert cancel(person).status_code == 503  # again, and it is the same
        assert finish(person.host) == 0

    assert "Nothing will be charged." in words(person.open("/billing/upcoming"))
    assert "Cancel plan" not in words(person.open("/billing/"))
    assert states(person.host) == ["open"]
    assert bodies(person.host, "cancelled") == []
    assert finish(person.host) == 1

    (row,) = person.host.rows(Subscription)
    assert row.cancel_at == row.current_period_end
    assert states(person.host) == ["pending"]
    (mail,) = bodies(person.host, "cancelled")
    assert mail["requested_at"] == change.created_at.isoformat()
    assert promise not in words(person.open("/billing/"))


def test_a_cancellation_that_stripe_refuses_is_asked_for_until_it_goes_through(
    person: Person,
) -> None:
    sandbox = person.host.sandbox

    with sandbox.outage():
        cancel(person)

    sandbox.fail("POST", "/v1/subscriptions/{id}", times=2, status=400)
    assert [finish(person.host), finish(person.host)] == [0, 0]
    assert states(person.host) == ["open"], "they were told that it will be done"
    assert "We recorded your cancellation" in words(person.open("/billing/cancel/done"))

    assert finish(person.host) == 1
    assert states(person.host) == ["pending"]
    assert len(bodies(person.host, "cancelled")) == 1


def test_the_plan_can_be_kept_before_stripe_ever_hears_of_it(person: Person) -> None:
    with person.host.sandbox.outage():
        cancel(person)
        kept = person.press("/billing/resume")
        assert kept.headers["Location"] == "/billing/"
        assert "You keep Starter." in words(person.open("/billing/"))

    finish(person.host)
    assert states(person.host) == ["undone", "done"]
    assert person.host.rows(Subscription)[0].cancel_at is None
    assert bodies(person.host, "cancelled") == []


def test_keeping_it_undoes_what_stripe_did_without_our_hearing(person: Person) -> None:
    stripe_id = person.host.rows(Subscription)[0].stripe_id
    sandbox = person.host.sandbox
    sandbox.fail("POST", f"/v1/subscriptions/{stripe_id}", times=9, status=500, after=True)
    assert cancel(person).status_code == 503
    assert person.press("/billing/resume").status_code == 303

    sandbox.repair()
    finish(person.host)
    assert sandbox.client().v1.subscriptions.retrieve(stripe_id).cancel_at_period_end is False
    assert status(person.host) == "active"


def test_keeping_it_wins_over_a_cancellation_still_on_its_way(person: Person) -> None:
    host = person.host
    stripe_id = host.rows(Subscription)[0].stripe_id
    on_its_way, go_on = threading.Event(), threading.Event()

    def leave() -> None:
        with host.app.app_context():
            subscriptions.cancel(host.customer())

    leaving = threading.Thread(target=leave)
    client = host.sandbox.http_client()
    ask = client.request

    def request(method: str, url: str, *arguments: t.Any, **keywords: t.Any) -> t.Any:
        if threading.current_thread() is leaving and not on_its_way.is_set():
            on_its_way.set()
            assert go_on.wait(PATIENCE)

        return ask(method, url, *arguments, **keywords)

    client.request = request  # type: ignore[method-assign]
    host.state.stripe.http_client = lambda: client
    host.state.stripe.client = None
    leaving.start()
    assert on_its_way.wait(PATIENCE)
    assert [change.state for change in host.rows(SubscriptionChange)] == ["open"]

    try:
        assert person.press("/billing/resume").status_code == 303
    finally:
        go_on.set()
        leaving.join()

    assert host.sandbox.client().v1.subscriptions.retrieve(stripe_id).cancel_at_period_end is False
    assert states(host) == ["undone", "done"]
    assert host.rows(Subscription)[0].cancel_at is None


def test_a_renewal_after_the_request_is_given_back_in_full(person: Person) -> None:
    with person.host.sandbox.outage():
        cancel(person)

    person.host.sandbox.clock.advance(days=32)
    first, renewal = paid(person.host)
    assert finish(person.host) == 1

    assert status(person.host) == "canceled"
    assert states(person.host) == ["done"]
    stripe = person.host.sandbox.client()
    given_back = [charge.amount_refunded for charge in charges(person.host)]
    assert given_back == [0, renewal.amount_paid]
    assert stripe.v1.credit_notes.list({"invoice": first.stripe_id}).data == []
    assert len(bodies(person.host, "cancelled")) == 1
    assert bodies(person.host, "ended") == []
    assert "Starter has ended." in words(person.open("/billing/cancel/done"))


def test_the_first_charge_after_a_trial_is_a_renewal_too(any_host: Host) -> None:
    person = Person(any_host)
    person.buy("pro")
    person.open("/billing/cancel")

    with any_host.sandbox.outage():
        cancel(person)

    any_host.sandbox.clock.advance(days=16)
    assert len(paid(any_host)) == 1
    finish(any_host)
    assert status(any_host) == "canceled"
    assert [charge.amount_refunded for charge in charges(any_host)] == [9900]


def test_a_renewal_still_on_its_way_is_never_collected(person: Person) -> None:
    with person.host.sandbox.outage():
        cancel(person)

    (row,) = person.host.rows(Subscription)
    person.host.sandbox.clock.advance(to=row.current_period_end + dt.timedelta(minutes=10))
    finish(person.host)
    person.host.sandbox.clock.advance(days=3)

    assert status(person.host) == "canceled"
    assert len(paid(person.host)) == 1


def test_a_renewal_that_failed_after_the_request_is_no_debt(any_host: Host) -> None:
    person = Person(any_host)
    person.buy("starter")
    person.open("/billing/cancel")

    with any_host.sandbox.outage():
        cancel(person)

    use_card(any_host, "pm_card_chargeCustomerFail")
    any_host.sandbox.clock.advance(days=32)
    assert status(any_host) == "past_due"
    finish(any_host)
    assert status(any_host) == "canceled"
    assert [row.status for row in any_host.rows(Invoice)] == ["paid", "void"]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(
    ("method", "path"),
    [("DELETE", "/v1/subscriptions/{id}"), ("POST", "/v1/credit_notes"), ("GET", "/v1/invoices")],
)
def test_a_crash_between_the_steps_repeats_none(
    person: Person, method: str, path: str, after: bool
) -> None:
    sandbox = person.host.sandbox

    with sandbox.outage():
        cancel(person)

    sandbox.clock.advance(days=32)
    sandbox.webhooks.deliver()
    sandbox.fail(method, path, times=3, status=None, after=after)
    assert finish(person.host) == 0
    assert states(person.host) == ["open"]
    assert finish(person.host) == 1

    assert states(person.host) == ["done"]
    assert [charge.amount_refunded for charge in charges(person.host)] == [0, 2900]
    assert len(bodies(person.host, "cancelled")) == 1


def test_somebody_past_due_who_leaves_during_an_outage_is_let_go(any_host: Host) -> None:
    person = failing(any_host)
    person.open("/billing/cancel")

    with any_host.sandbox.outage():
        assert cancel(person).status_code == 503

    assert finish(any_host) == 1
    assert status(any_host) == "canceled"


def test_a_cancellation_is_recorded_behind_a_change_nobody_knows_the_end_of(
    person: Person,
) -> None:
    sandbox = person.host.sandbox
    sandbox.fail("POST", "/v1/subscriptions/{id}", times=3, status=None, after=True)

    with person.host.app.app_context():
        customer = person.host.customer()
        quote = subscriptions.quote_change(customer, "pro", "month")

        with pytest.raises(StripeUnreachableError):
            subscriptions.change_plan(customer, quote.token)

    with sandbox.outage():
        person.open("/billing/cancel")
        assert cancel(person).status_code == 503
        assert cancel(person).status_code == 503
        assert "We recorded your cancellation" in words(person.open("/billing/"))

    assert states(person.host) == ["open", "waiting"]
    assert finish(person.host) == 2
    assert [(row.kind, row.state) for row in person.host.rows(SubscriptionChange)] == [
        ("upgrade", "done"),
        ("cancel", "pending"),
    ]
    (row,) = person.host.rows(Subscription)
    assert (row.plan, row.cancel_at) == ("pro", row.current_period_end)


def finish(host: Host) -> int:
    """Let the job do what a crash or an outage left open."""
    with host.app.app_context():
        return subscriptions.finish_open(min_age=SOON)


def charges(host: Host) -> list[t.Any]:
    """The customer's charges at Stripe, oldest first."""
    customer = host.rows(Customer)[0].stripe_id
    return host.sandbox.client().v1.charges.list({"customer": customer}).data[::-1]
