"""Removing cards: what takes over, and the last one that stays."""

from __future__ import annotations

import collections.abc as c
import functools
import threading

import pytest

from flask_billing import payment_methods
from flask_billing.errors import (
    BillingError,
    LastPaymentMethodError,
    PaymentMethodNotFoundError,
    PaymentMethodsChangedError,
)
from flask_billing.models import PaymentMethodChange

from ..host import Host
from ..patience import PATIENCE
from .cards import Cards


def test_another_card_takes_over_from_the_default(any_host: Host) -> None:
    cards = Cards(any_host)
    newest_valid, removed = cards.attach("pm_card_mastercard"), cards.attach(default=True)
    plan = cards.subscribe(removed)

    with cards.customer() as customer:
        wallet = payment_methods.wallet_of(customer)
        successor = wallet.successor(wallet.get(removed))
        assert successor is not None
        payment_methods.remove(customer, removed, announced=successor.stripe_id)
        assert [found.stripe_id for found in payment_methods.wallet_of(customer).methods] == [
            newest_valid
        ]

    assert cards.at_stripe == [newest_valid]
    assert (cards.default, cards.pays(plan)) == (newest_valid, newest_valid)


def test_a_card_that_pays_for_nothing_just_goes(host: Host) -> None:
    cards = Cards(host)
    kept, removed = cards.attach(default=True), cards.attach("pm_card_mastercard")
    plan = cards.subscribe()

    with cards.customer() as customer:
        payment_methods.remove(customer, removed)

    assert (cards.at_stripe, cards.default, cards.pays(plan)) == ([kept], kept, None)


def test_the_last_card_of_a_plan_stays(any_host: Host) -> None:
    cards = Cards(any_host)
    only = cards.attach(default=True)
    cards.subscribe()

    with cards.customer() as customer, pytest.raises(LastPaymentMethodError):
        payment_methods.remove(customer, only)

    assert cards.at_stripe == [only]
    assert any_host.rows(PaymentMethodChange) == []


def test_the_last_card_goes_where_no_plan_runs(host: Host) -> None:
    cards = Cards(host)
    only = cards.attach(default=True)
    cards.client.v1.subscriptions.cancel(cards.subscribe())
    cards.hear()

    with cards.customer() as customer:
        payment_methods.remove(customer, only)

    assert cards.at_stripe == []
    assert cards.known == []


@pytest.mark.parametrize("times", range(3))
def test_of_two_who_remove_the_last_two_cards_one_finds_it_is_the_last(
    any_host: Host, times: int
) -> None:
    cards = Cards(any_host)
    both = [cards.attach(default=True), cards.attach("pm_card_mastercard")]
    cards.subscribe()
    problems = together([functools.partial(remove, cards, card) for card in both])

    assert len(cards.at_stripe) == 1
    assert cards.known == cards.at_stripe
    assert cards.default == cards.at_stripe[0]
    assert len(problems) == 1
    assert isinstance(problems[0], (LastPaymentMethodError, PaymentMethodsChangedError))


def test_two_who_remove_the_same_card_remove_it_once(any_host: Host) -> None:
    cards = Cards(any_host)
    kept, removed = cards.attach(default=True), cards.attach("pm_card_mastercard")
    cards.subscribe()
    problems = together([functools.partial(remove, cards, removed)] * 2)

    assert cards.at_stripe == [kept]
    assert all(
        isinstance(found, (PaymentMethodNotFoundError, PaymentMethodsChangedError))
        for found in problems
    )


def test_the_other_card_went_in_the_portal_unheard(host: Host) -> None:
    cards = Cards(host)
    last, gone = cards.attach(default=True), cards.attach("pm_card_mastercard")
    cards.subscribe()
    cards.client.v1.payment_methods.detach(gone)  # and the webhook is late

    with cards.customer() as customer, pytest.raises(LastPaymentMethodError):
        payment_methods.remove(customer, last)

    assert cards.at_stripe == [last]
    assert cards.known == [last]


def test_what_takes_over_is_what_was_announced_or_nothing_happens(host: Host) -> None:
    cards = Cards(host)
    other, removed = cards.attach("pm_card_mastercard"), cards.attach(default=True)
    newest = cards.attach("pm_card_amex")
    cards.subscribe()

    with cards.customer() as customer, pytest.raises(PaymentMethodsChangedError):
        payment_methods.remove(customer, removed, announced=other)

    assert cards.at_stripe == [newest, removed, other]


@pytest.mark.parametrize("after", [False, True])
def test_a_lost_answer_is_found_again_under_the_same_key(any_host: Host, after: bool) -> None:
    cards = Cards(any_host)
    kept, removed = cards.attach(default=True), cards.attach("pm_card_mastercard")
    path = f"/v1/payment_methods/{removed}/detach"
    any_host.sandbox.fail("POST", path, times=9, status=None, after=after)

    with cards.customer() as customer, pytest.raises(BillingError):
        payment_methods.remove(customer, removed)

    any_host.sandbox.repair()

    with any_host.app.app_context():
        assert payment_methods.finish_open(min_age=payment_methods.AT_ONCE) == 1

    assert cards.at_stripe == [kept]
    assert cards.known == [kept]


def remove(cards: Cards, card: str) -> None:
    with cards.customer() as customer:
        payment_methods.remove(customer, card)


def together(wishes: list[c.Callable[[], None]]) -> list[Exception]:
    """Do things at the same time; what they raised."""
    begun = threading.Barrier(len(wishes))
    problems: list[Exception] = []

    def do(wish: c.Callable[[], None]) -> None:
        begun.wait(PATIENCE)

        try:
            wish()
        except Exception as error:
            problems.append(error)

    threads = [threading.Thread(target=do, args=(wish,)) for wish in wishes]

    for thread in threads:
        thread.start()

    for thread in threads:
        thread.join(PATIENCE)

    return problems
