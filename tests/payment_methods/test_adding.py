"""Adding a card: what the server hands to the browser, and what it believes afterwards."""

from __future__ import annotations

import datetime as dt
import threading
import typing as t

import pytest

from flask_billing import clock, payment_methods
from flask_billing.errors import (
    CardNotSavedError,
    PaymentMethodNotFoundError,
    StripeUnreachableError,
    TooManyCardsTriedError,
)
from flask_billing.models import PaymentMethod, PaymentMethodChange, WebhookEvent
from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.resources import payment_methods as resource

from ..host import Host
from ..patience import PATIENCE
from .cards import CHALLENGED, DECLINED, Cards


def begin(cards: Cards, *, makes_default: bool = False) -> str:
    with cards.customer() as customer:
        return payment_methods.add_setup_intent(customer, makes_default=makes_default)


def finish(cards: Cards, secret: str) -> payment_methods.Added:
    with cards.customer() as customer:
        return payment_methods.finish_adding(customer, secret.partition("_secret_")[0])


def test_the_first_card_is_what_is_charged(any_host: Host) -> None:
    cards = Cards(any_host)
    secret = begin(cards)
    assert cards.give(secret) == "succeeded"
    added = finish(cards, secret)

    assert (added.is_default, added.first, added.method.last4) == (True, True, "4242")
    assert cards.default == added.method.stripe_id
    assert cards.known == [added.method.stripe_id]
    assert finish(cards, secret).first is False, "a reload says it no second time"


@pytest.mark.parametrize("makes_default", [False, True])
def test_a_further_card_is_charged_where_the_customer_wants_it(
    host: Host, makes_default: bool
) -> None:
    cards = Cards(host)
    old = cards.attach(default=True)
    plan = cards.subscribe(old)
    secret = begin(cards, makes_default=makes_default)
    cards.give(secret)
    new = finish(cards, secret).method.stripe_id

    assert (cards.default, cards.pays(plan)) == ((new, new) if makes_default else (old, old))


def test_a_card_that_was_never_given_is_forgotten_after_a_month(
    any_host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    cards = Cards(any_host)
    given = begin(cards)
    cards.give(given)
    finish(cards, given)
    begin(cards)

    with any_host.sandbox.outage(), pytest.raises(StripeUnreachableError):
        begin(cards)

    run = any_host.app.test_cli_runner().invoke
    wall = clock.wall
    monkeypatch.setattr(clock, "wall", lambda: wall() + dt.timedelta(days=29))
    assert run(args=["billing", "jobs", "run", "inbox-pruning"]).exit_code == 0
    assert len(any_host.rows(PaymentMethodChange, kind="add")) == 3
    monkeypatch.setattr(clock, "wall", lambda: wall() + dt.timedelta(days=31))
    assert "2 cards" in run(args=["billing", "jobs", "run", "inbox-pruning"]).output
    assert [row.state for row in any_host.rows(PaymentMethodChange, kind="add")] == ["done"]


@pytest.mark.parametrize("number", [DECLINED, CHALLENGED, None])
def test_what_has_not_succeeded_saves_nothing(host: Host, number: str | None) -> None:
    cards = Cards(host)
    secret = begin(cards)

    if number is not None:
        cards.give(secret, number)

    with pytest.raises(CardNotSavedError) as caught:
        finish(cards, secret)

    expected = "requires_action" if number == CHALLENGED else "requires_payment_method"
    assert caught.value.status == expected
    assert (cards.at_stripe, cards.known) == ([], [])


@pytest.mark.parametrize("intent", ["seti_unknown", "", "seti_\x00", "💳" * 300])
def test_an_intent_that_is_none_of_ours_is_not_found(any_host: Host, intent: str) -> None:
    cards = Cards(any_host)

    with cards.customer() as customer, pytest.raises(PaymentMethodNotFoundError):
        payment_methods.finish_adding(customer, intent)


def test_another_customers_intent_is_none_of_mine(host: Host) -> None:
    theirs, mine = Cards(host, "2"), Cards(host)
    secret = begin(theirs)
    theirs.give(secret)

    with pytest.raises(PaymentMethodNotFoundError):
        finish(mine, secret)

    assert (mine.at_stripe, mine.default) == ([], None)


def test_an_hour_has_so_many_tries_and_no_more(any_host: Host) -> None:
    cards = Cards(any_host)
    limit: int = any_host.app.config["BILLING_SETUP_INTENTS_PER_HOUR"]
    refused: list[Exception] = []

    def try_cards() -> None:
        for _ in range(limit):
            try:
                begin(cards)
            except TooManyCardsTriedError as error:
                refused.append(error)

    threads = [threading.Thread(target=try_cards) for _ in range(2)]

    for thread in threads:
        thread.start()

    for thread in threads:
        thread.join(PATIENCE)

    made = cards.client.v1.setup_intents.list({"customer": cards.stripe_id, "limit": 100}).data
    assert (len(made), len(refused)) == (limit, limit)
    assert begin(Cards(any_host, "2")), "others have tries of their own"


def test_tries_while_stripe_is_down_are_none(any_host: Host) -> None:
    cards = Cards(any_host)
    limit: int = any_host.app.config["BILLING_SETUP_INTENTS_PER_HOUR"]

    with any_host.sandbox.outage():
        for _ in range(limit + 1):
            with pytest.raises(StripeUnreachableError):
                begin(cards)

    for _ in range(limit):
        assert begin(cards)

    with pytest.raises(TooManyCardsTriedError):
        begin(cards)


def test_an_hour_later_cards_can_be_tried_again(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.app.config["BILLING_SETUP_INTENTS_PER_HOUR"] = 1
    cards = Cards(host)
    begin(cards)

    with pytest.raises(TooManyCardsTriedError):
        begin(cards)

    later = clock.wall() + dt.timedelta(hours=1)
    monkeypatch.setattr(clock, "wall", lambda: later)
    assert begin(cards)


def test_a_customer_who_closed_the_page_has_the_card_by_webhook(any_host: Host) -> None:
    cards = Cards(any_host)
    cards.give(begin(cards))
    cards.hear()

    assert cards.default == cards.at_stripe[0]
    assert [row.state for row in any_host.rows(PaymentMethodChange, kind="add")] == ["done"]


def test_a_card_is_saved_though_it_could_not_be_made_the_default(host: Host) -> None:
    cards = Cards(host)
    secret = begin(cards)
    cards.give(secret)
    host.sandbox.fail("POST", f"/v1/customers/{cards.stripe_id}", times=9, status=None)
    added = finish(cards, secret)
    host.sandbox.repair()

    assert (added.is_default, cards.default) == (False, None)

    with host.app.app_context():
        payment_methods.finish_open(min_age=payment_methods.AT_ONCE)

    assert cards.default == added.method.stripe_id


def test_where_stripe_is_down_nothing_is_saved(host: Host) -> None:
    cards = Cards(host)

    with host.sandbox.outage(), pytest.raises(StripeUnreachableError):
        begin(cards)

    assert host.rows(PaymentMethod) == []


def test_a_checkout_in_setup_mode_sets_the_default_once(any_host: Host) -> None:
    cards = Cards(any_host)
    old = cards.attach(default=True)
    plan = cards.subscribe(old)
    session = cards.client.v1.checkout.sessions.create(
        {
            "mode": "setup",
            "currency": "usd",
            "customer": cards.stripe_id,
            "success_url": "https://app.example/",
        }
    )
    any_host.sandbox.checkout(session.id).pay("5555555555554444")
    cards.hear()
    new = cards.at_stripe[0]
    assert (cards.default, cards.pays(plan)) == (new, new)

    with cards.customer() as customer:
        payment_methods.make_default(customer, old)

    [completed] = any_host.sandbox.events("checkout.session.completed")
    any_host.sandbox.webhooks.replay(completed["id"])
    cards.hear()
    assert cards.default == old, "an event that is heard again changes nothing"


def test_a_bank_may_have_a_long_name(any_host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    mint = resource.mint_bank_account

    def long_name(account: Account, **options: t.Any) -> Body:
        made = mint(account, **options)
        made["us_bank_account"]["bank_name"] = "CANADIAN IMPERIAL BANK OF COMMERCE, TORONTO"
        return account.save(made)

    monkeypatch.setattr(resource, "mint_bank_account", long_name)
    bank = Cards(any_host).attach("pm_usBankAccount_success")

    [row] = any_host.rows(PaymentMethod)
    assert (row.stripe_id, row.brand) == (bank, "CANADIAN IMPERIAL BANK OF COMMER")
    assert any_host.rows(WebhookEvent, state="failed") == []
