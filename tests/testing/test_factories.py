"""The factories bring customers into every state, through Stripe and the app's webhook route."""

from __future__ import annotations

import collections.abc as c
import dataclasses
import warnings

import pytest

from flask_billing import Owner, checkout
from flask_billing.errors import HostSessionBusyError, UnknownPlanError
from flask_billing.models import Customer, Invoice, Subscription, WebhookEvent
from flask_billing.sandbox import CardDeclinedError, SandboxError
from flask_billing.testing import StripeSandbox, WebhookFailedWarning, cards

from ..host import Host, user

ADA = user("1")


@pytest.fixture
def sandbox(any_host: Host) -> c.Iterator[StripeSandbox]:
    """The sandbox of a test, on SQLite and on PostgreSQL in turn."""
    with StripeSandbox(any_host.app) as sandbox:
        yield sandbox


@pytest.fixture
def quick(make_app: c.Callable[..., Host]) -> c.Iterator[tuple[Host, StripeSandbox]]:
    """A host on SQLite, and its sandbox."""
    host = make_app()

    with StripeSandbox(host.app) as sandbox:
        yield host, sandbox


@pytest.mark.parametrize(
    ("status", "stripe_status", "reason", "plan"),
    [
        ("active", "active", "active", "pro"),
        ("trialing", "trialing", "trialing", "pro"),
        ("ending", "active", "ending", "pro"),
        ("past_due", "past_due", "past_due", "pro"),
        ("unpaid", "unpaid", "unpaid", "free"),
        ("paused", "active", "paused", "free"),
        ("incomplete", "incomplete", "free", "free"),
        ("incomplete_expired", "incomplete_expired", "free", "free"),
        ("canceled", "canceled", "free", "free"),
    ],
)
def test_every_status(
    sandbox: StripeSandbox, status: str, stripe_status: str, reason: str, plan: str
) -> None:
    customer = sandbox.subscribe(ADA, "pro", status=status)

    assert customer.status == stripe_status
    assert customer.stripe_subscription.status == stripe_status
    assert (customer.access.reason, customer.plan) == (reason, plan)


def test_what_time_does_not_bring_leaves_the_clock_alone(sandbox: StripeSandbox) -> None:
    before = sandbox.clock.now()

    for number, status in enumerate(["active", "trialing", "ending", "incomplete", "canceled"]):
        sandbox.subscribe(user(str(number)), "starter", status=status)

    assert sandbox.clock.now() == before


def test_a_trial_lasts_as_long_as_the_plan_says(quick: tuple[Host, StripeSandbox]) -> None:
    _, sandbox = quick
    customer = sandbox.subscribe(ADA, "pro", status="trialing")

    sandbox.advance(days=13)
    assert customer.access.trialing
    sandbox.advance(days=2)
    assert customer.access.reason == "active"


def test_plan_interval_and_seats(quick: tuple[Host, StripeSandbox]) -> None:
    _, sandbox = quick
    customer = sandbox.subscribe(ADA, "starter", interval="year", quantity=3)

    row = customer.subscription
    assert row is not None
    assert (row.plan, row.interval, row.quantity) == ("starter", "year", 3)


def test_an_archived_plan_has_its_subscribers(quick: tuple[Host, StripeSandbox]) -> None:
    _, sandbox = quick
    assert sandbox.subscribe(ADA, "legacy").plan == "legacy"
    assert sandbox.subscribe(user("2"), "legacy").plan == "legacy"


def test_a_change_of_plan_is_charged(quick: tuple[Host, StripeSandbox]) -> None:
    host, sandbox = quick
    customer = sandbox.subscribe(ADA, "starter").change_plan("enterprise")

    assert customer.plan == "enterprise"
    assert sorted(row.amount_due for row in host.rows(Invoice)) == [2900, 47_000]


def test_a_renewal_is_paid(quick: tuple[Host, StripeSandbox]) -> None:
    host, sandbox = quick
    sandbox.subscribe(ADA, "starter").renew()

    assert [row.status for row in host.rows(Invoice)] == ["paid", "paid"]


def test_a_card_of_checkout_can_be_replaced(quick: tuple[Host, StripeSandbox]) -> None:
    host, sandbox = quick
    customer = sandbox.customer(ADA, card=None)
    sandbox.buy(host.client(), "starter")

    assert customer.use_card(cards.DECLINED_LATER).renew().status == "past_due"
    customer.use_card("pm_card_visa")
    sandbox.advance(days=2)
    assert customer.status == "active"


def test_usage_up_to_a_share(sandbox: StripeSandbox) -> None:
    customer = sandbox.subscribe(ADA, "starter")

    assert customer.use("tokens", 7).usage("tokens").used == 7
    assert customer.use("tokens", percent=95).usage("tokens").used == 475_000
    assert customer.use("tokens", left=1).usage("tokens").remaining == 1

    with pytest.raises(SandboxError, match="used already"):
        customer.use("tokens", percent=10)

    with pytest.raises(TypeError):
        customer.use("tokens", 1, left=1)

    with pytest.raises(SandboxError, match="unlimited"):
        sandbox.subscribe(user("2"), "enterprise").use("tokens", left=1)


def test_limits_change_at_once(quick: tuple[Host, StripeSandbox]) -> None:
    host, sandbox = quick
    customer = sandbox.subscribe(ADA, "starter")
    client = host.client()
    assert [client.post("/generate").status_code for _ in range(4)] == [200] * 4

    customer.cancel(now=True)  # the free plan has three a day
    assert client.post("/generate").status_code == 429


def test_buying_with_3d_secure(quick: tuple[Host, StripeSandbox]) -> None:
    host, sandbox = quick
    page = sandbox.buy(host.client(), "starter", "year", card=cards.NEEDS_3D_SECURE)

    assert "on Starter" in page.text
    assert sandbox.customer(ADA, card=None).access.reason == "active"


def test_buying_with_a_refused_card(quick: tuple[Host, StripeSandbox]) -> None:
    host, sandbox = quick

    with pytest.raises(CardDeclinedError):
        sandbox.buy(host.client(), "starter", card=cards.DECLINED)

    assert sandbox.customer(ADA).plan == "free"


def test_buying_what_cannot_be_bought(quick: tuple[Host, StripeSandbox]) -> None:
    host, sandbox = quick

    with pytest.raises(SandboxError, match=r"No checkout of 'legacy' opened.* 404"):
        sandbox.buy(host.client(), "legacy")

    with pytest.raises(SandboxError, match="signed in"):
        sandbox.buy(host.client(None), "starter")

    sandbox.subscribe(ADA, "starter")

    with pytest.raises(SandboxError, match="nothing to buy"):
        sandbox.buy(host.client(), "pro")


def test_what_is_not_in_the_catalog(quick: tuple[Host, StripeSandbox]) -> None:
    _, sandbox = quick
    customer = sandbox.customer(ADA)

    with pytest.raises(UnknownPlanError, match="It has: free, starter"):
        customer.subscribe("gold")

    with pytest.raises(UnknownPlanError, match="month in usd"):
        customer.subscribe("legacy", "year")

    with pytest.raises(SandboxError, match="There are: active"):
        customer.subscribe("pro", status="gone")  # type: ignore[arg-type]

    with pytest.raises(SandboxError, match="has no subscription"):
        customer.cancel()


def test_prices_made_at_stripe_are_there(make_app: c.Callable[..., Host]) -> None:
    catalog = {
        "plans": {
            "pro": {"name": "Pro", "prices": [{"interval": "month", "stripe_price": "price_Pro"}]},
            "max": {
                "name": "Max",
                "rank": 1,
                "prices": [{"interval": "month", "lookup_key": "max_month"}],
            },
        }
    }
    host = make_app(catalog=catalog)

    with StripeSandbox(host.app) as sandbox:
        assert sandbox.subscribe(ADA, "pro").plan == "pro"
        assert sandbox.buy(host.client("2"), "pro").status_code == 200
        assert sandbox.buy(host.client("3"), "max").status_code == 200
        items = sandbox.customer(ADA).stripe_subscription["items"]
        assert items.data[0].price.id == "price_Pro"


def test_webhooks_can_be_held_and_shuffled(quick: tuple[Host, StripeSandbox]) -> None:
    host, sandbox = quick
    customer = sandbox.customer(ADA)
    sandbox.webhooks.hold()
    customer.subscribe("starter").renew()
    assert host.rows(Subscription) == []

    sandbox.webhooks.release("shuffled", duplicates=2, seed=7)
    assert customer.plan == "starter"
    assert {row.state for row in host.rows(WebhookEvent)} == {"handled", "ignored"}


def test_webhooks_wait_for_the_apps_own_work(quick: tuple[Host, StripeSandbox]) -> None:
    host, sandbox = quick

    with host.app.app_context():
        checkout.start(
            host.customer(),
            plan="starter",
            interval="month",
            success_url="http://localhost/",
            cancel_url="http://localhost/",
        )

    assert host.rows(WebhookEvent) == []
    sandbox.deliver()
    assert host.rows(WebhookEvent, type="customer.created")


def test_each_days_webhooks_arrive_on_that_day(quick: tuple[Host, StripeSandbox]) -> None:
    host, sandbox = quick
    heard = []

    @host.billing.on("subscription.renewed")
    def listen(app: object, **_: object) -> None:
        heard.append(sandbox.clock.now().date())

    start = sandbox.subscribe(ADA, "starter").sandbox.clock.now()
    sandbox.advance(days=95)

    assert len(heard) == 3
    assert len({day.month for day in heard}) == 3
    assert sandbox.clock.now() > start


def test_a_failing_webhook_is_told(quick: tuple[Host, StripeSandbox]) -> None:
    host, sandbox = quick
    customer = sandbox.customer(ADA)
    events = len(host.rows(WebhookEvent, state="handled"))
    sandbox.fail("GET", "/v1/subscriptions/*", times=99)
    sandbox.fail("GET", "/v1/invoices/*", times=99)

    with pytest.warns(WebhookFailedWarning, match=r"customer\.subscription\.created \(500\)"):
        customer.subscribe("starter")

    assert host.rows(WebhookEvent, state="failed")
    sandbox.repair()

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sandbox.advance(days=1)  # Stripe delivers again

    assert host.rows(WebhookEvent, state="failed") == []
    assert len(host.rows(WebhookEvent, state="handled")) > events
    assert customer.status == "active"


def test_uncommitted_changes_of_the_test_are_refused(quick: tuple[Host, StripeSandbox]) -> None:
    host, sandbox = quick

    with host.app.app_context():
        host.db.session.add(Customer(owner_type="user", owner_id="9"))

        with pytest.raises(HostSessionBusyError):
            sandbox.customer(ADA)

        host.db.session.rollback()
        assert sandbox.customer(ADA).plan == "free"


def test_owners_are_what_the_loader_returns(quick: tuple[Host, StripeSandbox]) -> None:
    @dataclasses.dataclass
    class Team:
        id: int
        email: str

    host, sandbox = quick
    customer = sandbox.customer(Team(4, "team@example.com"))

    assert sandbox.client().v1.customers.retrieve(customer.stripe_id).email == "team@example.com"
    assert sandbox.customer(Owner("team", "4")).id == customer.id
    assert len(host.rows(Customer)) == 1


def test_it_ends_with_its_block(make_app: c.Callable[..., Host]) -> None:
    host = make_app()

    with StripeSandbox(host.app) as sandbox:
        customer = sandbox.customer(ADA)

    with pytest.raises(SandboxError, match="closed"):
        _ = customer.plan

    assert host.state.sandbox is host.sandbox
    assert host.client().get("/billing/plans").status_code == 200
