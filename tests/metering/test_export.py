"""Usage that Stripe bills: each unit is reported once, whatever dies on the way."""

from __future__ import annotations

import collections.abc as c
import contextlib
import threading
import typing as t
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from flask_billing import catalog_push, jobs, metering
from flask_billing.errors import CatalogError
from flask_billing.models import Customer, MeterExport, UsageCounter, UsageEvent
from flask_billing.stripe_gateway import Gateway
from flask_billing.testing import SandboxCustomer, StripeSandbox

from ..host import Host, make_host, user
from ..patience import PATIENCE
from ..webhooks.test_crashes import CrashAt, CrashError, crashing

EVENTS: t.Final = "/v1/billing/meter_events"
CATALOG: t.Final[dict[str, t.Any]] = {
    "meters": {"tokens": {"name": "Tokens", "stripe_event": "tokens"}, "runs": {"name": "Runs"}},
    "plans": {
        "free": {"name": "Free", "limits": [{"meter": "tokens", "included": 1000}]},
        "pro": {
            "name": "Pro",
            "rank": 1,
            "prices": [{"interval": "month", "amount": 900}],
            "limits": [
                {"meter": "tokens", "included": 50, "policy": "overage", "overage_rate": 200},
                {"meter": "tokens", "included": 900, "window": "day", "policy": "soft"},
                {"meter": "tokens", "included": 900, "scope": "member", "policy": "soft"},
            ],
        },
    },
}


class Account:
    """A host on a Stripe of its own, and what that has added up."""

    def __init__(self, host: Host, stripe: StripeSandbox) -> None:
        self.host, self.stripe = host, stripe

        with host.app.app_context():
            catalog_push.push()

    def export(self) -> metering.Exported:
        """Let the job do its work."""
        with self.host.app.app_context():
            return metering.export_usage()

    def counted(self, customer: SandboxCustomer | Customer, start: datetime, end: datetime) -> int:
        """Stripe's total of a stretch of time, to the minute."""
        client = self.stripe.client()
        [meter] = client.v1.billing.meters.list({"status": "active"}).data
        found = client.v1.billing.meters.event_summaries.list(
            meter.id,
            {
                "customer": str(customer.stripe_id),
                "start_time": int(start.timestamp()) // 60 * 60,
                "end_time": int(end.timestamp()) // 60 * 60,
            },
        )
        return int(sum(one.aggregated_value for one in found.data))

    def total(self, customer: SandboxCustomer | Customer) -> int:
        """All that Stripe has counted lately."""
        now = self.stripe.clock.now()
        return self.counted(customer, now - timedelta(days=80), now + timedelta(minutes=10))

    def exports(self, **where: object) -> c.Sequence[MeterExport]:
        """The exports, the oldest first."""
        found: c.Sequence[MeterExport] = self.host.rows(MeterExport, **where)
        return found

    def states(self) -> list[str]:
        """What became of each export."""
        return [export.state for export in self.exports()]

    def counters(self) -> list[tuple[int, int]]:
        """Used and reported units of the invoice's periods, the oldest first."""
        found = self.host.rows(UsageCounter, meter="tokens")
        return [
            (one.used, one.reported)
            for one in found
            if one.bucket[0] == "b" and "|" not in one.bucket
        ]

    def die_at_each_step(
        self, customer: SandboxCustomer, moment: str
    ) -> c.Iterator[tuple[int, int]]:
        """Use ever more and export it, dying a step later each time, and once more after that.

        Gives the step and what was used in all, until an export needs no such step.
        """
        used = 0

        for turn in range(1, 60):
            customer.use("tokens", turn)
            used += turn
            crash = CrashAt(turn)

            with crashing(self.host, moment, crash), contextlib.suppress(CrashError):
                self.export()

            self.forget_claims()
            self.export()
            yield turn, used
            self.stripe.advance(minutes=5)

            if not crash.happened:
                return

    def forget_claims(self) -> None:
        """Let the time pass in which the call of a process that died might still be running."""
        with self.host.app.app_context():
            self.host.db.session.execute(sa.update(MeterExport).values(sent_at=None))
            self.host.db.session.commit()


@pytest.fixture
def account(make_app: c.Callable[..., Host], database_url: str) -> c.Iterator[Account]:
    """An app whose tokens are billed by Stripe."""
    host = make_app(database_url, catalog=CATALOG, BILLING_STRIPE_RETRIES=0)

    with StripeSandbox(host.app) as stripe:
        yield Account(host, stripe)


@pytest.fixture
def ada(account: Account) -> SandboxCustomer:
    """A customer on Pro."""
    return account.stripe.subscribe(user("1"), "pro")


def test_what_was_used_is_reported_once_and_confirmed(
    account: Account, ada: SandboxCustomer
) -> None:
    ada.use("tokens", 60)
    assert str(account.export()) == "sent 1, confirmed 0"
    assert account.total(ada) == 60
    ada.use("tokens", 5)
    account.stripe.advance(minutes=5)
    assert str(account.export()) == "sent 1, confirmed 1"
    assert account.total(ada) == 65
    account.stripe.advance(minutes=5)
    assert str(account.export()) == "sent 0, confirmed 1"
    assert account.counters() == [(65, 65)]
    assert account.states() == ["confirmed", "confirmed"]
    assert all(event.stripe_reported_at for event in account.host.rows(UsageEvent))
    [first, _second] = account.exports()
    since = account.host.rows(Customer)[0].created_at
    assert first.identifier.startswith(f"fb:{ada.id}@{since:%Y%m%dT%H%M%S}.")
    assert first.identifier.endswith(":60")
    assert ":tokens:b:" in first.identifier


def test_a_host_that_books_in_its_session_reports_as_well(
    make_app: c.Callable[..., Host], database_url: str
) -> None:
    host = make_app(database_url, catalog=CATALOG, BILLING_METERING_CONNECTION="session")

    with StripeSandbox(host.app) as stripe:
        account = Account(host, stripe)

        with host.app.app_context():
            customer = host.customer("1")
            customer.stripe_id = stripe.client().v1.customers.create({}).id
            metering.record("tokens", 60, customer=customer)
            host.db.session.commit()

        [ada] = host.rows(Customer)
        stripe.advance(minutes=5)

        for _run in range(2):
            account.export()
            stripe.advance(minutes=5)

        assert account.total(ada) == 60
        assert account.states() == ["confirmed"]
        assert account.counters() == [(60, 60)]


@pytest.mark.parametrize("moment", ["before_cursor_execute", "commit"])
def test_a_crash_at_any_statement_or_commit_neither_loses_nor_doubles(
    account: Account, ada: SandboxCustomer, moment: str
) -> None:
    turn = 0

    for turn, used in account.die_at_each_step(ada, moment):
        assert account.total(ada) == used, f"after a crash at step {turn}"

    assert turn > 5
    account.export()
    account.export()
    assert account.counters() == [(used, used)]
    assert set(account.states()) == {"confirmed"}


@pytest.mark.parametrize("arrives", [True, False], ids=["answer lost", "call lost"])
@pytest.mark.parametrize("days", [0, 2], ids=["at once", "after identifiers are forgotten"])
def test_a_call_without_an_answer_is_made_again_only_where_it_is_safe(
    account: Account, ada: SandboxCustomer, arrives: bool, days: int
) -> None:
    ada.use("tokens", 60)
    account.stripe.fail("POST", EVENTS, status=None, after=arrives)
    assert account.export().unanswered == 1
    assert account.total(ada) == (60 if arrives else 0)
    ada.use("tokens", 7)
    account.stripe.advance(days=days, minutes=1)
    assert account.export().sent == 2
    assert account.total(ada) == 67
    account.stripe.advance(minutes=5)
    account.export()
    assert account.states() == ["confirmed", "confirmed"]


def test_a_process_that_dies_during_the_call_leaves_it_to_the_next(
    account: Account, ada: SandboxCustomer, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada.use("tokens", 60)
    post = Gateway.post

    def die(self: Gateway, *args: t.Any, **options: t.Any) -> t.Any:
        post(self, *args, **options)
        raise CrashError

    with monkeypatch.context() as patch:
        patch.setattr(Gateway, "post", die)

        with pytest.raises(CrashError):
            account.export()

    ada.use("tokens", 1)
    assert account.export().sent == 0, "the call may still be in flight"
    account.forget_claims()
    assert account.export().sent == 2
    assert account.total(ada) == 61


def test_a_total_that_fits_neither_way_is_left_to_a_person(
    account: Account, ada: SandboxCustomer
) -> None:
    ada.use("tokens", 60)
    account.stripe.fail("POST", EVENTS, status=None)
    account.export()
    account.stripe.advance(minutes=5)
    account.stripe.client().v1.billing.meter_events.create(
        {
            "event_name": "tokens",
            "payload": {"value": "9", "stripe_customer_id": str(ada.stripe_id)},
        }
    )
    account.stripe.advance(days=2)

    assert account.export().unanswered == 1
    assert account.total(ada) == 9
    [export] = account.exports()
    assert "lacks 51 units" in str(export.error)
    result = account.host.app.test_cli_runner().invoke(
        args=["billing", "doctor", "--offline", "meter-exports"]
    )
    assert "WARNING meter-exports: 1 reports of usage wait for more than a day" in result.output


def test_two_exporters_at_once_report_each_unit_once(
    account: Account, ada: SandboxCustomer
) -> None:
    together = threading.Barrier(2)

    def export() -> None:
        together.wait(PATIENCE)
        account.export()

    for used in (60, 61, 62):
        ada.use("tokens", used)
        threads = [threading.Thread(target=export) for _ in range(2)]

        for thread in threads:
            thread.start()

        for thread in threads:
            thread.join()

    account.export()
    assert account.total(ada) == 183
    assert account.counters() == [(183, 183)]


def test_more_than_stripe_takes_at_once_is_reported_in_parts(
    account: Account, ada: SandboxCustomer
) -> None:
    used = 2 * 10**15 + 7
    ada.use("tokens", used)
    account.export()
    account.export()
    assert account.total(ada) == used
    account.stripe.advance(minutes=5)
    account.export()
    assert account.states() == ["confirmed"] * 3


def test_what_is_taken_back_is_reported_as_that(account: Account, ada: SandboxCustomer) -> None:
    ada.use("tokens", 60)
    account.export()
    [event] = account.host.rows(UsageEvent)

    with account.host.app.app_context():
        ada_here = account.host.customer("1")
        metering.correct(event.id, 40, reason="counted twice", actor="support", customer=ada_here)

    assert account.export().sent == 1
    assert account.total(ada) == 40
    assert account.export().sent == 0
    ada.use("tokens", 45)
    assert account.export().sent == 1
    assert account.total(ada) == 85
    account.stripe.advance(minutes=5)
    assert account.export().confirmed == 3
    assert account.counters() == [(85, 85)]


def test_a_period_that_ended_is_reported_within_itself_late_facts_too(
    account: Account, ada: SandboxCustomer
) -> None:
    ada.use("tokens", 60)
    account.export()
    ada.use("tokens", 4)
    began, ended = ada.stripe_subscription["items"].data[0], account.stripe.clock.now()
    start = datetime.fromtimestamp(began.current_period_start, ended.tzinfo)
    end = datetime.fromtimestamp(began.current_period_end, ended.tzinfo)
    account.stripe.advance(to=end + timedelta(seconds=30))

    with account.host.app.app_context():
        metering.close_all_ended()
        assert account.host.rows(UsageCounter)[0].closed_at is not None
        metering.record(
            "tokens", 9, customer=account.host.customer("1"), at=end - timedelta(days=1)
        )

    ada.use("tokens", 3)
    account.export()
    minute = timedelta(seconds=59)  # up to the whole minute in which it ends
    assert account.counters() == [(73, 73), (3, 3)]
    assert account.counted(ada, start, end + minute) == 73
    assert account.counted(ada, end + minute, end + minute * 9) == 3
    late = [event for event in sent(account.stripe) if event["value"] == "13"]
    assert [event["timestamp"] for event in late] == [int(end.timestamp()) - 1]
    account.stripe.advance(minutes=10)
    account.export()
    assert set(account.states()) == {"confirmed"}
    [closed, _running] = (
        row
        for row in account.host.rows(UsageCounter)
        if row.bucket[0] == "b" and "|" not in row.bucket
    )
    assert (closed.plan, closed.stripe_meter_id is not None) == ("pro", True)


def test_what_was_used_for_free_is_not_reported_for_a_plan_bought_later(
    account: Account,
) -> None:
    with account.host.app.app_context():
        metering.record("tokens", 500, customer=account.host.customer("1"))

    account.stripe.advance(days=3)
    assert account.export().sent == 0, "the customer is not at Stripe yet"
    ada = account.stripe.subscribe(user("1"), "pro")
    bought = account.stripe.clock.now()
    account.stripe.advance(minutes=10)
    ada.use("tokens", 60)
    account.export()

    minute = timedelta(minutes=1)
    assert account.counted(ada, bought - minute * 60, bought + minute) == 500
    assert account.counted(ada, bought + minute, bought + minute * 30) == 60
    account.stripe.advance(minutes=5)
    account.export()
    assert account.states() == ["confirmed", "confirmed"]

    with account.host.app.app_context():
        assert metering.reconcile_usage().differences == []


def test_a_subscription_whose_cycle_begins_later_is_billed_from_its_first_day(
    account: Account,
) -> None:
    with account.host.app.app_context():
        metering.record("tokens", 500, customer=account.host.customer("1"))

    account.stripe.advance(days=3)
    ada, client = account.stripe.customer(user("1")), account.stripe.client()
    bought = account.stripe.clock.now()
    price = next(one for one in client.v1.prices.list().data if one.unit_amount == 900)
    client.v1.subscriptions.create(
        {
            "customer": str(ada.stripe_id),
            "items": [{"price": price.id}],
            "billing_cycle_anchor": int((bought + timedelta(days=9)).timestamp()),
        }
    )
    account.stripe.deliver()
    assert ada.plan == "pro"
    account.stripe.advance(minutes=10)
    ada.use("tokens", 60)
    account.export()

    minute = timedelta(minutes=1)
    assert account.counted(ada, bought - minute * 60, bought + minute) == 500
    assert account.counted(ada, bought + minute, bought + minute * 30) == 60


def test_a_month_that_saw_both_plans_is_reported_in_two_parts(
    make_app: c.Callable[..., Host], database_url: str
) -> None:
    month = {"meter": "tokens", "included": 1000, "window": "month", "policy": "soft"}
    plans = {key: {**plan, "limits": [month]} for key, plan in CATALOG["plans"].items()}
    host = make_app(database_url, catalog={**CATALOG, "plans": plans})

    with StripeSandbox(host.app, now=datetime.fromisoformat("2026-11-05T12:00Z")) as stripe:
        account = Account(host, stripe)

        with host.app.app_context():
            metering.record("tokens", 500, customer=host.customer("1"))

        stripe.advance(days=3)
        ada = stripe.subscribe(user("1"), "pro")
        bought = stripe.clock.now()
        stripe.advance(minutes=10)
        ada.use("tokens", 60)
        account.export()
        assert account.counted(ada, bought - timedelta(days=5), bought) == 500
        assert account.counted(ada, bought, bought + timedelta(hours=1)) == 60


def test_usage_that_stripe_cannot_book_is_reported_again(
    account: Account, ada: SandboxCustomer
) -> None:
    stripe = account.stripe
    client = stripe.client()
    [meter] = client.v1.billing.meters.list({"status": "active"}).data
    ada.use("tokens", 60)
    account.export()
    ada.use("tokens", 7)
    client.v1.billing.meters.deactivate(meter.id)
    assert account.export().sent == 1, "what Stripe said of its meters is still remembered"
    client.v1.billing.meters.reactivate(meter.id)
    assert account.total(ada) == 60
    stripe.advance(hours=1)  # the report comes

    assert account.states() == ["sent", "failed"]
    assert "archived_meter" in str(account.exports()[1].error)
    assert account.counters() == [(67, 60)]
    doctor = account.host.app.test_cli_runner().invoke(
        args=["billing", "doctor", "--offline", "meter-exports"]
    )
    assert "WARNING meter-exports: Stripe refused 1 reports" in doctor.output
    stripe.advance(minutes=10)
    assert account.export().sent == 1
    assert account.total(ada) == 67
    assert account.counters() == [(67, 67)]
    [_first, failed, again] = account.exports()
    assert again.identifier == f"{failed.identifier}:2"


def test_usage_that_stripe_lost_without_a_word_is_reported_again_after_a_day(
    account: Account, ada: SandboxCustomer
) -> None:
    client = account.stripe.client()
    [destination] = client.v2.core.event_destinations.list().data
    client.v2.core.event_destinations.delete(destination.id)
    [meter] = client.v1.billing.meters.list({"status": "active"}).data
    ada.use("tokens", 60)
    account.export()
    account.stripe.advance(minutes=5)
    account.export()
    ada.use("tokens", 7)
    client.v1.billing.meters.deactivate(meter.id)
    account.export()
    client.v1.billing.meters.reactivate(meter.id)
    account.stripe.advance(hours=2)
    account.export()
    assert account.states() == ["confirmed", "sent"]
    account.stripe.advance(hours=22)
    account.export()
    account.export()
    assert account.total(ada) == 67
    assert account.states() == ["confirmed", "failed", "sent"]


def test_a_refused_report_gives_its_units_back(account: Account, ada: SandboxCustomer) -> None:
    ada.use("tokens", 60)
    account.stripe.fail("POST", EVENTS, status=400, message="Not today.")
    assert account.export().failed == 1
    assert account.counters() == [(60, 0)]
    assert account.export().sent == 0, "not again at once"
    account.stripe.advance(hours=1, minutes=1)
    assert account.export().sent == 1
    assert account.total(ada) == 60


def test_a_silent_stripe_is_asked_three_times_a_run(account: Account) -> None:
    customers = [account.stripe.customer(user(str(number))) for number in range(1, 6)]

    customers[0].use("tokens", 1)
    account.export()

    for customer in customers:
        customer.use("tokens", 10)

    with account.stripe.outage():
        assert account.export().unanswered == 3

    assert account.export().sent == 5
    assert [account.total(customer) for customer in customers] == [11, 10, 10, 10, 10]


def test_job_and_command_report_usage(account: Account, ada: SandboxCustomer) -> None:
    ada.use("tokens", 60)

    with account.host.app.app_context():
        assert jobs.run_job(jobs.find_job("meter-export")).told == "sent 1, confirmed 0"

    runner = account.host.app.test_cli_runner()
    result = runner.invoke(args=["billing", "usage", "export"])
    assert (result.exit_code, result.output) == (0, "Sent 0, confirmed 0.\n")
    ada.use("tokens", 1)

    with account.stripe.outage():
        result = runner.invoke(args=["billing", "usage", "export"])

    assert (result.exit_code, result.output) == (1, "Sent 0, confirmed 0, 1 to be sent again.\n")


@pytest.mark.parametrize(
    ("limits", "window"),
    [
        ([], "billing_period"),
        ([("day", "hard"), ("billing_period", "hard")], "billing_period"),
        ([("day", "overage"), ("month", "hard")], "day"),
        ([("day", "hard"), ("month", "soft")], "month"),
    ],
)
def test_one_window_of_a_meter_is_reported(
    limits: list[tuple[str, str]], window: str, tmp_path: t.Any
) -> None:
    rate = {"overage": {"overage_rate": 1}}
    free = {
        "name": "Free",
        "limits": [
            {
                "meter": "tokens",
                "included": 1,
                "window": name,
                "policy": policy,
                **rate.get(policy, {}),
            }
            for name, policy in limits
        ],
    }
    host = make_host(
        f"sqlite:///{tmp_path / 'one.sqlite'}",
        {"meters": CATALOG["meters"], "plans": {"free": free}},
        create=False,
    )
    assert host.state.catalog.reported_window("tokens") == window
    host.close()


def test_an_overage_that_would_not_be_reported_is_refused(tmp_path: t.Any) -> None:
    overage = {
        "meter": "tokens", "included": 1, "window": "day", "policy": "overage", "overage_rate": 1,
    }  # fmt: skip
    plans = {**CATALOG["plans"], "free": {"name": "Free", "limits": [overage]}}

    with pytest.raises(CatalogError, match="is billed by Stripe, to which the customer's billing_"):
        make_host(f"sqlite:///{tmp_path / 'one.sqlite'}", {**CATALOG, "plans": plans})


def sent(stripe: StripeSandbox) -> list[dict[str, t.Any]]:
    """What Stripe was told, as value and timestamp."""
    found = [request.params for request in stripe.requests if request.path == EVENTS]
    return [{"value": one["payload"]["value"], "timestamp": int(one["timestamp"])} for one in found]
