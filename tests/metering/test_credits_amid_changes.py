"""Credits, where an override or another plan changes which limits they extend, in mid-period."""

from __future__ import annotations

import collections.abc as c
import typing as t
from datetime import timedelta

import pytest

from flask_billing import metering
from flask_billing.metering.overrides import set_override

from .shop import NOON, Opener, Shop, limits

DAY_AND_MONTH = limits(
    {"meter": "tokens", "included": 40, "window": "day"},
    {"meter": "tokens", "included": 100, "window": "month"},
)
FIRM_DAY = limits(
    {"meter": "tokens", "included": 90, "window": "day"},
    {"meter": "tokens", "included": 150, "window": "month", "policy": "credits"},
)
FIRM_LATER: dict[str, t.Any] = {
    "meters": {"tokens": {"name": "Tokens"}},
    "plans": {
        "free": {
            "name": "Free",
            "limits": [{"meter": "tokens", "included": 50, "window": "day"}],
        },
        "pro": {
            "name": "Pro",
            "rank": 1,
            "prices": [{"interval": "month", "amount": 900}],
            "limits": [
                {"meter": "tokens", "included": 100, "window": "day"},
                {"meter": "tokens", "included": 500, "window": "month", "policy": "credits"},
            ],
        },
    },
}


@pytest.fixture
def open_shop(open_shop: Opener) -> c.Iterator[Opener]:
    """Opens a shop whose customer has 100 credits; in the end nothing is found in its books."""
    shops = []

    def opened(catalog: dict[str, t.Any]) -> Shop:
        shop = open_shop(catalog)
        metering.grant_credits(
            shop.host.customer(),
            "tokens",
            100,
            kind="topup",
            source_key="order",
            actor="ada",
            reason="a test",
        )
        shop.host.db.session.commit()
        shops.append(shop)
        return shop

    yield opened

    for shop in shops:
        assert metering.reconcile_usage(shop.host.customer()).differences == []


def override(shop: Shop, limit: int | None, **options: t.Any) -> None:
    """Set an override as an admin does."""
    set_override(shop.host.customer(), "tokens", limit, actor="ada", reason="a test", **options)
    shop.host.db.session.commit()


def consume(shop: Shop, quantity: int) -> metering.Decision:
    """Consume the customer's tokens."""
    return metering.consume("tokens", quantity, customer=shop.host.customer())


def credits_left(shop: Shop) -> int:
    """What is left of the grant."""
    return 100 - shop.grants()["order"][0]


def told(shop: Shop, window: str) -> tuple[int, int, int | None]:
    """Used and credited units of a window, and how many are left."""
    (usage,) = [one for one in metering.usages(shop.host.customer()) if one.window == window]
    return usage.used, usage.credited, usage.remaining


def test_credits_used_while_a_window_was_unlimited_weigh_on_it_no_more_than_others(
    open_shop: Opener,
) -> None:
    shop = open_shop(DAY_AND_MONTH)
    override(shop, -1, window="day")
    beyond = consume(shop, 130)  # of the month's 100
    override(shop, 120, window="day")
    override(shop, 200, window="month")

    assert (beyond.credits, told(shop, "day")) == (30, (130, 30, 20 + 70))
    assert consume(shop, 20).source == "included"
    assert credits_left(shop) == 70


def test_an_override_that_ends_by_itself_leaves_what_credits_covered(open_shop: Opener) -> None:
    shop = open_shop(DAY_AND_MONTH)
    consume(shop, 30)
    override(shop, -1, window="day", ends_at=NOON + timedelta(hours=1))
    consume(shop, 80)  # 10 of credits, for the month
    shop.wait(hours=1)

    assert told(shop, "day") == (110, 10, 90)
    assert consume(shop, 90).credits == 90

    with pytest.raises(metering.QuotaExceeded):
        consume(shop, 1)


def test_what_is_taken_back_is_of_credits_in_every_window(open_shop: Opener) -> None:
    shop = open_shop(DAY_AND_MONTH)
    override(shop, -1, window="day")
    first = consume(shop, 110)  # 10 of credits
    override(shop, 120, window="day")
    override(shop, 110, window="month")
    second = consume(shop, 30)

    assert (first.credits, second.credits) == (10, 20)
    assert metering.refund(first)
    assert told(shop, "day") == (30, 20, 110 + 80)


def test_a_reservation_is_of_credits_in_every_window(open_shop: Opener) -> None:
    shop = open_shop(DAY_AND_MONTH)
    override(shop, -1, window="day")
    reservation = metering.reserve("tokens", 110, customer=shop.host.customer())
    override(shop, 120, window="day")

    assert told(shop, "day") == (0, 10, 20 + 90)
    assert reservation.settle(105).credits == 5
    assert told(shop, "day") == (105, 5, 20 + 95)


def test_a_block_of_one_window_makes_no_other_take_credits(open_shop: Opener) -> None:
    shop = open_shop(FIRM_DAY)
    override(shop, 0, window="month")
    fact = metering.record("tokens", 120, customer=shop.host.customer())
    override(shop, None, window="month")

    assert (fact.credits, credits_left(shop)) == (0, 100)
    assert told(shop, "day") == (120, 0, 0)


def test_a_limit_that_became_firm_counts_what_credits_covered(open_shop: Opener) -> None:
    shop = open_shop(FIRM_LATER)
    free = consume(shop, 70)
    shop.subscribe("pro")

    assert free.credits == 20
    assert told(shop, "day") == (70, 0, 30)
    assert consume(shop, 30).source == "included"

    with pytest.raises(metering.QuotaExceeded) as refusal:
        consume(shop, 1)

    assert refusal.value.decision.status.window == "day"


def test_a_window_that_only_an_override_limited_knows_of_credits_when_it_is_limited_again(
    open_shop: Opener,
) -> None:
    shop = open_shop(limits({"meter": "tokens", "included": 100, "window": "month"}))
    override(shop, 90, window="day")
    consume(shop, 50)
    override(shop, None, window="day")
    consume(shop, 70)  # 20 of credits, for the month
    override(shop, 110, window="day")
    override(shop, 200, window="month")

    assert told(shop, "day") == (120, 20, 10 + 80)
    assert consume(shop, 10).source == "included"
    assert credits_left(shop) == 80


@pytest.mark.parametrize("use", ["consume", "record", "reserve"])
def test_what_is_held_in_vain_takes_no_credits(open_shop: Opener, use: str) -> None:
    shop = open_shop(limits({"meter": "tokens", "included": 100, "window": "month"}))
    customer = shop.host.customer()
    metering.reserve("tokens", 90, customer=customer, ttl=timedelta(minutes=1))
    shop.wait(minutes=2)
    assert metering.check("tokens", 30, customer=customer).credits == 0

    if use == "consume":
        metering.consume("tokens", 30, customer=customer)
    elif use == "record":
        metering.record("tokens", 30, customer=customer)
    else:
        metering.reserve("tokens", 30, customer=customer).settle(30)

    found = metering.usage("tokens", customer=customer)
    assert (found.used, found.reserved, found.credits, found.credited) == (30, 0, 100, 0)
