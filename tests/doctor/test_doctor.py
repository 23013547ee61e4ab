"""The doctor finds what is wrong, says what to do, and is quiet about what is well."""

from __future__ import annotations

import collections.abc as c
import datetime as dt
import json
import typing as t

import pytest
import sqlalchemy as sa
from click.testing import Result

from flask_billing import catalog_push, clock
from flask_billing.database import transaction
from flask_billing.models import (
    Base,
    CustomerChange,
    Outbox,
    PaymentMethod,
    PaymentMethodChange,
    Subscription,
    SubscriptionChange,
    UsageCounter,
    WebhookEvent,
)
from flask_billing.stripe_gateway import API_VERSION
from flask_billing.webhooks.handlers import HANDLERS
from flask_billing.webhooks.verify import THIN_TYPES

from ..host import Host
from ..subscriptions.test_metered_plans import CATALOG as METERED
from ..views.person import Person

HOUR = dt.timedelta(hours=1)


@pytest.fixture
def host(any_host: Host) -> Host:
    """A host in good order: catalog pushed, jobs run, user 1 on Starter."""
    with any_host.app.app_context():
        catalog_push.push()

    Person(any_host).buy("starter")
    any_host.sandbox.webhooks.deliver()
    run(any_host, "jobs", "run", "mail")

    for name in ("outbox", "webhook-retries", "open-intents"):
        run(any_host, "jobs", "run", name)

    return any_host


def test_a_host_in_good_order_is_well(host: Host) -> None:
    findings = found(host, *EVERYTHING_BUT_JOBS)

    assert {finding["level"] for finding in findings} == {"ok"}
    assert {finding["check"] for finding in findings} == set(EVERYTHING_BUT_JOBS)


def test_each_failure_says_what_to_do(host: Host) -> None:
    with host.app.app_context(), transaction() as connection:
        connection.execute(sa.update(WebhookEvent).where(WebhookEvent.id == 1).values(state="dead"))
        connection.execute(
            sa.update(WebhookEvent)
            .where(WebhookEvent.id == 2)
            .values(state="failed", received_at=clock.wall() - HOUR)
        )
        connection.execute(sa.update(Outbox).values(state="dead"))

    result = run(host, "doctor", "inbox", "outbox")
    assert result.exit_code == 1
    assert "FAILURE inbox: 1 events were given up" in result.output
    assert "flask billing webhooks retry" in result.output
    assert "WARNING inbox: The oldest event that is not processed waits for 60 minutes." in (
        result.output
    )
    assert "FAILURE outbox:" in result.output


@pytest.mark.parametrize(
    ("on_sandbox", "level", "advice"),
    [(True, "warning", "The next checkout on the sandbox does it"), (False, "failure", "Run ")],
)
def test_a_stripe_that_differs_from_the_catalog_is_told(
    host: Host, monkeypatch: pytest.MonkeyPatch, on_sandbox: bool, level: str, advice: str
) -> None:
    monkeypatch.setattr(host.app.extensions["billing"].stripe, "sandbox", on_sandbox)
    client = host.sandbox.client()
    product = client.v1.products.list().data[0]
    client.v1.products.update(product.id, {"name": "Something else"})

    (finding,) = found(host, "catalog")
    assert finding["level"] == level
    assert finding["advice"].startswith(advice)
    assert "'flask billing catalog push'" in finding["advice"]
    assert run(host, "catalog", "push").exit_code == 0
    assert levels(host, "catalog") == {"ok"}


def test_an_endpoint_that_lacks_types_is_mended(host: Host) -> None:
    client = host.sandbox.client()
    (endpoint,) = client.v1.webhook_endpoints.list().data
    client.v1.webhook_endpoints.update(endpoint.id, {"enabled_events": ["invoice.paid"]})
    (finding,) = found(host, "endpoint")
    assert "does not send" in finding["text"]
    assert "customer.subscription.deleted" in finding["text"]

    assert run(host, "doctor", "--fix", "endpoint").exit_code == 0
    assert levels(host, "endpoint") == {"ok"}


def test_an_endpoint_is_registered_and_its_secret_shown_once(host: Host) -> None:
    host.app.config["BILLING_BASE_URL"] = "https://host.example"
    assert "so it tells this app nothing" in found(host, "endpoint")[0]["text"]

    result = run(host, "doctor", "--fix", "endpoint")
    assert "whsec_" in result.stderr
    assert "whsec_" not in result.stdout
    made = host.sandbox.client().v1.webhook_endpoints.list().data[0]
    assert made.url == "https://host.example/billing/webhooks/stripe"
    assert made.api_version == API_VERSION
    assert set(made.enabled_events) == set(HANDLERS) - set(THIN_TYPES)
    assert "whsec_" not in run(host, "doctor", "--fix", "endpoint").stderr


def test_without_its_own_address_no_endpoint_is_registered(host: Host) -> None:
    for endpoint in host.sandbox.client().v1.webhook_endpoints.list().data:
        host.sandbox.client().v1.webhook_endpoints.delete(endpoint.id)

    result = run(host, "doctor", "--fix", "endpoint")
    assert result.exit_code == 1
    assert "BILLING_BASE_URL is not set" in result.output


def test_a_clock_that_is_wrong_is_told(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    assert levels(host, "clock") == {"ok"}
    wall = clock.wall
    monkeypatch.setattr(clock, "wall", lambda: wall() + dt.timedelta(minutes=1))
    assert levels(host, "clock") == {"warning"}
    monkeypatch.setattr(clock, "wall", lambda: wall() - dt.timedelta(minutes=10))
    (finding,) = found(host, "clock")
    assert finding["level"] == "failure"
    assert "Webhooks are refused as stale" in str(finding["advice"])


@pytest.mark.parametrize(
    "date",
    [
        "Mon, 30 Nov 2026 20:29:02 GMT, Mon, 30 Nov 2026 20:29:03 GMT",
        "Mon, 30 Nov 2026 20:29:02",
        "today",
    ],
    ids=["one of a proxy beside it", "of no zone", "of no sense"],
)
def test_a_date_that_tells_no_time_is_not_compared(host: Host, date: str) -> None:
    client = host.sandbox.http_client()
    answer = client.request

    def dated(*arguments: t.Any, **options: t.Any) -> t.Any:
        body, status, headers = answer(*arguments, **options)
        return body, status, {**headers, "Date": date}

    client.request = dated  # type: ignore[method-assign]
    host.state.stripe.http_client = lambda: client
    host.state.stripe.client = None
    (finding,) = found(host, "clock")
    assert finding["level"] == "ok"
    assert "not compared" in str(finding["text"])


def test_a_lost_subscription_is_found(host: Host) -> None:
    client = host.sandbox.client()
    host.sandbox.webhooks.hold()

    with host.app.app_context():
        customer = host.customer().stripe_id

    assert customer is not None
    (price,) = client.v1.prices.list({"lookup_keys": ["billing_pro_month_usd"]}).data
    client.v1.subscriptions.create(
        {"customer": customer, "items": [{"price": price.id}], "trial_period_days": 3}
    )
    (finding,) = found(host, "orphans")
    assert finding["level"] == "failure"
    assert "unknown here" in finding["text"]

    host.sandbox.webhooks.release()
    host.sandbox.webhooks.deliver()
    assert levels(host, "orphans") == {"ok"}
    (finding,) = found(host, "subscriptions")
    assert "more than one live subscription" in finding["text"]


def test_a_subscription_without_the_metered_item_of_its_plan_is_told(
    make_app: c.Callable[..., Host], database_url: str
) -> None:
    host = make_app(database_url, catalog=METERED)
    Person(host).buy("small")
    host.sandbox.webhooks.deliver()
    assert levels(host, "metered-items") == {"ok"}

    client = host.sandbox.client()
    [subscription] = client.v1.subscriptions.list().data
    metered = next(item for item in subscription["items"].data if "quantity" not in item)
    client.v1.subscriptions.update(
        subscription.id, {"items": [{"id": metered.id, "deleted": True}]}
    )
    host.sandbox.webhooks.deliver()
    (finding,) = found(host, "metered-items")
    assert finding["level"] == "warning"
    assert subscription.id in finding["text"]


def test_a_price_that_stands_for_no_plan_is_told(host: Host) -> None:
    with host.app.app_context(), transaction() as connection:
        connection.execute(sa.update(Subscription).values(plan=None, price="price_odd"))

    (finding,) = found(host, "subscriptions")
    assert "price_odd, which stands for no plan" in finding["text"]


def test_a_plan_that_was_taken_out_of_the_catalog_is_told_until_it_is_named_again(
    make_app: c.Callable[..., Host], database_url: str
) -> None:
    month: dict[str, object] = {"interval": "month", "amount": 900}
    old = make_app(database_url, catalog=selling("starter", month))
    Person(old).buy("starter")
    old.sandbox.webhooks.deliver()
    (row,) = old.rows(Subscription)

    renamed = make_app(database_url, catalog=selling("basic", month), sandbox=old.sandbox)
    (finding,) = found(renamed, "subscriptions")
    assert finding["level"] == "failure"
    assert "1 live subscriptions are on the plan 'starter'" in finding["text"]
    assert "'archived = true'" in finding["advice"]

    named = selling("basic", {**month, "former": [row.price]})
    mended = make_app(database_url, catalog=named, sandbox=old.sandbox)
    assert run(mended, "sync", "--all").exit_code == 0
    assert levels(mended, "subscriptions") == {"ok"}
    assert [row.plan for row in mended.rows(Subscription)] == ["basic"]


def selling(plan: str, price: dict[str, object]) -> dict[str, object]:
    """A catalog of the free plan and one that is sold."""
    sold = {"name": "Paid", "rank": 1, "prices": [price]}
    return {"plans": {"free": {"name": "Free"}, plan: sold}}


def test_a_change_that_is_never_finished_is_told(host: Host) -> None:
    (row,) = host.rows(Subscription)

    with host.app.app_context(), transaction() as connection:
        connection.execute(
            sa.insert(SubscriptionChange).values(
                customer_id=row.customer_id,
                subscription_id=row.id,
                kind="cancel",
                state="open",
                attempt=1,
                created_at=clock.now(),
                asked_at=clock.wall() - HOUR,
            )
        )

    assert levels(host, "changes") == {"failure"}


def test_wishes_about_cards_and_details_that_wait_are_told(host: Host) -> None:
    person = Person(host)
    person.open("/billing/payment-methods/add")
    [card] = [row.stripe_id for row in host.rows(PaymentMethod)]

    with host.sandbox.outage():
        person.press("/billing/payment-methods/setup-intent")
        person.press(f"/billing/payment-methods/{card}/default")
        person.press("/billing/address", name="Ada", email="ada@b.example")

    assert levels(host, "changes") == {"ok"}

    with host.app.app_context(), transaction() as connection:
        connection.execute(sa.update(CustomerChange).values(asked_at=clock.wall() - HOUR))
        connection.execute(sa.update(PaymentMethodChange).values(created_at=clock.wall() - HOUR))

    told = run(host, "doctor", "changes").output
    assert "A change of payment methods is unfinished for 60 minutes." in told
    assert "A change of billing details is unfinished for 60 minutes." in told
    run(host, "jobs", "run", "open-intents")
    assert levels(host, "changes") == {"ok"}


def test_books_that_do_not_balance_are_told(host: Host) -> None:
    with host.app.app_context():
        host.billing.record("tokens", 500, customer=host.customer(), key="a")

        with transaction() as connection:
            connection.execute(sa.update(UsageCounter).values(used=UsageCounter.used + 7))

    (finding,) = found(host, "usage")
    assert finding["level"] == "failure"
    assert "usage reconcile" in str(finding["advice"])
    assert run(host, "usage", "reconcile", "--repair").exit_code == 0
    assert levels(host, "usage") == {"ok"}


def test_tables_of_another_version_are_told(host: Host) -> None:
    assert levels(host, "tables") == {"ok"}

    with host.app.app_context(), host.db.engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE billing_outbox DROP COLUMN error"))
        connection.execute(sa.text("DROP TABLE billing_job_lease"))

    findings = found(host, "tables")
    told = " ".join(str(finding["text"]) for finding in findings)
    assert "The database lacks billing_job_lease." in told
    assert "billing_outbox lacks error." in told
    assert "flask db upgrade" in str(findings[0]["advice"])


def test_without_tables_every_check_that_needs_them_says_so_and_no_more(
    host: Host, caplog: pytest.LogCaptureFixture
) -> None:
    with host.app.app_context():
        host.db.session.remove()
        Base.metadata.drop_all(host.db.engine)

    told = {finding["check"]: finding for finding in found(host)}
    assert told["tables"]["text"] == "The database has none of billing's tables."
    lacking = [one for one in told.values() if one["text"].startswith("It needs tables")]
    assert {one["check"] for one in lacking} >= {"inbox", "outbox", "changes", "scheduler", "usage"}
    assert {one["advice"] for one in [told["tables"], *lacking]} == {
        "Run 'flask billing install-migrations' and 'flask db upgrade'."
    }
    assert {told["keys"]["level"], told["catalog"]["level"]} == {"ok"}
    assert not [record for record in caplog.records if record.name == "flask_billing.doctor"]


def test_a_scheduler_that_stands_still_is_told(host: Host) -> None:
    (finding,) = found(host, "scheduler")
    assert finding["level"] == "failure"  # the fixture ran some of the jobs by hand
    assert "flask billing jobs worker" in str(finding["advice"])


def test_a_job_that_failed_is_told_until_it_went_well(host: Host) -> None:
    with host.sandbox.outage():
        assert run(host, "jobs", "run", "event-sync").exit_code == 1

    assert "failed: Stripe did not answer" in run(host, "jobs", "list").output
    [told] = [one for one in found(host, "scheduler") if "event-sync failed" in one["text"]]
    assert told["level"] == "warning"
    assert "jobs run event-sync" in str(told["advice"])
    assert run(host, "jobs", "run", "event-sync").exit_code == 0
    assert not [one for one in found(host, "scheduler") if "event-sync failed" in one["text"]]


def test_a_stripe_that_is_down_fails_only_what_asks_it(host: Host) -> None:
    with host.sandbox.outage():
        assert levels(host, "catalog", "endpoint", "orphans") == {"failure"}
        assert run(host, "doctor", "--offline", "inbox", "catalog").exit_code == 0


EVERYTHING_BUT_JOBS = (
    "tables", "keys", "clock", "route", "endpoint", "destination", "catalog", "inbox", "outbox",
    "changes", "subscriptions", "metered-items", "orphans", "usage",
)  # fmt: skip


def run(host: Host, *arguments: str) -> Result:
    return host.app.test_cli_runner().invoke(args=["billing", *arguments])


def found(host: Host, *checks: str) -> list[dict[str, t.Any]]:
    result = run(host, "doctor", "--json", *checks)
    assert result.exit_code in (0, 1), result.output
    findings: list[dict[str, t.Any]] = json.loads(result.stdout)
    return findings


def levels(host: Host, *checks: str) -> set[str]:
    return {finding["level"] for finding in found(host, *checks)}
