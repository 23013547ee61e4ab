"""Cards that are about to expire are announced 30 and 7 days before."""

from __future__ import annotations

import datetime as dt
import typing as t

import pytest

from flask_billing import clock, payment_methods
from flask_billing.models import Outbox

from ..host import Host
from .cards import Cards

Heard = list[tuple[str, int]]


@pytest.fixture
def heard(any_host: Host) -> Heard:
    """Last digits and days of each signal."""
    found: Heard = []

    @any_host.billing.on("payment_method.expiring")
    def listen(app: object, *, last4: str, days: int, **facts: object) -> None:
        found.append((last4, days))

    return found


def expiring(cards: Cards, token: str, month: int, year: int = 2040, **options: t.Any) -> str:
    """A card that ends with a month."""
    card = cards.attach(token, **options)
    cards.client.v1.payment_methods.update(card, {"card": {"exp_month": month, "exp_year": year}})
    cards.hear()
    return card


def announce(host: Host, now: dt.datetime, limit: int = 500) -> int:
    with host.app.app_context():
        clock.set_source(host.app, lambda: now)
        return payment_methods.announce_expiring(limit)


def on(year: int, month: int, day: int) -> dt.datetime:
    return dt.datetime(year, month, day, 9, tzinfo=dt.UTC)


def test_each_card_and_threshold_is_told_once(any_host: Host, heard: Heard) -> None:
    cards = Cards(any_host)
    expiring(cards, "pm_card_visa", 4, default=True)
    expiring(cards, "pm_card_mastercard", 6)
    cards.subscribe()

    for day, announced in ((on(2040, 3, 30), 0), (on(2040, 4, 1), 1), (on(2040, 4, 20), 0)):
        assert announce(any_host, day) == announced

    assert heard == [("4242", 30)]
    assert announce(any_host, on(2040, 4, 24)) == 1
    assert announce(any_host, on(2040, 4, 30)) == 0
    assert announce(any_host, on(2040, 5, 2)) == 0, "it is too late for that one"
    assert heard == [("4242", 30), ("4242", 7)]

    mails = any_host.rows(Outbox, kind="mail", name="card_expiring")
    assert [(row.body["last4"], row.body["days"]) for row in mails] == [("4242", 30), ("4242", 7)]
    assert mails[0].body["expires_at"] == "2040-05-01T00:00:00+00:00"


@pytest.mark.parametrize("runs", ["nothing", "on another", "on its own", "no more"])
def test_a_card_nothing_is_charged_to_makes_no_mail(
    any_host: Host, heard: Heard, runs: str
) -> None:
    cards = Cards(any_host)
    other = cards.attach(default=runs == "on another")
    # Those of the sandbox end in a year's time, be it in this month.
    expiring(cards, "pm_card_mastercard", 12, 2040, default=runs != "on another")

    if runs != "nothing":
        plan = cards.subscribe(other if runs == "on its own" else None)

    if runs == "no more":
        cards.client.v1.subscriptions.cancel(plan)
        cards.hear()

    announce(any_host, on(2040, 12, 28))

    assert heard == [("4444", 7)]
    assert any_host.rows(Outbox, kind="mail", name="card_expiring") == []


def test_a_card_of_the_plans_own_makes_a_mail(any_host: Host) -> None:
    cards = Cards(any_host)
    card = expiring(cards, "pm_card_visa", 1, 2041)
    cards.subscribe(card)
    announce(any_host, on(2041, 1, 2))

    assert len(any_host.rows(Outbox, kind="mail", name="card_expiring")) == 1


def test_a_renewed_card_is_told_again_for_its_new_month(any_host: Host, heard: Heard) -> None:
    cards = Cards(any_host)
    card = expiring(cards, "pm_card_visa", 4, default=True)
    announce(any_host, on(2040, 4, 25))
    cards.client.v1.payment_methods.update(card, {"card": {"exp_month": 4, "exp_year": 2044}})
    cards.hear()

    assert announce(any_host, on(2040, 4, 28)) == 0
    assert announce(any_host, on(2044, 4, 25)) == 1
    assert heard == [("4242", 7), ("4242", 7)]


def test_removed_cards_are_nobodys_concern(any_host: Host, heard: Heard) -> None:
    cards = Cards(any_host)
    card = expiring(cards, "pm_card_visa", 4)
    cards.client.v1.payment_methods.detach(card)
    cards.hear()

    assert announce(any_host, on(2040, 4, 25)) == 0


def test_a_run_is_as_short_as_it_is_asked_to_be(any_host: Host, heard: Heard) -> None:
    cards = Cards(any_host)

    for token in ("pm_card_visa", "pm_card_mastercard", "pm_card_amex"):
        expiring(cards, token, 4)

    day = on(2040, 4, 10)
    assert [announce(any_host, day, limit=2) for _ in range(3)] == [2, 1, 0]
    assert len(heard) == 3
