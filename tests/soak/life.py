"""A year of a host app whose customers do as they like, while everything fails now and then.

Customers buy, change, cancel, pause, pay late and use what they bought. Stripe is down, answers
late or with errors, or does its work and loses the answer; webhooks are lost, doubled and
shuffled; the jobs run when the clock has moved.
"""

from __future__ import annotations

import collections
import collections.abc as c
import contextlib
import dataclasses
import datetime as dt
import random
import typing as t

from flask_billing import checkout, jobs, reconciliation, subscriptions, webhooks
from flask_billing.errors import BillingError
from flask_billing.metering import QuotaExceeded
from flask_billing.models import ENDED, Customer, Subscription, SubscriptionChange
from flask_billing.webhooks.missed import receive_missed

from ..host import Host
from ..metering.shop import balance

PLANS: t.Final = ("starter", "pro", "business")
CARDS: t.Final = ("pm_card_visa", "pm_card_visa", "pm_card_visa", "pm_card_chargeCustomerFail")


@dataclasses.dataclass
class Life:
    """The host, its customers and what has happened to them."""

    host: Host
    customers: int
    chance: random.Random
    #: How far the wall clock is ahead of the machine's: it moves with business time.
    ahead: dt.timedelta = dt.timedelta(0)
    counts: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)

    def live(self, days: int) -> None:
        """Let that many days pass, and then the dust settle."""
        for day in range(days):
            self._fault(day)

            for _ in range(self.customers // 2):
                self._act(str(self.chance.randrange(1, self.customers + 1)))

            self.host.sandbox.clock.advance(days=1)
            self.ahead += dt.timedelta(days=1)
            self._deliver()
            self._run_jobs(nightly=day % 7 == 0)

        self._settle()

    def _fault(self, day: int) -> None:
        sandbox = self.host.sandbox
        sandbox.repair()
        kind = self.chance.choice(
            ("none", "none", "none", "errors", "lost answers", "outage", "lost webhooks")
        )
        self.counts[f"days with {kind}"] += kind != "none"

        if kind == "errors":
            sandbox.fail("POST", "/v1/subscriptions/*", times=3)
            sandbox.fail("GET", "/v1/invoices/*", times=3)
        elif kind == "lost answers":
            sandbox.fail("POST", "/v1/subscriptions/*", times=2, status=None, after=True)
            sandbox.fail("POST", "/v1/checkout/sessions", times=1, status=None, after=True)
        elif kind == "outage":
            sandbox.outage()
        elif kind == "lost webhooks":
            sandbox.webhooks.hold()

    def _act(self, owner_id: str) -> None:
        with self.host.app.app_context():
            customer = self.host.customer(owner_id)
            action = self.chance.choice(self._choices(customer))

            try:
                action(customer)
            except BillingError as error:
                self.counts[f"refused: {type(error).__name__}"] += 1
            else:
                self.counts[action.__name__.strip("_")] += 1
            finally:
                self.host.db.session.rollback()

    def _choices(self, customer: Customer) -> tuple[c.Callable[[Customer], None], ...]:
        found = self.host.billing.access(customer).subscription

        if found is None or found.status in ENDED:
            return (self._use, self._buy, self._buy)

        return (
            self._use, self._use, self._use, self._buy, self._change, self._change, self._change,
            self._cancel, self._resume, self._pause, self._swap_card, self._pay, self._pay,
        )  # fmt: skip

    def _use(self, customer: Customer) -> None:
        with contextlib.suppress(QuotaExceeded):
            self.host.billing.consume("tokens", self.chance.randrange(1, 40_000), customer=customer)
            self.host.billing.consume("api_calls", 1, customer=customer)

    def _buy(self, customer: Customer) -> None:
        started = checkout.start(
            customer,
            plan=self.chance.choice(PLANS),
            interval=self.chance.choice(("month", "month", "year")),
            success_url="http://localhost/billing/checkout/success?session_id={CHECKOUT_SESSION_ID}",
            cancel_url="http://localhost/billing/checkout/cancelled",
        )
        assert started.session_id is not None

        if self.chance.random() < 0.8:
            self.host.sandbox.checkout(started.session_id).pay()
            checkout.complete(customer, started.session_id)

    def _change(self, customer: Customer) -> None:
        quote = subscriptions.quote_change(
            customer, self.chance.choice(PLANS), self.chance.choice(("month", "year"))
        )

        if self.chance.random() < 0.2:  # looks at it for a while
            self.host.sandbox.clock.advance(minutes=self.chance.choice((1, 90)))

        for _ in range(self.chance.choice((1, 1, 2))):  # a double click now and then
            subscriptions.change_plan(customer, quote.token, actor="soak")

    def _cancel(self, customer: Customer) -> None:
        if self.chance.random() < 0.3:
            subscriptions.cancel(customer, reason="unused", actor="soak")

    def _resume(self, customer: Customer) -> None:
        subscriptions.resume(customer, actor="soak")

    def _pause(self, customer: Customer) -> None:
        if self.chance.random() < 0.3:
            subscriptions.pause(customer, self.chance.randrange(1, 4), actor="soak")
        else:
            now = subscriptions.resumption(customer)
            subscriptions.unpause(customer, amount=now.amount, actor="soak")

    def _swap_card(self, customer: Customer) -> None:
        """What a portal or support does, without us."""
        live = subscriptions.live_subscription(customer)
        client = self.host.sandbox.client()

        with contextlib.suppress(Exception):  # whatever the day's fault makes of it
            method = client.v1.payment_methods.attach(
                self.chance.choice(CARDS), {"customer": customer.stripe_id or ""}
            )
            client.v1.subscriptions.update(live.stripe_id, {"default_payment_method": method.id})

    def _pay(self, customer: Customer) -> None:
        live = subscriptions.live_subscription(customer)
        client = self.host.sandbox.client()

        with contextlib.suppress(Exception):
            for invoice in client.v1.invoices.list(
                {"subscription": live.stripe_id, "status": "open"}
            ).data:
                client.v1.invoices.pay(invoice.id)

    def _deliver(self) -> None:
        hooks = self.host.sandbox.webhooks

        if hooks.held:
            hooks.drop(self.chance.randrange(0, 4))
            hooks.release(order="shuffled", duplicates=self.chance.randrange(0, 3))

        hooks.deliver()

    def _run_jobs(self, *, nightly: bool) -> None:
        with self.host.app.app_context():
            for outcome in jobs.run_following_clock():
                self.counts["job runs"] += 1
                self.counts["job failures"] += outcome.state == "failed"

            if nightly:
                for name in ("webhook-retries", "event-sync"):
                    jobs.run_job(jobs.find_job(name))

    def _settle(self) -> None:
        """Stripe is well again, and every job has had its turn."""
        sandbox = self.host.sandbox
        self.ahead += dt.timedelta(hours=1)
        sandbox.outage(False)
        sandbox.repair()
        sandbox.webhooks.release()
        sandbox.webhooks.deliver()

        with self.host.app.app_context():
            receive_missed()
            webhooks.retry_due(limit=10_000)
            subscriptions.finish_open(min_age=dt.timedelta(0))
            jobs.run_following_clock()
            report = reconciliation.reconcile_all()
            self.counts["rows compared"] = report.compared
            self.counts["rows repaired"] = len(report.drifts)
            assert not report.unrepaired, report.unrepaired[:3]


def check(life: Life) -> None:
    """Our rows are Stripe's, nothing is left open, nobody pays twice, and the books balance."""
    host = life.host
    client = host.sandbox.client()
    rows = {row.stripe_id: row for row in host.rows(Subscription)}
    at_stripe = list(
        client.v1.subscriptions.list({"status": "all", "limit": 100}).auto_paging_iter()
    )
    life.counts["subscriptions"] = len(at_stripe)
    assert {one.id for one in at_stripe} == set(rows)

    for one in at_stripe:
        row = rows[one.id]
        item = one["items"].data[0]
        assert row.status == one.status, one.id
        assert (row.price, row.quantity) == (item.price.id, item.quantity), one.id
        assert row.schedule_id == one.schedule, one.id
        assert _seconds(row.cancel_at) == one.cancel_at, one.id
        assert _seconds(row.current_period_end) == item.current_period_end, one.id

    live = collections.Counter(row.customer_id for row in rows.values() if row.status not in ENDED)
    assert not [customer for customer, count in live.items() if count > 1], "somebody pays twice"
    changes = host.rows(SubscriptionChange)
    life.counts["changes"] = len(changes)
    assert not [change.id for change in changes if change.state == "open"]
    quoted = [change for change in changes if change.quote_id and change.state == "done"]
    life.counts["quotes charged"] = len(quoted)
    balance(host)


def _seconds(moment: dt.datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp())
