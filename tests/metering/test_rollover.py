"""What rolls over: of a month in which nothing was used what was included then, and of a trial."""

from __future__ import annotations

import collections.abc as c
from datetime import timedelta

import pytest

from flask_billing import metering
from flask_billing.metering.overrides import end_override, overrides_of, set_override
from flask_billing.models import CreditGrant

from ..host import Host
from ..subscriptions.subscriber import Subscriber


def plan(name: str, rank: int, included: int, *, rollover: bool = True) -> dict[str, object]:
    """A plan that is sold, with tokens by the month."""
    return {
        "name": name,
        "rank": rank,
        "prices": [{"interval": "month", "amount": 1000 * rank}],
        "limits": [
            {"meter": "tokens", "included": included, "window": "month", "rollover": rollover}
        ],
    }


CATALOG = {
    "meters": {"tokens": {"name": "Tokens"}},
    "plans": {
        "plain": plan("Plain", 1, 50, rollover=False),
        "small": plan("Small", 2, 100),
        "big": plan("Big", 3, 5000),
    },
}
Buyer = c.Callable[[str], Subscriber]


@pytest.fixture
def buy(make_app: c.Callable[..., Host], database_url: str) -> Buyer:
    """Somebody who bought a plan and has used nothing yet, on the 5th of the month after next."""
    host = make_app(database_url, catalog=CATALOG)

    def bought(key: str) -> Subscriber:
        found = Subscriber(host, key)
        now = host.sandbox.clock.now()
        then = (now.replace(day=1) + timedelta(days=62)).replace(day=5)
        found.pass_days((then - now).days)
        return found

    return bought


def rolled_over(customer: Subscriber) -> list[int]:
    """Units of each grant, once something was used."""
    with customer.host.app.app_context():
        metering.record("tokens", 1, customer=customer.host.customer())

    return [grant.amount for grant in customer.host.rows(CreditGrant)]


def test_it_is_what_the_plan_of_then_included(buy: Buyer) -> None:
    assert rolled_over(buy("small")) == [100]


def test_a_bigger_plan_since_rolls_over_nothing_of_its_own(buy: Buyer) -> None:
    customer = buy("small")
    customer.change("big")

    assert rolled_over(customer) == [100]


def test_a_plan_that_did_not_roll_over_leaves_nothing(buy: Buyer) -> None:
    customer = buy("plain")
    customer.change("big")

    assert rolled_over(customer) == []


def test_an_override_rolls_over_where_it_held_then(buy: Buyer) -> None:
    customer = buy("small")

    with customer.host.app.app_context():
        set_override(customer.host.customer(), "tokens", 700, actor="ada", reason="Launch week")
        customer.host.db.session.commit()

    assert rolled_over(customer) == [100]
    customer.pass_days(31)

    with customer.host.app.app_context():
        (found,) = overrides_of(customer.host.customer())
        end_override(found)
        customer.host.db.session.commit()

    assert rolled_over(customer) == [100, 699]


@pytest.mark.parametrize(
    ("trial_limits", "carried"),
    [
        pytest.param(None, [90], id="the plan's limits"),
        pytest.param([{"included": 40, "rollover": False}], [], id="limits that do not"),
        pytest.param([{"included": 40, "rollover": True}], [30], id="limits that do"),
    ],
)
def test_a_trial_leaves_what_its_own_limits_roll_over(
    make_app: c.Callable[..., Host],
    database_url: str,
    trial_limits: list[dict[str, object]] | None,
    carried: list[int],
) -> None:
    tried = plan("Tried", 1, 100) | {"trial_days": 14}
    period = {"meter": "tokens", "window": "billing_period"}
    tried["limits"] = [period | {"included": 100, "rollover": True}]

    if trial_limits is not None:
        tried["trial_limits"] = [period | limit for limit in trial_limits]

    host = make_app(database_url, catalog=CATALOG | {"plans": {"tried": tried}})
    customer = Subscriber(host, "tried")

    with host.app.app_context():
        metering.record("tokens", 10, customer=host.customer())

    customer.pass_days(15)
    assert rolled_over(customer) == carried
