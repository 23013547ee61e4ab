"""Random calls beside a model: metering answers as it does, while limits and plans change."""

from __future__ import annotations

import collections.abc as c
import typing as t
from datetime import timedelta

import pytest
import sqlalchemy as sa
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from flask_billing import metering
from flask_billing.catalog import Window
from flask_billing.metering.overrides import set_override
from flask_billing.models import CreditGrant, Customer, Subscription

from ..host import Host
from .model import Held, Model, Use
from .shop import NOON, Shop, balance
from .walk import walk

#: Limits that credits extend beside firm ones, and in one plan two that they extend both.
PLANS: dict[str, list[dict[str, t.Any]]] = {
    "two": [{"window": "day", "included": 60}, {"window": "month", "included": 100}],
    "sold": [
        {"window": "day", "included": 90},
        {
            "window": "month",
            "included": 120,
            "policy": "overage",
            "overage_rate": 1,
            "overage_cap": 40,
        },
    ],
    "cycle": [
        {"window": "billing_period", "included": 110, "policy": "credits"},
        {"window": "hour", "included": 50},
    ],
}
CATALOG: dict[str, t.Any] = {
    "meters": {"tokens": {"name": "Tokens"}},
    "plans": {
        key: {
            "name": key,
            "rank": rank,
            "prices": [{"interval": "month", "amount": 900}],
            "limits": [{"meter": "tokens", **limit} for limit in listed],
        }
        for rank, (key, listed) in enumerate(PLANS.items(), 1)
    },
}
NEVER: t.Final = NOON + timedelta(days=999)
amounts = st.sampled_from([1, 5, 10, 20, 30, 45, 70])
some = st.integers(0, 50)
windows = st.sampled_from([None, *t.get_args(Window)[:4], "billing_period"])


class BesideModel(RuleBasedStateMachine):
    """One customer's calls."""

    shop: t.ClassVar[Shop]
    owners: t.ClassVar[c.Iterator[int]]

    @initialize()
    def begin(self) -> None:
        """A new customer, whose subscription begins."""
        self.shop.now = NOON
        self.owner = f"owner-{next(self.owners)}"
        self.model = Model(PLANS, "two", NOON)
        self.uses: list[tuple[metering.Decision, Use]] = []
        self.holds: list[tuple[metering.Reservation, Held]] = []
        session = self.shop.host.db.session
        session.add(
            Subscription(
                stripe_id=f"sub_{self.owner}",
                customer_id=self.customer.id,
                plan="two",
                status="active",
                quantity=1,
                currency="usd",
                started_at=NOON,
                anchor=NOON,
                synced_at=NOON,
            )
        )
        session.commit()

    @property
    def customer(self) -> Customer:
        """The customer this is about."""
        return self.shop.host.customer(self.owner)

    @rule(quantity=amounts, ask=st.booleans())
    def consume(self, quantity: int, ask: bool) -> None:
        """A call is allowed or refused, and takes from credits what it should."""
        allowed, drawn = self.model.ask(quantity)

        if ask:
            foretold = metering.check("tokens", quantity, customer=self.customer)
            assert foretold.allowed == allowed
            assert foretold.credits == (drawn if allowed else 0)

        if not allowed:
            with pytest.raises(metering.QuotaExceeded):
                metering.consume("tokens", quantity, customer=self.customer)

            return

        decision = metering.consume("tokens", quantity, customer=self.customer)
        assert decision.credits == drawn
        self.uses.append((decision, self.model.use(quantity)))

    @rule(quantity=amounts)
    def record(self, quantity: int) -> None:
        """A fact takes credits too, and is booked beyond them."""
        decision = metering.record("tokens", quantity, customer=self.customer)
        use = self.model.use(quantity)
        assert decision.credits == sum(use.parts.values())
        self.uses.append((decision, use))

    @rule(amount=amounts)
    def reserve(self, amount: int) -> None:
        """Units are held, or not all of them are left."""
        allowed, drawn = self.model.ask(amount)

        if not allowed:
            with pytest.raises(metering.QuotaExceeded):
                metering.reserve("tokens", amount, customer=self.customer)

            return

        reservation = metering.reserve("tokens", amount, customer=self.customer)
        assert reservation.decision.credits == drawn
        self.holds.append((reservation, self.model.hold(amount)))

    @precondition(lambda self: self.holds)
    @rule(which=some, quantity=amounts)
    def settle(self, which: int, quantity: int) -> None:
        """What was held is settled, in time or late."""
        reservation, hold = self.holds.pop(which % len(self.holds))
        decision = reservation.settle(quantity)
        use = self.model.settle(hold, quantity)
        assert decision.credits == sum(use.parts.values())
        self.uses.append((decision, use))

    @precondition(lambda self: self.holds)
    @rule(which=some)
    def release(self, which: int) -> None:
        """What was held is let go."""
        reservation, hold = self.holds.pop(which % len(self.holds))
        assert reservation.release() == hold.is_open

        if hold.is_open:
            self.model.let_go(hold)

    @precondition(lambda self: self.uses)
    @rule(which=some)
    def refund(self, which: int) -> None:
        """A use is taken back."""
        decision, use = self.uses.pop(which % len(self.uses))
        assert metering.refund(decision)
        self.model.take_back(use)

    @precondition(lambda self: self.uses)
    @rule(which=some, quantity=amounts)
    def correct(self, which: int, quantity: int) -> None:
        """Another quantity is put in the place of a use, whose credits stay."""
        decision, use = self.uses[which % len(self.uses)]
        assert decision.key is not None
        said = {"reason": "a test", "actor": "ada"}
        change = metering.correct(decision.key, quantity, customer=self.customer, **said)
        assert change == quantity - use.quantity
        use.quantity = quantity

    @rule(amount=amounts, hours=st.sampled_from([1, 30, 24 * 999]))
    def grant(self, amount: int, hours: int) -> None:
        """An admin grants credits."""
        expires_at = self.shop.now + timedelta(hours=hours)
        made = metering.grant_credits(
            self.customer,
            "tokens",
            amount,
            kind="topup",
            source_key=str(len(self.model.grants)),
            actor="ada",
            reason="a test",
            expires_at=expires_at,
        )
        found = made.id
        self.shop.host.db.session.commit()
        self.model.grant(found, amount, expires_at)

    @rule(
        window=windows,
        limit=st.sampled_from([None, -1, 0, 20, 80, 130, 200]),
        starts_in=st.sampled_from([0, 20]),
        lasts=st.sampled_from([None, 40, 300]),
    )
    def override(
        self, window: Window | None, limit: int | None, starts_in: int, lasts: int | None
    ) -> None:
        """An admin sets a limit, from now or soon, for good or a while."""
        starts_at = self.shop.now + timedelta(minutes=starts_in)
        ends_at = None if lasts is None else starts_at + timedelta(minutes=lasts)
        set_override(
            self.customer,
            "tokens",
            limit,
            actor="ada",
            reason="a test",
            window=window,
            starts_at=starts_at,
            ends_at=ends_at,
        )
        self.shop.host.db.session.commit()
        self.model.override(window, limit, starts_at, ends_at or NEVER)

    @rule(plan=st.sampled_from(sorted(PLANS)))
    def change(self, plan: str) -> None:
        """The plan is another one."""
        session = self.shop.host.db.session
        mine = Subscription.customer_id == self.customer.id
        session.execute(sa.update(Subscription).where(mine).values(plan=plan))
        session.commit()
        self.model.plan = plan

    @rule(minutes=st.sampled_from([1, 20, 70, 60 * 13]))
    def wait(self, minutes: int) -> None:
        """Time passes."""
        self.shop.wait(minutes=minutes)
        self.model.now = self.shop.now

    @invariant()
    def it_answers_as_the_model(self) -> None:
        """Usage, grants and books are what the model says."""
        if not hasattr(self, "owner"):
            return

        self.shop.host.db.session.rollback()
        told = [
            (one.window, one.limit, one.used, one.reserved, one.credited, one.credits)
            for one in metering.usages(self.customer)
        ]
        assert told == [self._expected(limit) for limit in self.model.limits()]

        grants = self.shop.host.rows(CreditGrant, customer_id=self.customer.id)
        left = {one.id: one.amount - one.used - one.reserved for one in grants}
        assert left == {grant.id: grant.free for grant in self.model.grants}
        balance(self.shop.host, self.customer.id)

    def _expected(self, limit: t.Any) -> tuple[object, ...]:
        used, held, covered = self.model.figures(limit.window)
        included = None if limit.included == -1 else limit.included
        lifted = (covered, self.model.credits) if limit.lifted else (0, 0)
        return limit.window, included, used, held, *lifted


def test_metering_answers_as_the_model_whatever_changes(
    make_app: c.Callable[..., Host], database_url: str
) -> None:
    host = make_app(database_url, catalog=CATALOG, BILLING_LIMIT_CACHE=timedelta(0))

    class OfThisHost(BesideModel):
        shop = Shop(host)
        owners = iter(range(10_000))

    with host.app.app_context():
        walk(OfThisHost)
