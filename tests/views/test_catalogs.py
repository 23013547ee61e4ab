"""Catalogs of every kind, walked through from the plans page over checkout to the limits."""

from __future__ import annotations

import collections.abc as c
import typing as t

import pytest

from flask_billing import clock
from flask_billing.sandbox import Sandbox

from ..host import CATALOGS, Host
from .person import Person, session_id_of, words

MakeApp = c.Callable[..., Host]

#: Limits by meter; None is unlimited.
Limits = dict[str, list[int | None]]


class Walk(t.NamedTuple):
    """One way through a catalog: what is bought, and what holds then."""

    catalog: str
    plan: str
    price: str
    limits: Limits
    status: str = "active"
    interval: str = "month"
    currency: str | None = None
    seats: str | None = None


WALKS = (
    Walk("single", "membership", "$99 per month", {"reports": [None]}),
    Walk("one_shot", "essentiel", "€19 per month", {"tokens": [1_200_000]}),
    Walk("one_shot", "pro", "€49 per month", {"tokens": [6_000_000]}),
    Walk("one_shot", "max", "€149 per month", {"tokens": [24_000_000]}),
    Walk("five", "starter", "$9 per month", {"projects": [20], "exports": [5, 50]}),
    Walk(
        "five", "starter", "€7.50 per month", {"projects": [20], "exports": [5, 50]},
        interval="year", currency="eur",
    ),
    Walk("five", "pro", "$29 per month", {"projects": [None], "exports": [500]}, "trialing"),
    Walk("five", "team", "$25 per month", {"projects": [None], "exports": [500]}, seats="3"),
    Walk("runs", "basic", "$29 per month", {"tokens": [500_000], "runs": [100]}),
    Walk("runs", "plus", "$99 per month", {"tokens": [2_000_000], "runs": [500]}),
    Walk("runs", "max", "$499 per month", {"tokens": [10_000_000], "runs": [2000]}),
    Walk("trial", "starter", "$19 per month", {"calls": [700]}, "trialing"),
    Walk("trial", "pro", "$79 per month", {"calls": [700]}, "trialing"),
    Walk("trial", "enterprise", "$499 per month", {"calls": [None]}),
)  # fmt: skip

#: What holds before anything was bought.
AT_FIRST: dict[str, tuple[str | None, Limits]] = {
    "single": (None, {"reports": [0]}),
    "one_shot": ("free", {"tokens": [100_000]}),
    "five": ("free", {"projects": [3], "exports": [0]}),
    "runs": ("free", {"tokens": [50_000], "runs": [10]}),
    "trial": (None, {"calls": [0]}),
}


@pytest.fixture
def open_shop(make_app: MakeApp, monkeypatch: pytest.MonkeyPatch) -> c.Callable[[str], Host]:
    """A host that sells one of the catalogs, brought in line with Stripe as before going live."""

    def open_(catalog: str) -> Host:
        sandbox = Sandbox()

        for plan, amount in (("ESSENTIEL", 1900), ("PRO", 4900), ("MAX", 14_900)):
            made = sandbox.client().v1.prices.create(
                {
                    "currency": "eur",
                    "unit_amount": amount,
                    "recurring": {"interval": "month"},
                    "product_data": {"name": plan},
                }
            )
            monkeypatch.setenv(f"STRIPE_PRICE_ID_{plan}", made.id)

        host = make_app(catalog=CATALOGS / f"{catalog}.toml", sandbox=sandbox)
        pushed = host.app.test_cli_runner().invoke(args=["billing", "catalog", "push"])
        assert pushed.exit_code == 0, pushed.output
        return host

    return open_


@pytest.mark.parametrize("walk", WALKS, ids=lambda walk: f"{walk.catalog}-{walk.plan}")
def test_a_plan_is_seen_bought_and_has_its_limits(
    open_shop: c.Callable[[str], Host], walk: Walk
) -> None:
    host = open_shop(walk.catalog)
    host.billing.currency_for(lambda customer: walk.currency)
    person = Person(host)
    assert plan_and_limits(person) == AT_FIRST[walk.catalog]
    assert walk.price in words(person.open(f"/billing/plans?interval={walk.interval}"))

    seats = {} if walk.seats is None else {"quantity": walk.seats}
    hosted = person.choose(walk.plan, walk.interval, **seats).headers["Location"]
    paid = host.sandbox.checkout(session_id_of(hosted)).pay("4242424242424242")
    assert paid.redirect is not None
    person.open(paid.redirect.removeprefix("http://localhost"))

    assert plan_and_limits(person) == (walk.plan, walk.limits)
    bought = _json(person, "subscription")
    assert (bought["status"], bought["interval"]) == (walk.status, walk.interval)
    assert bought["currency"] == (walk.currency or host.state.catalog.currency)
    assert bought["quantity"] == int(walk.seats or 1)
    assert bought["plan"]["name"] in words(person.open("/billing/checkout/done"))


def test_a_trials_limits_end_with_the_trial(open_shop: c.Callable[[str], Host]) -> None:
    host = open_shop("trial")
    person = Person(host)
    person.buy("starter")
    host.sandbox.clock.advance(days=15)
    host.sandbox.webhooks.deliver()

    assert plan_and_limits(person) == ("starter", {"calls": [1000]})


def test_a_one_shot_allowance_is_not_given_again_after_a_paid_plan(
    open_shop: c.Callable[[str], Host],
) -> None:
    host = open_shop("one_shot")
    person = Person(host)

    with host.app.app_context():
        host.billing.consume("tokens", 60_000, customer=host.customer())

    person.buy("pro")
    subscription = host.sandbox.client().v1.subscriptions.list().data[0].id
    host.sandbox.client().v1.subscriptions.cancel(subscription)
    host.sandbox.webhooks.deliver()
    left = _json(person, "usage")

    assert left["plan"]["key"] == "free"
    assert [(meter["used"], meter["remaining"]) for meter in left["meters"]] == [(60_000, 40_000)]
    assert left["meters"][0]["has_reset"] is False


def test_a_plan_that_is_sold_no_more_is_kept_and_hidden(make_app: MakeApp) -> None:
    prices = [{"interval": "month", "amount": 1900}]
    sold: dict[str, t.Any] = {
        "free": {"name": "Free"},
        "old": {"name": "Old", "rank": 1, "prices": prices},
        "new": {"name": "New", "rank": 2, "prices": prices},
    }
    host = make_app(catalog={"plans": sold})
    Person(host).buy("old")
    sold = {**sold, "old": {**sold["old"], "archived": True}}
    later = make_app(catalog={"plans": sold}, sandbox=host.sandbox, create=False)
    keeper, other = Person(later), Person(later, "2")

    assert _json(keeper, "subscription")["plan"] == {"key": "old", "name": "Old"}
    assert _json(keeper, "subscription")["allowed"] is True
    assert "Old" in words(keeper.open("/billing/plans"))
    assert "Old" in words(keeper.open("/billing/"))
    assert "Old" not in words(other.open("/billing/plans"))
    assert other.choose("old").status_code == 404

    later.sandbox.clock.advance(days=32)
    later.sandbox.webhooks.deliver()

    with later.app.app_context():
        renewed = later.billing.access(later.customer())
        assert renewed.allowed
        assert renewed.plan is not None
        assert renewed.plan.key == "old"
        assert renewed.subscription is not None
        assert renewed.subscription.current_period_end is not None
        assert renewed.subscription.current_period_end > clock.now()


def plan_and_limits(person: Person) -> tuple[str | None, Limits]:
    """The plan's key and its limits by meter, as the API tells."""
    usage = _json(person, "usage")
    limits: Limits = {}

    for meter in usage["meters"]:
        limits.setdefault(meter["meter"], []).append(meter["limit"])

    plan: dict[str, str] | None = usage["plan"]
    return None if plan is None else plan["key"], limits


def _json(person: Person, name: str) -> dict[str, t.Any]:
    found: dict[str, t.Any] | None = person.client.get(f"/billing/api/{name}").json
    assert found is not None
    return found
