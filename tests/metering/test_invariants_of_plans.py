"""Random operations while plans, anchors and quotas change: each unit is where it belongs, once."""

from __future__ import annotations

import collections.abc as c
import typing as t
from datetime import timedelta

import sqlalchemy as sa
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from flask_billing import clock, metering
from flask_billing.catalog import Window
from flask_billing.metering.overrides import set_override
from flask_billing.models import Subscription, UsageCounter, UsageEvent

from ..host import Host
from .shop import Shop
from .test_invariants import Books, members, meters
from .walk import walk


def plan(rank: int, *limits: dict[str, t.Any]) -> dict[str, t.Any]:
    """A plan with these limits."""
    prices = [{"interval": "month", "amount": 900}] if rank else []
    return {"name": str(rank), "rank": rank, "prices": prices, "limits": [*limits]}


def limit(meter: str, included: int, window: str, **more: t.Any) -> dict[str, t.Any]:
    """A limit."""
    return {"meter": meter, "included": included, "window": window, **more}


#: Every window, and each of them in some plans only.
CATALOG: dict[str, t.Any] = {
    "meters": {"tokens": {"name": "Tokens"}, "calls": {"name": "Calls"}},
    "plans": {
        "free": plan(
            0,
            limit("tokens", 150, "lifetime"),
            limit("tokens", 90, "day", scope="member"),
            limit("calls", 50, "billing_period"),
        ),
        "monthly": plan(
            1,
            limit("tokens", 150, "month", policy="overage", overage_rate=1, overage_cap=40,
                  rollover=True),
            limit("calls", 90, "week"),
            limit("calls", 40, "lifetime", scope="member"),
        ),
        "cycle": plan(
            2,
            limit("tokens", 200, "billing_period", policy="credits"),
            limit("tokens", 90, "billing_period", scope="member"),
            limit("calls", 60, "hour"),
        ),
    },
}  # fmt: skip
WINDOWS: tuple[Window, ...] = t.get_args(Window)
windows = st.sampled_from(WINDOWS)


class PlanChanges(Books):
    """One customer whose plan never stays, served by two processes."""

    other: t.ClassVar[Host]

    @initialize()
    def begin(self) -> None:
        """A new customer, with a subscription that is not live yet."""
        self.shop.host.db.session.rollback()
        super().begin()
        session = self.shop.host.db.session
        session.add(
            Subscription(
                stripe_id=f"sub_{self.owner}",
                customer_id=self.customer.id,
                plan="cycle",
                status="canceled",
                quantity=1,
                currency="usd",
                started_at=self.shop.now,
                anchor=self.shop.now,
                synced_at=self.shop.now,
            )
        )
        session.commit()

    @rule(plan=st.sampled_from(["monthly", "cycle"]))
    def change(self, plan: str) -> None:
        """The plan is another one, or holds again, as it was anchored."""
        self._say(plan=plan, status="active")

    @rule()
    def cancel(self) -> None:
        """The free plan holds."""
        self._say(status="canceled")

    @rule(days=st.sampled_from([0, 3]))
    def anchor(self, days: int) -> None:
        """The period begins anew, now or some days ago."""
        self._say(anchor=self.shop.now - timedelta(days=days))

    @rule()
    def subscribe_anew(self) -> None:
        """Another subscription begins."""
        now = self.shop.now
        self._say(status="active", plan="cycle", anchor=now, started_at=now)

    @rule(days=st.sampled_from([2, 14]))
    def try_out(self, days: int) -> None:
        """A trial begins, goes on longer or ends sooner."""
        ends = self.shop.now + timedelta(days=days)
        self._say(status="trialing", trial_start=self.shop.now, trial_end=ends, anchor=ends)

    @rule(meter=meters, quantity=st.integers(1, 9), member=members)
    def consume_elsewhere(self, meter: str, quantity: int, member: str | None) -> None:
        """Another process books, which knows of no change: what it does is in its memory."""
        self._use_elsewhere(meter, quantity, member)

    @rule(meter=meters, window=windows)
    def reset_window(self, meter: str, window: Window) -> None:
        """An admin gives a fresh quota in any window."""
        metering.reset_quota(self.customer, meter, window, actor="ada", reason="a test")

    @rule(meter=meters, window=windows, limit=st.sampled_from([-1, 0, 60, 300]))
    def override_window(self, meter: str, window: Window, limit: int) -> None:
        """An admin gives another limit in any window, for three days."""
        set_override(
            self.customer,
            meter,
            limit,
            window=window,
            ends_at=self.shop.now + timedelta(days=3),
            actor="ada",
            reason="a test",
        )
        self.shop.host.db.session.commit()

    @rule()
    def close(self) -> None:
        """The job closes what has ended."""
        metering.close_all_ended()

    @rule(by=st.integers(-5, 5).filter(bool))
    def repair(self, by: int) -> None:
        """Somebody edits the counters, and they are put right again."""
        session = self.shop.host.db.session
        mine = UsageCounter.customer_id == self.customer.id
        session.execute(sa.update(UsageCounter).where(mine).values(used=UsageCounter.used + by))
        session.commit()
        ever = timedelta(days=900)
        books = metering.reconcile_usage(self.customer, repair=True, since=ever)
        assert books.unrepaired == []

    @invariant()
    def it_balances(self) -> None:
        """All figures are what events and holds come to; each unit is in one billing period."""
        if not hasattr(self, "owner"):
            return

        host, customer = self.shop.host, self.customer
        host.db.session.rollback()
        ever = timedelta(days=900)
        assert metering.reconcile_usage(customer, since=ever).differences == []
        counters = host.rows(UsageCounter, customer_id=customer.id)
        events = host.rows(UsageEvent, customer_id=customer.id)
        assert all(event.billing_period for event in events)

        for meter in ("tokens", "calls"):
            of_meter = [row for row in counters if row.meter == meter]
            bases = {row.bucket.partition("#")[0] for row in of_meter if "|" not in row.bucket}
            counted = sum(
                row.used for row in of_meter if row.bucket[:2] == "b:" and "|" not in row.bucket
            )
            mine = [one for one in events if one.meter == meter and one.billing_period in bases]
            assert counted == sum(event.quantity for event in mine)

    def _say(self, **columns: object) -> None:
        """Let Stripe say something else of the subscription, with use before and after."""
        session = self.shop.host.db.session
        mine = Subscription.customer_id == self.customer.id

        for meter in ("tokens", "calls"):
            self._use_elsewhere(meter, 1, None)

        session.execute(sa.update(Subscription).where(mine).values(**columns))
        session.commit()

        for meter in ("tokens", "calls"):
            metering.record(meter, customer=self.customer)  # opens what counts from now on
            self._use_elsewhere(meter, 1, None)

    def _use_elsewhere(self, meter: str, quantity: int, member: str | None) -> None:
        with self.other.app.app_context():
            customer = self.other.customer(self.owner)

            for _ in range(3):
                try:
                    decision = metering.consume(meter, quantity, customer=customer, member=member)
                except metering.QuotaExceeded:
                    return

                assert not decision.degraded
                self.decisions.append(decision)


def test_each_unit_is_in_its_place_whatever_is_changed(
    make_app: c.Callable[..., Host], database_url: str
) -> None:
    host = make_app(database_url, catalog=CATALOG, BILLING_LIMIT_CACHE=timedelta(0))
    kept = make_app(
        database_url, catalog=CATALOG, create=False, BILLING_LIMIT_CACHE=timedelta(days=900)
    )

    class OfThisHost(PlanChanges):
        shop = Shop(host)
        other = kept
        owners = iter(range(10_000))

    clock.set_source(kept.app, lambda: OfThisHost.shop.now)

    with host.app.app_context():
        walk(OfThisHost, examples=12, steps=40)
