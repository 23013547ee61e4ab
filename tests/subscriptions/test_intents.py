"""Writes to Stripe that meet crashes, outages and each other."""

from __future__ import annotations

import datetime as dt
import threading

import pytest

from flask_billing import subscriptions
from flask_billing.errors import StripeUnreachableError
from flask_billing.models import Subscription, SubscriptionChange

from ..host import Host
from ..views.person import Person

SOON = dt.timedelta(0)


@pytest.fixture
def subscriber(any_host: Host) -> Host:
    """A host whose user 1 has bought Starter."""
    Person(any_host).buy("starter")
    return any_host


def test_a_cancellation_waits_for_the_end_of_the_period(subscriber: Host) -> None:
    with subscriber.app.app_context():
        change = subscriptions.cancel(subscriber.customer(), reason="unused", comment="Bye")
        assert (change.state, change.kind, change.from_plan) == ("pending", "cancel", "starter")

    (row,) = subscriber.rows(Subscription)
    assert change.effective_at == row.cancel_at == row.current_period_end

    subscriber.sandbox.clock.advance(days=32)
    subscriber.sandbox.webhooks.deliver()
    assert [change.state for change in subscriber.rows(SubscriptionChange)] == ["done"]


def test_keeping_the_plan_undoes_the_cancellation(subscriber: Host) -> None:
    with subscriber.app.app_context():
        customer = subscriber.customer()
        subscriptions.cancel(customer)
        subscriptions.resume(customer)

    states = [(row.kind, row.state) for row in subscriber.rows(SubscriptionChange)]
    assert states == [("cancel", "undone"), ("resume", "done")]
    assert subscriber.rows(Subscription)[0].cancel_at is None


def test_a_cancellation_during_an_outage_is_carried_out_later(subscriber: Host) -> None:
    with subscriber.app.app_context(), subscriber.sandbox.outage():
        with pytest.raises(StripeUnreachableError):
            subscriptions.cancel(subscriber.customer())

        assert subscriptions.finish_open(min_age=SOON) == 0

    assert [change.state for change in subscriber.rows(SubscriptionChange)] == ["open"]

    with subscriber.app.app_context():
        assert subscriptions.finish_open(min_age=SOON) == 1

    assert [change.state for change in subscriber.rows(SubscriptionChange)] == ["pending"]
    assert subscriber.rows(Subscription)[0].cancel_at is not None


def test_clicks_that_meet_make_one_change(subscriber: Host) -> None:
    failures: list[BaseException] = []

    def click() -> None:
        try:
            with subscriber.app.app_context():
                subscriptions.cancel(subscriber.customer())
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=click) for _ in range(4)]

    for thread in threads:
        thread.start()

    for thread in threads:
        thread.join()

    assert failures == []
    posted = [
        request
        for request in subscriber.sandbox.requests
        if request.method == "POST" and request.path.startswith("/v1/subscriptions/")
    ]
    states = [change.state for change in subscriber.rows(SubscriptionChange)]
    # Whoever comes after the first is through finds it done, and at most asks once more.
    assert states.count("pending") == 1
    assert 1 <= len({request.idempotency_key for request in posted}) <= len(states)
