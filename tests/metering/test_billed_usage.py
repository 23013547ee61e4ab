"""What a metered price bills, and Stripe is told: units that neither plan nor credits cover."""

from __future__ import annotations

import collections.abc as c
import itertools
import typing as t
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flask_billing import doctor, metering
from flask_billing.catalog import Catalog
from flask_billing.metering import Fact
from flask_billing.metering.overrides import set_override
from flask_billing.models import UsageCounter
from flask_billing.testing import SandboxCustomer, StripeSandbox

from ..host import Host, user
from .test_export import Account

#: What is included of tokens, and whether more is billed.
PLANS: t.Final = {
    "basic": (1000, False),
    "metered": (50, True),
    "larger": (100, True),
    "as-you-go": (0, True),
}


def catalog() -> dict[str, t.Any]:
    """A catalog of these plans."""
    plans: dict[str, t.Any] = {}

    for rank, (key, (included, billed)) in enumerate(PLANS.items(), 1):
        metered = [{"meter": "tokens", "unit_amount": "0.5"}] if billed else []
        policy = "overage" if billed else "hard"
        plans[key] = {
            "name": key.title(),
            "rank": rank,
            "prices": [{"interval": "month", "amount": 900 * rank, "metered": metered}],
            "limits": [{"meter": "tokens", "included": included, "policy": policy}],
        }

    limit = {"meter": "tokens", "included": 900, "window": "month"}
    plans["by-month"] = {**plans["basic"], "rank": 9, "limits": [limit]}
    meters = {"tokens": {"name": "Tokens", "stripe_event": "tokens"}}
    return {"meters": meters, "plans": plans}


@pytest.fixture
def account(make_app: c.Callable[..., Host], database_url: str) -> c.Iterator[Account]:
    """An app some of whose plans bill tokens beyond what they include."""
    host = make_app(database_url, catalog=catalog(), BILLING_LIMIT_CACHE=timedelta(0))

    with StripeSandbox(host.app) as stripe:
        yield Account(host, stripe)


def reported(account: Account, ada: SandboxCustomer) -> int:
    """Stripe's total after another export."""
    account.stripe.advance(minutes=5)
    account.export()
    return account.total(ada)


def test_only_units_beyond_the_included_ones_are_reported(account: Account) -> None:
    ada = account.stripe.subscribe(user("1"), "metered")
    bob = account.stripe.subscribe(user("2"), "basic")
    ada.use("tokens", 50)
    bob.use("tokens", 1200)
    assert reported(account, ada) == 0
    ada.use("tokens", 7)
    assert reported(account, ada) == 7
    ada.use("tokens", 5)
    assert reported(account, ada) == 12
    ada.renew()
    ada.use("tokens", 60)
    assert reported(account, ada) == 22
    assert account.total(bob) == 0


def test_units_that_credits_cover_are_not_billed(account: Account) -> None:
    ada = account.stripe.subscribe(user("1"), "metered")

    with account.host.app.app_context():
        metering.grant_credits(
            account.host.customer("1"), "tokens", 20, kind="topup", source_key="x", actor="a",
            reason="Bought 20",
        )  # fmt: skip
        account.host.db.session.commit()

    ada.use("tokens", 45)
    ada.use("tokens", 15)
    assert reported(account, ada) == 0
    ada.use("tokens", 15)
    assert account.host.rows(UsageCounter)[0].credited == 20
    assert reported(account, ada) == 5


def test_what_a_plan_included_is_not_billed_by_the_next_one(account: Account) -> None:
    ada = account.stripe.subscribe(user("1"), "basic")
    ada.use("tokens", 800)
    ada.change_plan("as-you-go")
    account.stripe.deliver()
    assert reported(account, ada) == 0
    ada.use("tokens", 10)
    assert reported(account, ada) == 10
    assert [row.billed_from for row in account.host.rows(UsageCounter)] == [800]


def test_what_was_billed_is_included_in_a_larger_plan_once(account: Account) -> None:
    ada = account.stripe.subscribe(user("1"), "metered")
    ada.use("tokens", 80)
    assert reported(account, ada) == 30
    ada.change_plan("larger")
    account.stripe.deliver()
    ada.use("tokens", 45)  # 125 in all, of which 30 are paid for, and 100 are included
    assert reported(account, ada) == 30
    ada.use("tokens", 15)
    assert reported(account, ada) == 40


def test_a_plan_that_bills_nothing_in_between_bills_nothing_later(account: Account) -> None:
    ada = account.stripe.subscribe(user("1"), "metered")
    ada.use("tokens", 60)
    assert reported(account, ada) == 10

    for plan, used, total in [("basic", 500, 10), ("as-you-go", 3, 13), ("basic", 1, 13)]:
        ada.change_plan(plan)
        account.stripe.deliver()
        ada.use("tokens", used)
        assert reported(account, ada) == total


def test_what_is_used_while_another_window_holds_is_counted_and_not_billed(
    account: Account,
) -> None:
    ada = account.stripe.subscribe(user("1"), "metered")
    ada.use("tokens", 60)
    ada.change_plan("by-month")
    account.stripe.deliver()
    ada.use("tokens", 20)
    assert reported(account, ada) == 10, "what was billed before is not lost"

    with account.host.app.app_context():
        metering.record_many([Fact("tokens", 7, "many", account.host.customer("1"))])

    ada.use("tokens", 1)
    ada.change_plan("metered")
    account.stripe.deliver()
    ada.use("tokens", 5)
    assert reported(account, ada) == 15

    with account.host.app.app_context():
        assert metering.usage("tokens", customer=account.host.customer("1")).used == 93


def test_an_override_in_mid_period_bills_nothing_that_was_included(account: Account) -> None:
    ada = account.stripe.subscribe(user("1"), "metered")
    ada.use("tokens", 40)

    with account.host.app.app_context():
        set_override(
            account.host.customer("1"), "tokens", 10, actor="a", reason="Less", window=None
        )
        account.host.db.session.commit()

    ada.use("tokens", 5)
    assert reported(account, ada) == 5


def test_facts_booked_in_bulk_are_billed_alike(account: Account) -> None:
    ada = account.stripe.subscribe(user("1"), "basic")
    ada.use("tokens", 30)
    ada.change_plan("as-you-go")
    account.stripe.deliver()

    with account.host.app.app_context():
        customer = account.host.customer("1")
        facts = [
            metering.Fact(
                "tokens", 2, key=f"k{n}", customer=customer, at=account.stripe.clock.now()
            )
            for n in range(5)
        ]
        metering.record_many(facts)

    assert reported(account, ada) == 10


def test_a_subscription_that_follows_another_bills_its_own_units(
    account: Account,
) -> None:
    ada = account.stripe.subscribe(user("1"), "metered")
    ada.use("tokens", 60)
    account.stripe.advance(days=3)
    ada.cancel(now=True)
    account.stripe.deliver()
    account.stripe.advance(days=1)
    ada.subscribe("as-you-go")
    account.stripe.deliver()
    ada.use("tokens", 4)
    assert reported(account, ada) == 14


def test_who_keeps_a_price_that_the_catalog_has_no_more_is_not_billed_what_is_included(
    account: Account,
) -> None:
    ada = account.stripe.subscribe(user("1"), "metered")
    ada.use("tokens", 40)
    plans = catalog()["plans"]
    kept = {"free": {"name": "Free"}, "basic": plans["basic"]}
    later = Catalog.parse({**catalog(), "plans": {**kept, "metered": plans["basic"] | {"rank": 2}}})

    with account.host.app.app_context():
        account.host.state.catalog = later
        account.host.state.caches.clear()

    assert reported(account, ada) == 0
    ada.renew()
    ada.use("tokens", 40)
    assert reported(account, ada) == 0
    ada.renew()
    newest = account.stripe.client().v1.invoices.list({"customer": ada.stripe_id}).data[0]
    assert newest.total == 1800

    with account.host.app.app_context():
        found = [one for one in doctor.examine() if one.check == "metered-items"]

    assert any("no plan bills any more" in one.text for one in found)


class Ledger:
    """What is billed, unit by unit: each is covered by the plan, by credits, or billed."""

    def __init__(self) -> None:
        self.included, self.bills = PLANS["basic"]
        self.covered = self.billed = self.credits = 0

    def use(self, units: int) -> None:
        """Use units on the plan of now."""
        for _unit in range(units):
            if self.bills and self.covered >= self.included:
                if self.credits:
                    self.credits -= 1
                else:
                    self.billed += 1
            else:
                self.covered += 1


STEPS: t.Final = st.lists(
    st.one_of(
        st.tuples(st.just("use"), st.integers(1, 70)),
        st.tuples(st.just("change"), st.sampled_from(sorted(PLANS))),
        st.tuples(st.just("grant"), st.integers(1, 40)),
    ),
    min_size=2,
    max_size=7,
)
OWNERS: t.Final = itertools.count(10)


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=STEPS)
def test_each_unit_is_included_credited_or_billed_once(
    account: Account, steps: list[tuple[str, t.Any]]
) -> None:
    owner, ledger = str(next(OWNERS)), Ledger()
    ada = account.stripe.subscribe(user(owner), "basic")
    limited = False

    for number, (step, what) in enumerate(steps):
        if step == "use":
            ada.use("tokens", what)
            ledger.use(what)
        elif step == "grant":
            if not limited:  # credits extend a hard limit too, which the ledger knows nothing of
                continue

            with account.host.app.app_context():
                metering.grant_credits(
                    account.host.customer(owner), "tokens", what, kind="promo",
                    source_key=str(number), actor="a", reason="Thanks",
                )  # fmt: skip
                account.host.db.session.commit()

            ledger.credits += what
        else:
            account.export()
            ada.change_plan(what)
            account.stripe.deliver()
            ledger.included, ledger.bills = PLANS[what]
            limited = ledger.bills

    account.stripe.advance(minutes=5)
    account.export()
    assert account.total(ada) == ledger.billed
