"""Where units come from: what is included, then credits in their order, then overage to its cap."""

from __future__ import annotations

import collections.abc as c
import typing as t
from datetime import timedelta

import pytest

from flask_billing import metering
from flask_billing.errors import CatalogError, IdempotencyMismatchError, InvalidUsageError
from flask_billing.metering.overrides import set_override
from flask_billing.models import CreditGrant

from ..host import Host
from .shop import NOON, Opener, Shop, limits

OVERAGE = limits(
    {
        "meter": "tokens",
        "included": 100,
        "window": "month",
        "policy": "overage",
        "overage_rate": 2_000_000,
        "overage_cap": 30,
    }
)
HARD = limits({"meter": "tokens", "included": 100, "window": "month"})
ROLLING = limits({"meter": "tokens", "included": 100, "window": "month", "rollover": True})


def grant(shop: Shop, amount: int, source_key: str = "order-1", **options: t.Any) -> CreditGrant:
    """Grant credits as an admin does."""
    options = {"kind": "topup", "actor": "ada", "reason": "a test", **options}
    made = metering.grant_credits(
        shop.host.customer(), "tokens", amount, source_key=source_key, **options
    )
    shop.host.db.session.commit()
    return made


def consume(shop: Shop, quantity: int, **options: t.Any) -> metering.Decision:
    """Consume the customer's tokens."""
    return shop.host.billing.consume("tokens", quantity, customer=shop.host.customer(), **options)


def test_included_then_credits_then_overage_then_no_more(open_shop: Opener) -> None:
    shop = open_shop(OVERAGE)
    grant(shop, 20)
    met = [consume(shop, quantity) for quantity in (90, 15, 15, 25)]

    with pytest.raises(metering.QuotaExceeded) as refusal:
        consume(shop, 6)

    last = consume(shop, 5)

    assert [(one.source, one.credits) for one in met] == [
        ("included", 0),
        ("credits", 5),
        ("credits", 15),
        ("overage", 0),
    ]
    assert [one.remaining for one in met] == [30, 15, 0, 0]
    assert (refusal.value.decision.reason, last.source) == ("overage_cap", "overage")
    assert (last.used, last.status.over) == (150, 30)
    assert shop.grants() == {"order-1": (20, 0)}


def test_one_call_may_take_from_all_of_them(open_shop: Opener) -> None:
    shop = open_shop(OVERAGE)
    grant(shop, 20)
    decision = consume(shop, 150)

    assert (decision.source, decision.credits, decision.used) == ("overage", 20, 150)


def test_grants_go_by_priority_and_then_by_expiry(open_shop: Opener) -> None:
    shop = open_shop(HARD)
    soon, later = NOON + timedelta(days=2), NOON + timedelta(days=9)
    grant(shop, 10, "never")
    grant(shop, 10, "later", expires_at=later)
    grant(shop, 10, "soon", expires_at=soon)
    grant(shop, 10, "first", kind="promo", priority=1)
    drained = []

    for quantity in (115, 10, 5, 10):
        consume(shop, quantity)
        drained.append({key: used for key, (used, _) in shop.grants().items() if used})

    assert drained == [
        {"first": 10, "soon": 5},
        {"first": 10, "soon": 10, "later": 5},
        {"first": 10, "soon": 10, "later": 10},
        {"first": 10, "soon": 10, "later": 10, "never": 10},
    ]

    with pytest.raises(metering.QuotaExceeded):
        consume(shop, 1)


def test_a_grant_holds_from_its_start_to_its_expiry(open_shop: Opener) -> None:
    shop = open_shop(HARD)
    hour = timedelta(hours=1)
    grant(shop, 10, starts_at=NOON + hour, expires_at=NOON + 2 * hour)
    consume(shop, 100)

    with pytest.raises(metering.QuotaExceeded):
        consume(shop, 1)

    shop.wait(hours=1)
    assert consume(shop, 1).source == "credits"
    shop.wait(hours=1)

    with pytest.raises(metering.QuotaExceeded):
        consume(shop, 1)


def test_a_refused_call_takes_no_credits(open_shop: Opener) -> None:
    shop = open_shop(HARD)
    grant(shop, 20)

    with pytest.raises(metering.QuotaExceeded):
        consume(shop, 121)

    check = shop.host.billing.check("tokens", 120, customer=shop.host.customer())

    assert (check.allowed, check.source, check.credits) == (True, "credits", 20)
    assert shop.grants() == {"order-1": (0, 0)}


def test_facts_take_credits_too_and_are_booked_beyond_them(open_shop: Opener) -> None:
    shop = open_shop(HARD)
    grant(shop, 20)
    shop.host.billing.record("tokens", 130, customer=shop.host.customer())
    usage = shop.host.billing.usage("tokens", customer=shop.host.customer())

    assert (usage.used, usage.credited, usage.over, usage.level) == (130, 20, 10, "exceeded")
    assert shop.grants() == {"order-1": (20, 0)}


def test_credits_left_keep_a_meter_from_being_exceeded(open_shop: Opener) -> None:
    shop = open_shop(HARD)
    grant(shop, 20)
    consume(shop, 110)
    usage = shop.host.billing.usage("tokens", customer=shop.host.customer())

    assert (usage.percent, usage.level, usage.credits, usage.remaining) == (100, "critical", 10, 10)


def test_what_is_taken_back_goes_back_to_its_grants(open_shop: Opener) -> None:
    shop = open_shop(HARD)
    grant(shop, 20, "a")
    grant(shop, 20, "b")
    decision = consume(shop, 130)

    assert metering.refund(decision)
    assert not metering.refund(decision)
    assert shop.grants() == {"a": (0, 0), "b": (0, 0)}
    assert consume(shop, 140).allowed


def test_a_replayed_call_takes_credits_once(open_shop: Opener) -> None:
    shop = open_shop(HARD)
    grant(shop, 50)
    consume(shop, 120, key="job")

    assert consume(shop, 120, key="job").replayed
    assert shop.grants() == {"order-1": (20, 0)}


def test_a_reservation_holds_credits_and_settles_them(open_shop: Opener) -> None:
    shop = open_shop(HARD)
    grant(shop, 40)
    reservation = metering.reserve("tokens", 130, customer=shop.host.customer())
    held = shop.grants()

    with pytest.raises(metering.QuotaExceeded):
        consume(shop, 11)

    other = consume(shop, 10)
    decision = reservation.settle(110)

    assert (reservation.decision.source, held) == ("credits", {"order-1": (0, 30)})
    assert (other.credits, decision.credits) == (10, 10)
    assert shop.grants() == {"order-1": (20, 0)}


def test_held_credits_outlast_their_expiry(open_shop: Opener) -> None:
    shop = open_shop(HARD)
    grant(shop, 40, expires_at=NOON + timedelta(minutes=5))
    reservation = metering.reserve("tokens", 130, customer=shop.host.customer())
    shop.wait(minutes=10)

    assert reservation.settle(135).credits == 30
    assert shop.grants() == {"order-1": (30, 0)}


def test_released_and_expired_holds_give_credits_back(open_shop: Opener) -> None:
    shop = open_shop(HARD)
    grant(shop, 40)
    metering.reserve("tokens", 120, customer=shop.host.customer()).release()
    metering.reserve("tokens", 130, customer=shop.host.customer())
    shop.wait(minutes=20)

    assert metering.expire_reservations() == 1
    assert shop.grants() == {"order-1": (0, 0)}
    assert consume(shop, 140).allowed


def test_a_hard_limit_beside_one_that_takes_credits_is_firm(open_shop: Opener) -> None:
    shop = open_shop(
        limits(
            {"meter": "tokens", "included": 50, "window": "hour"},
            {"meter": "tokens", "included": 60, "window": "month", "policy": "credits"},
        )
    )
    grant(shop, 100)
    consume(shop, 50)

    with pytest.raises(metering.QuotaExceeded) as refusal:
        consume(shop, 1)

    shop.wait(hours=1)
    decision = consume(shop, 50)

    assert refusal.value.decision.status.window == "hour"
    assert (decision.source, decision.credits) == ("credits", 40)


def test_credits_extend_no_members_cap(open_shop: Opener) -> None:
    shop = open_shop(
        limits(
            {"meter": "tokens", "included": 100, "window": "month"},
            {"meter": "tokens", "included": 80, "window": "month", "scope": "member"},
        )
    )
    grant(shop, 50)
    consume(shop, 70, member="ann")

    with pytest.raises(metering.QuotaExceeded):
        consume(shop, 11, member="ann")

    assert consume(shop, 60, member="bob").credits == 30
    assert consume(shop, 10, member="ann").credits == 10


def test_an_override_of_0_blocks_whatever_was_granted(open_shop: Opener) -> None:
    shop = open_shop(OVERAGE)
    grant(shop, 50)
    set_override(shop.host.customer(), "tokens", 0, actor="ada", reason="abuse")
    shop.host.db.session.commit()

    with pytest.raises(metering.QuotaExceeded) as refusal:
        consume(shop, 1)

    assert refusal.value.decision.reason == "not_included"


def test_granting_again_for_the_same_source_does_nothing(open_shop: Opener) -> None:
    shop = open_shop(HARD)

    assert grant(shop, 20).id == grant(shop, 20).id

    with pytest.raises(IdempotencyMismatchError):
        grant(shop, 21)

    shop.host.db.session.rollback()
    assert [one.amount for one in metering.credits_of(shop.host.customer())] == [20]


@pytest.mark.parametrize(
    "wrong",
    [
        {"amount": 0},
        {"amount": -1},
        {"amount": 1.5},
        {"kind": "gift"},
        {"source_key": ""},
        {"source_key": "s" * 129},
        {"source_key": "rollover:m:2026-10"},
        {"priority": -1},
        {"actor": " "},
        {"reason": ""},
        {"expires_at": NOON},
        {"expires_at": NOON.replace(tzinfo=None)},
        {"expires_at": NOON.date()},
    ],
)
def test_what_is_no_grant_is_refused(open_shop: Opener, wrong: dict[str, t.Any]) -> None:
    shop = open_shop(HARD)

    with pytest.raises(InvalidUsageError):
        grant(shop, **{"amount": 10, **wrong})

    assert shop.grants() == {}


def test_what_a_month_left_is_used_in_the_next_and_lost_after_it(open_shop: Opener) -> None:
    shop = open_shop(ROLLING)
    consume(shop, 30)
    shop.wait(days=15)  # December
    first = consume(shop, 110)
    december = shop.grants()
    shop.wait(days=31)  # January

    with pytest.raises(metering.QuotaExceeded):
        consume(shop, 161)

    assert (first.source, first.credits, first.remaining) == ("credits", 10, 60)
    assert december == {"rollover:m:2026-11": (10, 0)}
    # December used all its own, and what was left of November ended with it.
    assert [one.kind for one in metering.credits_of(shop.host.customer())] == ["rollover"]


def test_the_job_carries_over_for_those_who_use_nothing(open_shop: Opener) -> None:
    shop = open_shop(ROLLING)
    consume(shop, 30)
    made = [metering.mint_rollovers(shop.host.customer())]

    for _ in range(3):
        shop.wait(days=31)
        made += [metering.mint_rollovers(shop.host.customer()) for _ in range(2)]

    grants = {one.source_key: one.amount for one in shop.host.rows(CreditGrant)}

    # Who came in the middle of November had no whole month before it.
    assert made == [0, 1, 0, 1, 0, 1, 0]
    assert grants == {
        "rollover:m:2026-11": 70,
        "rollover:m:2026-12": 100,
        "rollover:m:2027-01": 100,
    }


def test_a_reset_carries_nothing_over(open_shop: Opener) -> None:
    shop = open_shop(ROLLING)
    consume(shop, 30)
    shop.wait(hours=1)
    shop.host.billing.reset_quota(
        shop.host.customer(), "tokens", "month", actor="ada", reason="an outage"
    )
    shop.host.db.session.commit()

    assert consume(shop, 100).source == "included"
    assert shop.grants() == {}


def test_a_members_limit_does_not_roll_over(make_app: c.Callable[..., Host]) -> None:
    limit = {"meter": "tokens", "included": 9, "scope": "member", "rollover": True}

    with pytest.raises(CatalogError, match="rolls over"):
        make_app(catalog=limits(limit))


def test_what_a_reservation_holds_of_a_grant_is_taken_by_nobody_else(open_shop: Opener) -> None:
    shop = open_shop(HARD)
    grant(shop, 40, "first", priority=1)
    grant(shop, 10, "second")
    reservation = metering.reserve("tokens", 140, customer=shop.host.customer())
    consume(shop, 10)

    assert shop.grants() == {"first": (0, 40), "second": (10, 0)}

    reservation.settle(130)
    assert shop.grants() == {"first": (30, 0), "second": (10, 0)}
