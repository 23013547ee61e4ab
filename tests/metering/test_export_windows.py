"""Usage for Stripe when the catalog changes windows, facts come late, and rows are many."""

from __future__ import annotations

import collections.abc as c
import copy
import typing as t
from datetime import timedelta

import pytest
import sqlalchemy as sa

from flask_billing import clock, metering
from flask_billing.catalog import Catalog
from flask_billing.metering import export_due
from flask_billing.models import UsageCounter
from flask_billing.testing import SandboxCustomer, StripeSandbox

from ..host import Host, user
from .test_export import CATALOG, Account, sent

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)


def catalog(*windows: str) -> dict[str, t.Any]:
    """A catalog whose plan limits tokens in these windows."""
    found = copy.deepcopy(CATALOG)
    found["plans"]["pro"]["limits"] = [
        {"meter": "tokens", "included": 900, "window": window, "policy": "soft"}
        for window in windows
    ]
    found["plans"]["free"]["limits"] = []
    return found


@pytest.fixture
def account(make_app: c.Callable[..., Host], database_url: str) -> c.Iterator[Account]:
    """An app whose tokens are reported by the day."""
    host = make_app(database_url, catalog=catalog("day"), BILLING_LIMIT_CACHE=timedelta(0))

    with StripeSandbox(host.app) as stripe:
        yield Account(host, stripe)


@pytest.fixture
def ada(account: Account) -> SandboxCustomer:
    """A customer on Pro."""
    return account.stripe.subscribe(user("1"), "pro")


def change_window(account: Account, *windows: str) -> None:
    """Deploy another catalog."""
    account.host.state.catalog = Catalog.parse(catalog(*windows))


def settled(account: Account) -> None:
    """Look twice, with time between, so that what is sent is confirmed, and see that it is."""
    for _look in range(2):
        account.stripe.advance(minutes=5)
        account.export()

    assert set(account.states()) == {"confirmed"}

    with account.host.app.app_context():
        differences = metering.reconcile_usage().differences

    assert [found for found in differences if found.what == "Stripe"] == []


@pytest.mark.parametrize("windows", [("billing_period",), ("billing_period", "day"), ("month",)])
def test_a_change_of_window_reports_nothing_twice_and_loses_nothing(
    account: Account, ada: SandboxCustomer, windows: tuple[str, ...]
) -> None:
    used = 0

    for quantity in (60, 7, 3):
        ada.use("tokens", quantity)
        used += quantity
        account.export()
        account.stripe.advance(days=1)

    ada.use("tokens", 11)  # not reported yet
    used += 11
    change_window(account, *windows)
    account.export()
    assert account.total(ada) <= used
    ada.use("tokens", 5)
    account.export()
    assert account.total(ada) == used + 5
    settled(account)

    account.stripe.advance(days=1)
    ada.use("tokens", 2)
    change_window(account, "day")  # and back
    ada.use("tokens", 4)
    account.export()
    account.stripe.advance(minutes=10)
    account.export()
    assert account.total(ada) == used + 11
    settled(account)
    account.stripe.advance(days=40)
    account.export()
    assert account.total(ada) == used + 11


def test_workers_with_two_catalogs_report_each_unit_once(
    account: Account, ada: SandboxCustomer
) -> None:
    used = 0

    for turn in range(1, 9):
        change_window(account, "day" if turn % 2 else "billing_period")
        ada.use("tokens", turn)
        used += turn
        account.export()
        assert account.total(ada) <= used
        account.stripe.advance(hours=7)

    account.export()
    assert account.total(ada) == used


@pytest.mark.parametrize("move", [{"billing_cycle_anchor": {"type": "now"}}, {"trial_end": 9}])
def test_a_cycle_that_is_moved_at_stripe_reports_nothing_twice(
    make_app: c.Callable[..., Host], database_url: str, move: dict[str, t.Any]
) -> None:
    windows = catalog("billing_period")
    host = make_app(database_url, catalog=windows, BILLING_LIMIT_CACHE=timedelta(0))

    with StripeSandbox(host.app) as stripe:
        account = Account(host, stripe)
        ada = stripe.subscribe(user("1"), "pro")
        used = 0

        for quantity in (60, 7, 3):
            stripe.advance(days=5)
            ada.use("tokens", quantity)
            used += quantity
            account.export()

        stripe.advance(minutes=5)
        account.export()
        stripe.webhooks.hold()
        trial_end = {"trial_end": int((stripe.clock.now() + 9 * DAY).timestamp())}
        params: t.Any = {**move, **(trial_end if "trial_end" in move else {})}
        client = stripe.client().v1.subscriptions
        params["proration_behavior"] = "none"
        client.update(str(ada.stripe_subscription["id"]), params)
        stripe.advance(minutes=20)
        ada.use("tokens", 11)  # before the move is known here
        account.export()
        stripe.webhooks.release()
        stripe.deliver()

        for days in (1, 4):
            ada.use("tokens", days)
            used += days
            account.export()
            account.export()
            assert account.total(ada) == used + 11
            stripe.advance(days=days)


def test_a_fact_that_is_too_late_for_stripe_is_told(
    make_app: c.Callable[..., Host], database_url: str
) -> None:
    host = make_app(database_url, catalog=catalog("billing_period"))

    with StripeSandbox(host.app) as stripe:
        account = Account(host, stripe)
        ada = stripe.subscribe(user("1"), "pro")
        began = stripe.clock.now()
        ada.use("tokens", 60)
        account.export()
        stripe.advance(minutes=5)
        account.export()

        for _month in range(3):
            stripe.advance(days=30)
            account.export()

        with host.app.app_context():
            for at in (began + DAY, stripe.clock.now() - 34 * DAY):
                metering.record("tokens", 9, customer=host.customer("1"), at=at)

        taken = len(sent(stripe))
        assert run(account, "usage", "export") == (
            1,
            "Sent 1, confirmed 0, 1 too late for Stripe.\n",
        )
        [late] = account.exports(state="late")
        assert (late.quantity, late.bucket[:2]) == (9, "b:")
        assert len(sent(stripe)) == taken + 1
        oldest = stripe.clock.now() - 35 * DAY
        assert all(event["timestamp"] > oldest.timestamp() for event in sent(stripe)[taken:])
        assert run(account, "usage", "export")[0] == 0, "it is told of once"
        stripe.advance(minutes=5)
        account.export()
        assert account.states() == ["confirmed", "late", "confirmed"]

        with host.app.app_context():
            assert metering.reconcile_usage().differences == []

        code, output = run(account, "doctor", "--offline", "meter-exports")
        assert code == 1
        assert "FAILURE meter-exports: 9 units of usage came too late for Stripe" in output
        code, output = run(account, "usage", "late")
        assert output == f"customer {ada.id}: 9 tokens of {late.bucket}\n"
        assert run(account, "usage", "late", "--settle") == (0, output + "Settled 1.\n")
        assert run(account, "usage", "late") == (0, "")
        assert run(account, "doctor", "--offline", "meter-exports")[0] == 0


def test_usage_without_a_subscription_is_never_too_late(account: Account) -> None:
    bob = account.stripe.customer(user("2"))
    bob.use("tokens", 1)
    account.export()
    account.stripe.advance(days=60)

    with account.host.app.app_context():
        at = account.stripe.clock.now() - 50 * DAY
        metering.record("tokens", 9, customer=account.host.customer("2"), at=at)

    assert run(account, "usage", "export")[0] == 0
    assert run(account, "usage", "late") == (0, "")


@pytest.mark.parametrize("endless", [False, True], ids=["ending", "endless"])
def test_what_is_due_is_found_by_its_index_among_many_rows(account: Account, endless: bool) -> None:
    host = account.host

    with host.app.app_context():
        customer, now = host.customer("1").id, clock.now()
        history = [
            {
                "customer_id": customer,
                "meter": "tokens",
                "bucket": f"d:{hours:06}",
                "used": 5,
                "reported": 4,
                "period_start": now - timedelta(hours=hours),
                "period_end": now - timedelta(hours=hours - 1),
            }
            for hours in range(100_000)
        ]
        host.db.session.execute(sa.insert(UsageCounter), history)
        host.db.session.commit()
        window = UsageCounter.bucket.startswith("d:")
        since = None if endless else now - 35 * DAY
        engine = host.db.engine
        [place] = host.db.session.execute(
            sa.select(UsageCounter.period_end, UsageCounter.customer_id, UsageCounter.bucket)
            .where(UsageCounter.bucket == "d:000500")
        )  # fmt: skip

        for after in (None, place):
            plan = explained(engine, export_due.statement("tokens", window, since, after))
            assert "ix_billing_usage_counter_meter_period_end" in plan
            assert "Seq Scan on billing_usage_counter" not in plan
            assert "SCAN billing_usage_counter" not in plan


def explained(engine: sa.Engine, query: sa.Executable) -> str:
    """How the database goes about a query."""
    with engine.connect() as connection:
        connection.exec_driver_sql("ANALYZE billing_usage_counter")
        words = "EXPLAIN" if connection.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN"

        @sa.event.listens_for(connection, "before_cursor_execute", retval=True)
        def explain(
            _connection: object, _cursor: object, sql: str, parameters: object, *_more: object
        ) -> tuple[str, object]:
            return f"{words} {sql}", parameters

        result = connection.execute(query)
        assert isinstance(result, sa.CursorResult)
        return "\n".join(str(row) for row in result.cursor.fetchall())


def run(account: Account, *arguments: str) -> tuple[int, str]:
    """The exit code and output of a command."""
    result = account.host.app.test_cli_runner().invoke(args=["billing", *arguments])
    return result.exit_code, result.output
