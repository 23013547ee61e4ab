"""Random operations: the books balance after each, and no limit is ever passed by a call."""

from __future__ import annotations

import collections.abc as c
import itertools
import typing as t
from datetime import timedelta

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from flask_billing import metering
from flask_billing.errors import IdempotencyMismatchError, InvalidUsageError
from flask_billing.metering.overrides import set_override
from flask_billing.models import Customer, UsageCounter, UsageEvent

from ..host import Host
from .shop import NOON, Shop, balance
from .walk import walk

#: Day, month and member's day: a firm cap, a pool sold beyond it, and a share of it.
CATALOG: dict[str, t.Any] = {
    "meters": {"tokens": {"name": "Tokens"}, "calls": {"name": "Calls"}},
    "plans": {
        "free": {
            "name": "Free",
            "limits": [
                {"meter": "tokens", "included": 90, "window": "day"},
                {"meter": "tokens", "included": 60, "window": "day", "scope": "member"},
                {
                    "meter": "tokens",
                    "included": 150,
                    "window": "month",
                    "policy": "overage",
                    "overage_rate": 1,
                    "overage_cap": 40,
                    "rollover": True,
                },
                {"meter": "calls", "included": 50, "window": "month"},
            ],
        }
    },
}
CEILINGS = {"tokens d": 90, "tokens m": 190, "tokens d|": 60, "calls m": 50}
#: Where credits extend the limit.
EXTENDED = ("tokens m", "calls m")
meters = st.sampled_from(["tokens", "calls"])
amounts = st.integers(1, 70)
members = st.sampled_from([None, "ann", "bob"])
keys = st.one_of(st.none(), st.sampled_from(["a", "b", "c"]))


class Books(RuleBasedStateMachine):
    """One customer's usage, in an order nobody thought of."""

    shop: t.ClassVar[Shop]
    owners: t.ClassVar[c.Iterator[int]]

    @initialize()
    def begin(self) -> None:
        """A new customer, in the middle of November."""
        self.shop.now = NOON
        self.owner = f"owner-{next(self.owners)}"
        self.holds: list[tuple[metering.Reservation, set[str]]] = []
        self.decisions: list[metering.Decision] = []
        self.granted = 0
        self.numbers = itertools.count()
        #: Units that no limit was asked about.
        self.facts = 0

    @property
    def customer(self) -> Customer:
        """The customer this is about."""
        return self.shop.host.customer(self.owner)

    @rule(meter=meters, quantity=amounts, key=keys, member=members)
    def consume(self, meter: str, quantity: int, key: str | None, member: str | None) -> None:
        """A call does as was foretold: it is booked, refused, or had been booked."""
        known = key is not None and self._was_booked(meter, key)
        foretold = metering.check(meter, quantity, customer=self.customer, member=member)

        try:
            decision = metering.consume(
                meter, quantity, key=key, customer=self.customer, member=member
            )
        except metering.QuotaExceeded:
            assert not foretold.allowed
            assert not known
        except IdempotencyMismatchError:
            assert known
        else:
            assert decision.replayed == known
            assert not decision.degraded
            self.decisions.append(decision)

    @rule(meter=meters, quantity=amounts, member=members, days_ago=st.sampled_from([0, 0, 2, 25]))
    def record(self, meter: str, quantity: int, member: str | None, days_ago: int) -> None:
        """A fact is booked, on time or late."""
        at = self.shop.now - timedelta(days=days_ago) if days_ago else None
        decision = metering.record(meter, quantity, customer=self.customer, member=member, at=at)
        assert decision.allowed
        assert not decision.degraded
        self.facts += quantity
        self.decisions.append(decision)

    @rule(
        some=st.lists(
            st.tuples(meters, amounts, keys, members, st.sampled_from([None, 0, 2, 25])), max_size=6
        )
    )
    def record_many(self, some: list[tuple[str, int, str | None, str | None, int | None]]) -> None:
        """Facts are booked together, some of them late or known."""
        facts = [
            metering.Fact(
                meter,
                quantity,
                key or f"fact {next(self.numbers)}",
                self.customer,
                None if days_ago is None else self.shop.now - timedelta(days=days_ago),
                {"member": member},
            )
            for meter, quantity, key, member, days_ago in some
        ]
        known = [self._was_booked(fact.meter, fact.key) for fact in facts]
        told = metering.record_many(facts)

        for fact, one, was_known in zip(facts, told, known, strict=True):
            self.facts += fact.quantity if one.state == "booked" else 0
            assert not (was_known and one.state == "booked")

    @precondition(lambda self: self.decisions)
    @rule(which=st.integers(0, 50), quantity=st.one_of(st.none(), amounts))
    def correct(self, which: int, quantity: int | None) -> None:
        """An admin puts another quantity in the place of what was booked, or takes it back."""
        decision = self.decisions[which % len(self.decisions)]
        assert decision.key is not None

        try:
            self.facts += max(
                0,
                metering.correct(
                    decision.key,
                    quantity,
                    meter=decision.meter,
                    customer=self.customer,
                    reason="a test",
                    actor="ada",
                ),
            )
        except InvalidUsageError as error:
            assert "was taken back" in str(error)  # noqa: PT017
            assert quantity is not None

    @rule(meter=meters, amount=amounts, key=keys, member=members)
    def reserve(self, meter: str, amount: int, key: str | None, member: str | None) -> None:
        """Units are held, or not all of them are left."""
        try:
            made = metering.reserve(meter, amount, key=key, customer=self.customer, member=member)
        except (metering.QuotaExceeded, IdempotencyMismatchError):
            return

        self.holds.append((made, set()))

    @precondition(lambda self: self.holds)
    @rule(which=st.integers(0, 50), actual=st.integers(0, 100))
    def settle(self, which: int, actual: int) -> None:
        """What was held is settled, perhaps once more, or too late."""
        reservation, _ = self.holds[which % len(self.holds)]

        try:
            decision = reservation.settle(actual)
        except InvalidUsageError:
            assert reservation.release() is False
            return

        if not decision.replayed:
            self.facts += actual  # may be more than was held, or held no more

            if actual:
                self.decisions.append(decision)

    @precondition(lambda self: self.holds)
    @rule(which=st.integers(0, 50))
    def release(self, which: int) -> None:
        """What was held is let go."""
        self.holds[which % len(self.holds)][0].release()

    @precondition(lambda self: self.decisions)
    @rule(which=st.integers(0, 50))
    def refund(self, which: int) -> None:
        """A booking is taken back, once."""
        decision = self.decisions[which % len(self.decisions)]

        if metering.refund(decision):
            assert not metering.refund(decision)

    @rule(amount=amounts, meter=meters, hours=st.sampled_from([None, 1, 30]))
    def grant(self, amount: int, meter: str, hours: int | None) -> None:
        """An admin grants credits."""
        self.granted += 1
        metering.grant_credits(
            self.customer,
            meter,
            amount,
            kind="topup",
            source_key=str(self.granted),
            actor="ada",
            reason="a test",
            priority=amount,
            expires_at=None if hours is None else self.shop.now + timedelta(hours=hours),
        )
        self.shop.host.db.session.commit()

    @rule(meter=meters, limit=st.sampled_from([None, 0, 20]))
    def override(self, meter: str, limit: int | None) -> None:
        """An admin lowers the limit of the month, blocks it, or gives the plan's again."""
        set_override(self.customer, meter, limit, window="month", actor="ada", reason="a test")
        self.shop.host.db.session.commit()

    @rule(meter=meters)
    def reset(self, meter: str) -> None:
        """An admin gives a fresh month."""
        metering.reset_quota(self.customer, meter, "month", actor="ada", reason="a test")

    @rule(minutes=st.sampled_from([1, 20, 60 * 13, 60 * 24 * 11]))
    def wait(self, minutes: int) -> None:
        """Time passes: holds go stale, days and months end."""
        self.shop.wait(minutes=minutes)

    @rule()
    def sweep(self) -> None:
        """The job lets go of stale holds."""
        metering.expire_reservations()

    @invariant()
    def it_balances(self) -> None:
        """Counters and grants are what events and holds come to, and within their limits."""
        if not hasattr(self, "owner"):
            return

        customer_id = self.customer.id
        self.shop.host.db.session.rollback()
        balance(self.shop.host, customer_id)

        for counter in self.shop.host.rows(UsageCounter, customer_id=customer_id):
            kind = f"{counter.meter} {counter.bucket[0]}{'|' if '|' in counter.bucket else ''}"
            covered = counter.credited if kind in EXTENDED else 0
            taken = counter.used + counter.reserved - covered
            assert taken <= CEILINGS[kind] + self.facts

    def _was_booked(self, meter: str, key: str) -> bool:
        found = self.shop.host.rows(
            UsageEvent, customer_id=self.customer.id, meter=meter, idempotency_key=key
        )
        return bool(found)


@pytest.mark.parametrize("caches", ["cached", "read_afresh"])
def test_the_books_balance_whatever_is_done(
    make_app: c.Callable[..., Host], database_url: str, caches: str
) -> None:
    age = timedelta(seconds=2 if caches == "cached" else 0)
    host = make_app(database_url, catalog=CATALOG, BILLING_LIMIT_CACHE=age)

    class OfThisHost(Books):
        shop = Shop(host)
        owners = iter(range(10_000))

    with host.app.app_context():
        walk(OfThisHost)
