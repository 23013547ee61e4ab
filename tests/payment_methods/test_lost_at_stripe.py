"""Cards that Stripe does not have any more, as their customer was deleted there."""

from __future__ import annotations

import collections.abc as c
import contextlib
import datetime as dt

import pytest
import sqlalchemy as sa

from flask_billing import clock, database, payment_methods
from flask_billing.errors import (
    PaymentMethodNotFoundError,
    PaymentMethodsChangedError,
    StripeError,
    StripeRejectedError,
)
from flask_billing.jobs import find_job, run_job
from flask_billing.models import Customer, CustomerChange, PaymentMethodChange
from flask_billing.sandbox import Sandbox

from ..host import Host
from ..views.person import Person, words
from .cards import Cards

MakeApp = c.Callable[..., Host]


@pytest.fixture
def cards(any_host: Host) -> Cards:
    """Two cards of a customer, the second the default."""
    found = Cards(any_host)
    found.attach("pm_card_mastercard")
    found.attach(default=True)
    return found


def states(host: Host) -> list[tuple[str, str]]:
    """What became of each change but of cards that were never given."""
    rows = host.rows(PaymentMethodChange)
    return [(row.kind, row.state) for row in rows if row.kind != "add"]


def test_they_are_gone_with_their_customer(any_host: Host, cards: Cards) -> None:
    card, _other = cards.at_stripe
    cards.client.v1.customers.delete(cards.stripe_id)
    cards.hear()
    person = Person(any_host)

    assert cards.known == []
    assert "No payment methods." in words(person.open("/billing/payment-methods"))

    with cards.customer() as customer:
        for act in (payment_methods.make_default, payment_methods.remove):
            with pytest.raises(PaymentMethodNotFoundError):
                act(customer, card)

        secret = payment_methods.add_setup_intent(customer)
        assert cards.give(secret) == "succeeded"
        added = payment_methods.finish_adding(customer, secret.partition("_secret_")[0])

    assert added.is_default
    assert cards.known == [added.method.stripe_id]


def test_unheard_the_first_wish_finds_out(any_host: Host, cards: Cards) -> None:
    card, other = cards.at_stripe
    cards.client.v1.customers.delete(cards.stripe_id)

    with cards.customer() as customer, pytest.raises(PaymentMethodsChangedError):
        payment_methods.make_default(customer, other)

    assert (cards.known, states(any_host)) == ([], [("default", "failed")])

    with cards.customer() as customer, pytest.raises(PaymentMethodNotFoundError):
        payment_methods.remove(customer, card)


def test_a_wish_left_open_holds_up_neither_the_next_nor_the_job(
    any_host: Host, cards: Cards
) -> None:
    person = Person(any_host)
    person.open("/billing/address")

    with any_host.sandbox.outage(), cards.customer() as customer:
        with pytest.raises(StripeError):
            payment_methods.make_default(customer, cards.known[0])

        answer = person.press(
            "/billing/address", name="Ada", email="a@b.example", line1="1 Main Street",
            city="Bonn", country="DE",
        )  # fmt: skip
        assert answer.status_code == 503

    cards.client.v1.customers.delete(cards.stripe_id)
    cards.hear()
    age(any_host)

    with any_host.app.app_context():
        outcome = run_job(find_job("open-intents"))

    assert (outcome.state, outcome.told) == ("ok", "finished 2")
    assert states(any_host) == [("default", "failed")]
    assert [row.state for row in any_host.rows(CustomerChange)] == ["done"]
    [row] = any_host.rows(Customer)
    assert (row.name, (row.address or {})["city"]) == ("Ada", "Bonn")
    assert row.stripe_id not in (None, cards.stripe_id)


def age(host: Host) -> None:
    """Make what was intended older than what the job leaves to other requests."""
    an_hour_ago = clock.wall() - dt.timedelta(hours=1)

    with host.app.app_context(), database.transaction() as connection:
        connection.execute(sa.update(PaymentMethodChange).values(created_at=an_hour_ago))
        connection.execute(sa.update(CustomerChange).values(asked_at=an_hour_ago))


def test_cards_of_a_sandbox_before_this_one_hold_nothing_up(make_app: MakeApp) -> None:
    before = Cards(make_app())
    ids = [before.attach("pm_card_mastercard"), before.attach(default=True)]
    host = make_app(sandbox=Sandbox(), create=False)

    with host.app.app_context():
        for card in ids:
            with pytest.raises(StripeRejectedError):
                payment_methods.make_default(host.customer(), card)

        secret = payment_methods.add_setup_intent(host.customer())

    assert states(host) == [("default", "failed")] * 2
    cards = Cards(host)
    assert cards.give(secret) == "succeeded"
    host.sandbox.webhooks.deliver()
    assert cards.known == cards.at_stripe


def test_a_wish_that_cannot_be_looked_at_is_left_and_said(host: Host) -> None:
    cards = Cards(host)
    card, other = cards.attach("pm_card_mastercard"), cards.attach(default=True)
    host.sandbox.fail("POST", "/v1/customers/*", times=9, status=400, code="resource_missing")
    host.sandbox.fail("GET", "/v1/customers/*", times=9, status=500)

    for wish in (card, other):
        with cards.customer() as customer, contextlib.suppress(StripeRejectedError):
            payment_methods.make_default(customer, wish)

    assert states(host) == [("default", "open")]
