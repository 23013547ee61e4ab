"""An admin's limits for one customer, from when until when they hold, and what they come to."""

from __future__ import annotations

import collections.abc as c
import typing as t
from datetime import timedelta

import pytest

from flask_billing import metering
from flask_billing.errors import InvalidUsageError
from flask_billing.metering.overrides import end_override, overrides_of, set_override

from ..host import Host
from .shop import NOON, Shop, limits

CATALOG = limits(
    {"meter": "tokens", "included": 100, "window": "month"},
    {"meter": "tokens", "included": 40, "window": "day"},
)


@pytest.fixture
def shop(make_app: c.Callable[..., Host], database_url: str) -> c.Iterator[Shop]:
    """A host whose free plan limits tokens by month and day."""
    found = Shop(make_app(database_url, catalog=CATALOG))

    with found.host.app.app_context():
        yield found


def override(shop: Shop, limit: t.Any, **options: t.Any) -> object:
    """Set one and commit it."""
    said = {"actor": "ada", "reason": "Launch week", **options}
    found = set_override(shop.host.customer(), "tokens", limit, **said)
    shop.host.db.session.commit()
    return found


def fits(shop: Shop, quantity: int) -> bool:
    """Whether so much could be used now."""
    return metering.check("tokens", quantity, customer=shop.host.customer()).allowed


def largest(shop: Shop) -> int | None:
    """Most units of a call that would be allowed now; None where anything is."""
    if fits(shop, 1_000_000):
        return None

    return next(size for size in (500, 101, 100, 41, 40, 7, 1, 0) if size == 0 or fits(shop, size))


def test_it_holds_from_its_start_to_its_end(shop: Shop) -> None:
    day = timedelta(days=1)
    override(shop, 500, starts_at=NOON + day, ends_at=NOON + 3 * day)
    found = []

    for _ in range(4):
        found.append(largest(shop))
        shop.wait(days=1)

    assert found == [40, 500, 500, 40]


def test_minus_one_is_unlimited_zero_blocks_and_none_is_the_plans_limit(shop: Shop) -> None:
    found = []

    for limit in (-1, 0, 7, None):
        override(shop, limit)
        found.append(largest(shop))

    assert found == [None, 0, 7, 40]
    assert [one.limit for one in overrides_of(shop.host.customer())] == [None, 7, 0, -1]


def test_it_may_be_for_one_window(shop: Shop) -> None:
    override(shop, 500, window="day")
    assert largest(shop) == 100  # the month's

    override(shop, None)
    assert largest(shop) == 100  # for the day that of the day goes before one of every window

    override(shop, 7, window="month")
    assert largest(shop) == 7


def test_one_that_is_ended_stays_as_history(shop: Shop) -> None:
    set_override(shop.host.customer(), "tokens", 500, actor="ada", reason="Launch week")
    shop.wait(hours=1)
    (found,) = overrides_of(shop.host.customer())
    end_override(found)
    shop.host.db.session.commit()

    assert largest(shop) == 40
    assert [(one.limit, one.actor, one.reason) for one in overrides_of(shop.host.customer())] == [
        (500, "ada", "Launch week")
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        {"limit": -2},
        {"limit": 1.5},
        {"limit": True},
        {"window": "year"},
        {"actor": " "},
        {"reason": ""},
        {"ends_at": NOON},
        {"ends_at": NOON.replace(tzinfo=None) + timedelta(days=1)},
        {"ends_at": NOON.date() + timedelta(days=1)},
        {"starts_at": NOON.replace(tzinfo=None)},
    ],
)
def test_what_is_no_override_is_refused(shop: Shop, wrong: dict[str, t.Any]) -> None:
    with pytest.raises(InvalidUsageError, match="Nothing was changed"):
        override(shop, **{"limit": 500, **wrong})

    assert list(overrides_of(shop.host.customer())) == []
