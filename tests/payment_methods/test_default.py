"""Which card is charged: on the customer and on what runs."""

from __future__ import annotations

import pytest

from flask_billing import payment_methods
from flask_billing.errors import (
    PaymentMethodNotFoundError,
    PaymentMethodsChangedError,
    StripeUnreachableError,
)
from flask_billing.models import Customer, PaymentMethodChange, Subscription

from ..host import Host
from .cards import Cards


def test_the_default_holds_for_the_customer_and_for_the_plan(any_host: Host) -> None:
    cards = Cards(any_host)
    old = cards.attach()
    plan = cards.subscribe(old)
    new = cards.attach("pm_card_mastercard")

    with cards.customer() as customer:
        payment_methods.make_default(customer, new)
        wallet = payment_methods.wallet_of(customer)
        assert [method.stripe_id for method in wallet.methods] == [new, old]
        assert wallet.is_default(wallet.methods[0])

    assert (cards.default, cards.pays(plan)) == (new, new)
    # Without waiting for a webhook.
    assert [row.default_payment_method for row in any_host.rows(Customer)] == [new]
    assert [row.default_payment_method for row in any_host.rows(Subscription)] == [new]
    assert [row.state for row in any_host.rows(PaymentMethodChange)] == ["done"]


def test_what_checkout_gave_the_plan_is_the_default_until_another_is(host: Host) -> None:
    cards = Cards(host)
    card = cards.attach()
    cards.subscribe(card)

    with cards.customer() as customer:
        wallet = payment_methods.wallet_of(customer)
        assert customer.default_payment_method is None
        assert wallet.default == card
        assert [row.plan for row in wallet.paid_by(wallet.methods[0])] == ["starter"]


def test_another_customers_card_is_none_of_mine(host: Host) -> None:
    theirs = Cards(host, "2").attach()
    mine = Cards(host)

    with mine.customer() as customer, pytest.raises(PaymentMethodNotFoundError):
        payment_methods.make_default(customer, theirs)

    assert mine.default is None


def test_a_crash_leaves_an_intent_that_is_finished_later(any_host: Host) -> None:
    cards = Cards(any_host)
    old = cards.attach(default=True)
    plan = cards.subscribe(old)
    new = cards.attach("pm_card_mastercard")
    any_host.sandbox.fail("POST", f"/v1/subscriptions/{plan}", times=9, status=None)

    with cards.customer() as customer, pytest.raises(StripeUnreachableError):
        payment_methods.make_default(customer, new)

    assert [row.state for row in any_host.rows(PaymentMethodChange)] == ["open"]
    any_host.sandbox.repair()

    with any_host.app.app_context():
        assert payment_methods.finish_open() == 0, "the request may still be at work"
        assert payment_methods.finish_open(min_age=payment_methods.AT_ONCE) == 1

    assert (cards.default, cards.pays(plan)) == (new, new)


def test_the_next_wish_finishes_the_one_before(host: Host) -> None:
    cards = Cards(host)
    first = cards.attach(default=True)
    second = cards.attach("pm_card_mastercard")
    host.sandbox.fail("POST", f"/v1/customers/{cards.stripe_id}", times=9, status=None)

    with cards.customer() as customer, pytest.raises(StripeUnreachableError):
        payment_methods.make_default(customer, second)

    host.sandbox.repair()

    with cards.customer() as customer:
        payment_methods.make_default(customer, first)

    assert cards.default == first
    assert [row.state for row in host.rows(PaymentMethodChange)] == ["done", "done"]


def test_a_card_that_went_in_the_portal_cannot_be_the_default(host: Host) -> None:
    cards = Cards(host)
    kept = cards.attach(default=True)
    gone = cards.attach("pm_card_mastercard")
    cards.client.v1.payment_methods.detach(gone)  # and the webhook is late

    with cards.customer() as customer:
        with pytest.raises(PaymentMethodsChangedError):
            payment_methods.make_default(customer, gone)

        assert [method.stripe_id for method in payment_methods.wallet_of(customer).methods] == [
            kept
        ]

    assert cards.default == kept
    assert [row.state for row in host.rows(PaymentMethodChange)] == ["failed"]
