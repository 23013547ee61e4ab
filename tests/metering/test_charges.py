"""What usage comes to: the meter, the preview and the invoice tell the same amount."""

from __future__ import annotations

import collections.abc as c
import typing as t
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
import stripe

from flask_billing import catalog_push, doctor, jobs, metering, notifications, subscriptions
from flask_billing.catalog import Catalog
from flask_billing.models import Invoice, MeterExport, Outbox
from flask_billing.testing import SandboxCustomer, StripeSandbox
from flask_billing.usage_charge import UsageCharge

from ..host import Host, user
from ..views.person import Person, words
from .test_export import Account

#: A half-cent a token up to 100, then a fifth of a cent and 30 cents for the tier.
TIERS: t.Final = [
    {"up_to": 100, "unit_amount": "0.5"},
    {"unit_amount": "0.2", "flat_amount": 30},
]


def plan(rank: int, included: int, **metered: object) -> dict[str, t.Any]:
    """A plan that includes so many tokens a month, by the month and by the year."""
    by_use = [{"meter": "tokens", **metered}]
    return {
        "name": f"Plan {rank}",
        "rank": rank,
        "prices": [
            {"interval": "month", "amount": 900 * rank, "metered": by_use},
            {"interval": "year", "amount": 9000 * rank, "metered": by_use},
        ],
        "limits": [
            {"meter": "tokens", "included": included, "policy": "overage"},
            {"meter": "tokens", "included": 10_000, "window": "day", "policy": "soft"},
        ],
    }


CATALOG: t.Final[dict[str, t.Any]] = {
    "meters": {"tokens": {"name": "Tokens", "unit": "token", "stripe_event": "tokens"}},
    "plans": {
        "free": {"name": "Free", "limits": [{"meter": "tokens", "included": 5}]},
        "pro": plan(1, 50, tiers=TIERS),
        "volume": plan(2, 50, tiers=TIERS, tiers_mode="volume"),
        "flat": plan(3, 100, unit_amount=3),
    },
}


@pytest.fixture
def account(make_app: c.Callable[..., Host], database_url: str) -> c.Iterator[Account]:
    """An app whose plans bill tokens by use."""
    host = make_app(
        database_url, catalog=CATALOG, BILLING_LIMIT_CACHE=timedelta(0), BILLING_STRIPE_RETRIES=0
    )

    with StripeSandbox(host.app) as stripe:
        yield Account(host, stripe)


def subscribe(account: Account, plan: str, interval: str = "month") -> SandboxCustomer:
    """Ada on a plan, with its price by use beside it."""
    return account.stripe.subscribe(user("1"), plan, interval=interval)


def estimate(ada: SandboxCustomer) -> UsageCharge:
    """What is charged so far."""
    found = ada.usage("tokens").estimated_charge
    assert found is not None
    return found


def newest(account: Account, ada: SandboxCustomer) -> stripe.Invoice:
    """The newest invoice at Stripe."""
    client = account.stripe.client()
    return client.v1.invoices.list({"customer": ada.stripe_id, "limit": 1}).data[0]


def extra(account: Account, ada: SandboxCustomer, base: int) -> int:
    """What the newest invoice charges beside the plan."""
    return newest(account, ada).total - base


def letter(account: Account, name: str) -> str:
    """What the one mail of that name says."""
    with account.host.app.app_context():
        row = account.host.db.session.query(Outbox).filter_by(kind="mail", name=name).one()
        found = notifications.letter_for(row.name, account.host.customer("1"), row.body)
        assert found is not None
        return " ".join(found.paragraphs)


@pytest.mark.parametrize(
    ("plan", "base", "used", "amount"),
    [
        ("pro", 900, 50, 0),
        ("pro", 900, 80, 15),  # 30 x 0.5
        ("pro", 900, 181, 50 + 30 + 6),  # 100 x 0.5, the flat fee, 31 x 0.2 = 6.2
        ("volume", 1800, 148, 49),  # 98 x 0.5
        ("volume", 1800, 181, 30 + 26),  # the flat fee, 131 x 0.2 = 26.2
        ("flat", 2700, 107, 21),
    ],
)
def test_meter_preview_and_invoice_say_the_same(
    account: Account, plan: str, base: int, used: int, amount: int
) -> None:
    ada = subscribe(account, plan)
    ada.use("tokens", used)
    found = estimate(ada)
    assert (found.amount, found.currency) == (amount, "usd")
    assert found.units == max(0, used - (100 if plan == "flat" else 50))
    person = Person(account.host)
    told = person.open("/billing/api/usage").get_json()["meters"]
    charges = {one["window"]: one["estimated_charge"] for one in told}
    assert charges["day"] is None
    assert charges["billing_period"]["amount"] == amount
    assert charges["billing_period"]["units"] == found.units

    account.export()
    account.export()
    preview = account.stripe.client().v1.invoices.create_preview({"customer": ada.stripe_id})
    assert preview.total == base + amount
    assert estimate(ada) == found

    page = words(person.open("/billing/usage"))
    assert (f"Estimated usage charge $0.{amount:02} so far" in page) == (amount > 0)
    assert words(person.open("/billing/upcoming")).count(f"${(base + amount) / 100:.2f}") >= 1

    ada.renew()
    assert extra(account, ada, base) == amount
    account.stripe.deliver()
    assert estimate(ada).units == 0
    renewal = account.host.rows(Invoice)[-1]
    assert (renewal.total, renewal.status) == (base + amount, "paid")
    invoices = words(person.open("/billing/invoices"))
    assert f"${(base + amount) / 100:.2f}" in invoices


def test_what_is_reported_after_the_period_is_on_its_invoice(account: Account) -> None:
    ada = subscribe(account, "pro")
    ada.use("tokens", 80)
    end = ada.stripe_subscription["items"].data[0].current_period_end
    account.stripe.advance(to=datetime.fromtimestamp(end, UTC) + timedelta(minutes=20))
    account.export()
    account.stripe.advance(hours=1)
    assert extra(account, ada, 900) == 15


def test_units_that_credits_cover_are_never_charged(account: Account) -> None:
    ada = subscribe(account, "pro")

    with account.host.app.app_context():
        metering.grant_credits(
            account.host.customer("1"), "tokens", 20, kind="topup", source_key="x", actor="a",
            reason="Bought 20",
        )  # fmt: skip
        account.host.db.session.commit()

    ada.use("tokens", 60)
    account.export()
    ada.use("tokens", 16)  # 50 of the plan, 20 of the credits, 6 beyond
    found = estimate(ada)
    assert (found.units, found.amount) == (6, 3)
    account.export()
    ada.renew()
    assert extra(account, ada, 900) == 3


@pytest.mark.parametrize("moment", ["before_cursor_execute", "commit"])
def test_an_export_that_dies_at_any_step_charges_each_unit_once(
    account: Account, moment: str
) -> None:
    ada = subscribe(account, "pro")
    ada.use("tokens", 50)
    *_, (_, used) = account.die_at_each_step(ada, moment)
    found = estimate(ada)
    assert found.units == used == account.total(ada)
    ada.renew()
    assert extra(account, ada, 900) == found.amount
    assert sum(one.quantity for one in account.host.rows(MeterExport)) == used


def test_a_yearly_price_charges_the_months_together(account: Account) -> None:
    ada = subscribe(account, "pro", "year")

    for used in (80, 10, 130):
        ada.use("tokens", used)
        account.export()
        account.stripe.advance(days=31)

    # More than 35 days ago: Stripe takes it no more.
    with account.host.app.app_context():
        long_ago = account.stripe.clock.now() - timedelta(days=90)
        metering.record("tokens", 7, at=long_ago, customer=account.host.customer("1"))
        metering.export_usage(of_any_age=True)

    assert {one.state for one in account.exports()} >= {"late"}
    found = estimate(ada)
    assert (found.units, found.amount) == (30 + 80, 50 + 30 + 2)
    ada.renew()
    assert extra(account, ada, 9000) == found.amount


def test_a_change_of_plan_charges_what_was_used_before_at_once(account: Account) -> None:
    ada = subscribe(account, "pro")
    ada.use("tokens", 80)
    account.export()
    account.stripe.advance(days=10)
    ada.change_plan("flat")
    account.stripe.deliver()
    charged = [
        line.amount
        for invoice in account.stripe.client().v1.invoices.list({"customer": ada.stripe_id}).data
        for line in invoice.lines.data
        if "Tier" in str(line.description)
    ]
    assert charged == [15]
    assert estimate(ada).units == 0
    account.stripe.advance(minutes=5)
    # The plan includes 100, and what the first one charged is not charged again.
    ada.use("tokens", 60)
    found = estimate(ada)
    account.export()
    assert (found.units, found.amount) == (10, 30)
    ada.renew()
    assert extra(account, ada, 2700) == found.amount


@pytest.mark.parametrize("again", [0, 60], ids=["nothing used since", "used since"])
def test_what_was_used_in_a_trial_that_was_ended_early_is_free(
    account: Account, again: int
) -> None:
    ada = account.stripe.subscribe(user("1"), "pro", status="trialing")
    ada.use("tokens", 90)
    account.stripe.advance(days=2)

    with account.host.app.app_context():
        customer = account.host.customer("1")
        quote = subscriptions.quote_change(customer, end_trial=True)
        subscriptions.change_plan(customer, quote.token)

    account.stripe.deliver()
    account.stripe.advance(minutes=3)
    account.export()

    if again:
        ada.use("tokens", again)

    account.export()
    found = estimate(ada)
    assert found.units == max(0, again - 50)
    ada.renew()
    assert extra(account, ada, 900) == found.amount


def test_a_subscription_that_follows_another_charges_its_own_units(account: Account) -> None:
    ada = subscribe(account, "pro")
    ada.use("tokens", 80)
    account.export()
    account.stripe.advance(days=3)
    ada.cancel(now=True)
    account.stripe.deliver()
    ada.use("tokens", 3)
    account.stripe.advance(days=1)
    ada.subscribe("pro")
    account.stripe.deliver()
    assert estimate(ada).units == 0
    ada.use("tokens", 54)
    account.export()
    found = estimate(ada)
    assert (found.units, found.amount) == (4, 2)
    ada.renew()
    assert extra(account, ada, 900) == found.amount


@pytest.mark.parametrize("name", ["pro", "volume", "flat"])
def test_who_has_a_former_price_is_told_what_that_charges(account: Account, name: str) -> None:
    ada = subscribe(account, name)
    ada.use("tokens", 181)
    before = estimate(ada)
    tiers = [{"up_to": 7, "unit_amount": "9"}, {"unit_amount": "8", "flat_amount": 900}]
    plans = {
        **CATALOG["plans"],
        "pro": plan(1, 50, tiers=tiers),
        "volume": plan(2, 50, tiers=tiers, tiers_mode="volume"),
        "flat": plan(3, 100, unit_amount=30),
    }

    with account.host.app.app_context():
        account.host.state.catalog = Catalog.parse({**CATALOG, "plans": plans})
        account.host.state.caches.clear()
        catalog_push.push()

    account.stripe.deliver()
    assert estimate(ada).amount == before.amount
    base = newest(account, ada).total
    account.export()
    ada.renew()
    assert extra(account, ada, base) == before.amount
    ada.use("tokens", 120)
    assert estimate(ada).amount == {"pro": 35, "volume": 35, "flat": 60}[name]


def take_back(account: Account, key: str) -> None:
    """Take an event back, as support does."""
    with account.host.app.app_context():
        customer = account.host.customer("1")
        metering.correct(key, reason="counted twice", actor="support", customer=customer)


def test_what_was_taken_back_after_it_was_reported_is_not_charged(account: Account) -> None:
    ada = subscribe(account, "pro")
    ada.use("tokens", 60)

    with account.host.app.app_context():
        metering.record("tokens", 500, key="twice", customer=account.host.customer("1"))

    account.export()
    assert estimate(ada).units == 510
    take_back(account, "twice")
    assert (estimate(ada).units, estimate(ada).amount) == (10, 5)
    account.export()
    assert account.total(ada) == 10
    ada.renew()
    assert extra(account, ada, 900) == 5


@pytest.mark.parametrize(("minutes", "charged"), [(20, False), (90, True)])
def test_what_is_taken_back_after_the_period_is_off_its_invoice_while_that_is_a_draft(
    account: Account, minutes: int, charged: bool
) -> None:
    ada = subscribe(account, "flat")

    with account.host.app.app_context():
        metering.record("tokens", 150, key="twice", customer=account.host.customer("1"))

    account.export()
    end = ada.stripe_subscription["items"].data[0].current_period_end
    account.stripe.advance(to=datetime.fromtimestamp(end, UTC) + timedelta(minutes=minutes))
    take_back(account, "twice")
    account.export()
    account.stripe.advance(hours=2)
    assert extra(account, ada, 2700) == (150 if charged else 0)

    with account.host.app.app_context():
        owed = [(one.quantity, one.meter) for one in metering.late_usage()]
        told = [one.text for one in doctor.examine(["meter-exports"])]

    assert owed == ([(-50, "tokens")] if charged else [])
    assert any("50 units of usage were taken back when" in text for text in told) is charged
    account.export()
    assert next(one.state for one in account.exports()) == "confirmed"


def test_a_larger_plan_by_the_year_gives_back_nothing_that_was_charged(account: Account) -> None:
    ada = subscribe(account, "pro", "year")
    ada.use("tokens", 80)
    account.export()
    account.stripe.advance(days=1)
    ada.change_plan("flat", "year")
    account.stripe.deliver()
    ada.use("tokens", 1)
    account.stripe.advance(days=31)
    ada.use("tokens", 110)
    assert (estimate(ada).units, estimate(ada).amount) == (10, 30)
    account.export()
    assert estimate(ada).units == 10
    ada.renew()
    assert extra(account, ada, 27_000) == 30


def test_a_cancelled_plan_charges_what_was_used_until_its_end(account: Account) -> None:
    ada = subscribe(account, "pro")
    ada.cancel()
    ada.use("tokens", 80)
    found = estimate(ada)
    account.export()
    preview = account.stripe.client().v1.invoices.create_preview({"customer": ada.stripe_id})
    assert preview.total == found.amount == 15
    ada.renew()

    with account.host.app.app_context():
        jobs.run_job(jobs.find_job("meter-export"))

    account.stripe.advance(hours=2)
    last = newest(account, ada)
    assert (last.total, last.status, ada.status) == (15, "paid", "canceled")
    assert "What you used beyond the plan until then is charged" in letter(account, "ended")
    account.stripe.advance(days=3)
    assert newest(account, ada).id == last.id
    assert last.post_payment_credit_notes_amount == 0


def test_a_renewal_that_was_not_heard_of_begins_a_new_estimate(account: Account) -> None:
    ada = subscribe(account, "pro")
    ada.use("tokens", 80)
    account.export()
    account.stripe.webhooks.hold()
    ada.renew()
    assert (estimate(ada).units, estimate(ada).charged_at) == (0, None)
    ada.use("tokens", 60)
    assert estimate(ada).units == 10
    account.stripe.webhooks.release()
    assert estimate(ada).units == 10
    assert estimate(ada).charged_at is not None


@pytest.mark.parametrize(("plan", "used", "told"), [("pro", 50, True), ("free", 5, False)])
def test_the_mail_about_a_limit_says_that_more_is_charged(
    account: Account, plan: str, used: int, told: bool
) -> None:
    ada = account.stripe.customer(user("1")) if plan == "free" else subscribe(account, plan)
    ada.use("tokens", used)

    said = letter(account, "usage_threshold")
    assert ("You can go on: what you use beyond is charged with your invoice of" in said) is told


@pytest.mark.parametrize("status", ["trialing", "without the price", "paused", "free"])
def test_there_is_no_estimate_where_nothing_is_charged(account: Account, status: str) -> None:
    if status == "free":
        ada = account.stripe.customer(user("1"))
        ada.use("tokens", 5)
    elif status == "trialing":
        ada = account.stripe.subscribe(user("1"), "pro", status="trialing")
        ada.use("tokens", 90)
    elif status == "paused":
        ada = subscribe(account, "pro")
        ada.use("tokens", 90)

        with account.host.app.app_context():
            subscriptions.pause(account.host.customer("1"), months=1)

        account.stripe.deliver()
    else:
        ada = account.stripe.subscribe(user("1"), "pro")
        client = account.stripe.client()

        for item in ada.stripe_subscription["items"].data[1:]:
            client.v1.subscription_items.delete(item.id)

        account.stripe.deliver()
        ada.use("tokens", 90)

    assert ada.usage("tokens").estimated_charge is None
    assert "Estimated" not in words(Person(account.host).open("/billing/usage"))


def test_nothing_reads_all_that_was_ever_reported(account: Account) -> None:
    ada = subscribe(account, "pro")
    reported_for_years(account)
    sent: dict[str, t.Any] = {}

    def note(*arguments: t.Any) -> None:
        if "FROM billing_meter_export" in arguments[2]:
            sent[arguments[2]] = arguments[3]

    sa.event.listen(sa.Engine, "before_cursor_execute", note)

    try:
        ada.use("tokens", 60)
        account.export()
        account.stripe.advance(days=10)
        ada.change_plan("flat")
        account.stripe.deliver()

        with account.host.app.app_context():
            metering.record("tokens", 500, key="twice", customer=account.host.customer("1"))

        account.export()
        take_back(account, "twice")
        assert estimate(ada).units == 0
        account.export()
        account.stripe.advance(minutes=5)
        account.export()
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)

    plans = plans_of(account, sent)
    assert any("ix_billing_meter_export_customer_id_meter_bucket" in one for one in plans.values())
    whole = ("Seq Scan on billing_meter_export", "SCAN billing_meter_export")
    assert [one for one, plan in plans.items() if any(word in plan for word in whole)] == []


def reported_for_years(account: Account) -> None:
    """Fill the table with what somebody else reported."""
    now = account.stripe.clock.now()
    account.stripe.subscribe(user("2"), "pro")

    with account.host.app.app_context():
        customer_id = account.host.customer("2").id
        past = [
            {
                "identifier": f"fb:{number}",
                "customer_id": customer_id,
                "meter": "tokens",
                "bucket": f"b:{number // 4}",
                "quantity": 1,
                "target": number,
                "state": "confirmed" if number % 4 else "settled",
                "created_at": now - timedelta(minutes=5 * number),
            }
            for number in range(20_000)
        ]
        account.host.db.session.execute(sa.insert(MeterExport), past)
        account.host.db.session.commit()


def plans_of(account: Account, sent: dict[str, t.Any]) -> dict[str, str]:
    """How the database goes about each of these statements."""
    with account.host.app.app_context(), account.host.db.engine.connect() as connection:
        connection.exec_driver_sql("ANALYZE billing_meter_export")
        words = "EXPLAIN" if connection.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN"
        return {
            one: str(connection.exec_driver_sql(f"{words} {one}", values).all())
            for one, values in sent.items()
        }
