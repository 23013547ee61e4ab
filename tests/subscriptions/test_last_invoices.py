"""What was used beyond a plan is charged once it ends, and nothing that was promised not to be."""

from __future__ import annotations

import collections.abc as c
import contextlib

import pytest

from flask_billing import metering, notifications, subscriptions
from flask_billing.errors import BillingError, StripeError
from flask_billing.models import Customer, Outbox, SubscriptionChange

from ..host import Host, user
from ..views.person import words
from ..webhooks.test_crashes import CrashAt, CrashError, crashing
from .leaving import cancel
from .subscriber import DECLINED, GOOD, Subscriber
from .test_intents import SOON
from .test_metered_plans import CATALOG, use


@pytest.fixture
def customer(make_app: c.Callable[..., Host], database_url: str) -> Subscriber:
    """Somebody on Small, 20.00 a month, who pays 2.5 cents for each token beyond 100."""
    host = make_app(database_url, catalog=CATALOG, BILLING_STRIPE_RETRIES=0)
    return Subscriber(host, "small")


def use_silently(customer: Subscriber, units: int) -> None:
    """Use tokens that Stripe does not hear of yet."""
    with customer.host.app.app_context():
        metering.record("tokens", units, customer=customer.host.customer())


def leave(customer: Subscriber) -> None:
    """Cancel on the page."""
    customer.person.open("/billing/cancel")
    cancel(customer.person)


def run_job(customer: Subscriber) -> str:
    """The job that reports usage and collects, as cron runs it; what it said."""
    command = ["billing", "jobs", "run", "meter-export"]
    result = customer.host.app.test_cli_runner().invoke(args=command)
    assert result.exit_code == 0, result.output
    return result.output


def pass_hours(customer: Subscriber, hours: float) -> None:
    """Let time pass, and the webhooks of it arrive."""
    customer.host.sandbox.clock.advance(hours=hours)
    customer.host.sandbox.webhooks.deliver()


def to_the_end(customer: Subscriber) -> None:
    """Let the running period end, a minute ago."""
    end = customer.row.current_period_end
    assert end is not None
    wait = end - customer.host.sandbox.clock.now()
    pass_hours(customer, wait.total_seconds() / 3600 + 1 / 60)


def close(customer: Subscriber, **options: bool) -> None:
    """Close the account, as a host does before it deletes the owner."""
    with customer.host.app.app_context():
        customer.host.billing.close(user("1"), **options)

    customer.host.sandbox.webhooks.deliver()


def test_what_was_used_until_a_cancelled_plan_ends_is_charged_once(customer: Subscriber) -> None:
    use(customer, 300)
    leave(customer)
    use_silently(customer, 40)  # until the last minute
    to_the_end(customer)
    assert (customer.row.status, customer.paid) == ("canceled", [2000])

    assert "1 last invoices collected" in run_job(customer)
    assert "collected" not in run_job(customer)
    pass_hours(customer, 2)
    assert customer.paid == [240 * 5 // 2, 2000]

    run_job(customer)
    customer.pass_days(40)
    assert customer.paid == [600, 2000]


def test_the_page_says_so_once_the_plan_has_ended(customer: Subscriber) -> None:
    leave(customer)
    to_the_end(customer)
    said = words(customer.person.open("/billing/cancel/done"))
    assert "Small has ended. What you used beyond the plan until then is charged" in said


@pytest.mark.parametrize("after", [False, True], ids=["unheard", "unanswered"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_silent_stripe_is_asked_again(customer: Subscriber, method: str, after: bool) -> None:
    use(customer, 300)
    leave(customer)
    to_the_end(customer)
    customer.host.sandbox.fail(method, "/v1/invoices/{id}", status=500, after=after)
    assert "collected" not in run_job(customer)
    customer.host.sandbox.repair()
    run_job(customer)
    pass_hours(customer, 2)
    run_job(customer)
    assert customer.paid == [500, 2000]


def test_what_a_host_turns_off_again_stays_off(customer: Subscriber) -> None:
    use(customer, 300)
    leave(customer)
    to_the_end(customer)
    run_job(customer)
    customer.stripe.v1.invoices.update(customer.invoices[0].id, {"auto_advance": False})
    customer.host.sandbox.webhooks.deliver()
    run_job(customer)
    customer.pass_days(3)
    assert (customer.paid, customer.invoices[0].status) == ([2000], "draft")


def test_a_draft_of_the_host_is_left_to_it(customer: Subscriber) -> None:
    leave(customer)
    to_the_end(customer)
    row = customer.row
    [metered] = [
        str(item.price.id)
        for item in customer.at_stripe["items"].data
        if not item.to_dict().get("quantity")
    ]
    customer.stripe.v1.invoice_items.create(
        {
            "customer": str(customer.at_stripe.customer),
            "amount": 700,
            "currency": "usd",
            "subscription": row.stripe_id,
            "metadata": {"for": metered},
        }
    )
    customer.stripe.v1.invoices.create({"subscription": row.stripe_id})
    customer.host.sandbox.webhooks.deliver()
    assert [one.status for one in customer.invoices] == ["draft", "paid"]
    run_job(customer)
    customer.pass_days(2)
    assert customer.paid == [2000]


def test_nobody_is_charged_weeks_after_a_plan_ended(customer: Subscriber) -> None:
    use(customer, 300)
    leave(customer)
    to_the_end(customer)
    customer.pass_days(8)
    run_job(customer)
    customer.pass_days(1)
    assert customer.paid == [2000]


def test_who_leaves_with_a_card_that_fails_is_charged_no_more(customer: Subscriber) -> None:
    customer.use_card(DECLINED)
    customer.pass_days(32)
    assert customer.row.status == "past_due"
    use(customer, 300)
    said = words(customer.person.open("/billing/cancel"))
    assert "You won't be charged again. What is unpaid stays on your invoices." in said
    customer.use_card(GOOD)
    cancel(customer.person)
    run_job(customer)
    customer.pass_days(30)
    assert [(one.status, one.total) for one in customer.invoices] == [
        ("open", 2000),
        ("paid", 2000),
    ]


# closing an account


def test_what_was_used_until_an_account_is_closed_is_charged(customer: Subscriber) -> None:
    use(customer, 250)
    use_silently(customer, 50)

    with customer.host.app.app_context():
        told = metering.usage("tokens", customer=customer.host.customer()).estimated_charge

    close(customer)
    assert (customer.row.status, customer.paid) == ("canceled", [2000])
    pass_hours(customer, 2)
    assert told is not None
    assert customer.paid == [told.amount, 2000] == [500, 2000]
    [row] = customer.host.rows(Customer)
    assert (row.email, row.closed_at is not None) == (None, True)
    run_job(customer)
    customer.pass_days(40)
    assert len(customer.invoices) == 2


def test_a_host_may_forgive_it(customer: Subscriber) -> None:
    use(customer, 300)
    close(customer, bill_usage=False)
    run_job(customer)
    customer.pass_days(40)
    assert [one.total for one in customer.invoices] == [2000]


@pytest.mark.parametrize("days", [0, 60])
def test_of_many_items_that_wait_each_is_looked_at(customer: Subscriber, days: int) -> None:
    use(customer, 300)
    now = int(customer.host.sandbox.clock.now().timestamp())

    for turn in range(12):  # an invoice tells of ten lines, and of more where it is asked for them
        later = days * 86_400 if turn == 11 else 0
        customer.stripe.v1.invoice_items.create(
            {
                "customer": str(customer.at_stripe.customer),
                "subscription": customer.row.stripe_id,
                "amount": 10,
                "currency": "usd",
                "period": {"start": now, "end": now + later},
            }
        )

    close(customer)
    pass_hours(customer, 2)
    assert customer.paid == ([2000] if days else [500 + 120, 2000])


def test_without_anything_used_closing_charges_nothing(customer: Subscriber) -> None:
    use(customer, 90)
    close(customer)
    customer.pass_days(3)
    assert [one.total for one in customer.invoices] == [2000]


def test_closing_collects_nothing_from_a_card_that_fails(customer: Subscriber) -> None:
    customer.use_card(DECLINED)
    customer.pass_days(32)
    use(customer, 300)
    close(customer)
    run_job(customer)
    customer.pass_days(3)
    assert [(one.status, one.auto_advance) for one in customer.invoices] == [
        ("open", False),
        ("paid", False),
    ]


def test_a_trial_and_a_pause_are_free_to_their_end(
    make_app: c.Callable[..., Host], database_url: str
) -> None:
    plan = {**CATALOG["plans"]["small"], "trial_days": 14}
    host = make_app(database_url, catalog={**CATALOG, "plans": {"small": plan}})
    customer = Subscriber(host, "small")
    use(customer, 300)
    assert customer.row.status == "trialing"
    close(customer)
    customer.pass_days(30)
    assert [one.total for one in customer.invoices] == [0]


def test_what_a_pause_forgives_closing_does_not_charge(customer: Subscriber) -> None:
    use(customer, 300)

    with customer.host.app.app_context():
        subscriptions.pause(customer.host.customer(), months=2)

    close(customer)
    customer.pass_days(3)
    assert [one.total for one in customer.invoices] == [2000]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/billing/meter_events"),
        ("DELETE", "/v1/subscriptions/{id}"),
        ("GET", "/v1/invoices"),
        ("POST", "/v1/invoices/{id}"),
        ("GET", "/v1/invoices/{id}"),
    ],
)
@pytest.mark.parametrize("after", [False, True], ids=["unheard", "unanswered"])
def test_closing_again_charges_once(
    customer: Subscriber, method: str, path: str, after: bool
) -> None:
    use(customer, 250)
    use_silently(customer, 50)
    customer.host.sandbox.fail(method, path, status=500, after=after)

    with contextlib.suppress(StripeError):
        close(customer)

    customer.host.sandbox.repair()
    customer.host.sandbox.webhooks.deliver()
    close(customer)
    run_job(customer)
    pass_hours(customer, 2)
    assert customer.paid == [500, 2000]
    customer.pass_days(3)
    assert len(customer.paid) == 2


def test_a_crash_at_any_commit_of_closing_charges_once(customer: Subscriber) -> None:
    use(customer, 300)

    for turn in range(1, 40):
        crash = CrashAt(turn)

        with crashing(customer.host, "commit", crash), contextlib.suppress(CrashError):
            close(customer)

        if not crash.happened:
            break

        with customer.host.app.app_context(), contextlib.suppress(BillingError):
            customer.host.db.session.rollback()
    else:
        pytest.fail("closing never came to an end")

    pass_hours(customer, 2)
    assert customer.paid == [500, 2000]
    assert [row.state for row in customer.host.rows(SubscriptionChange)] == ["done"]


def test_a_plan_that_bills_no_usage_is_ended_as_ever(
    make_app: c.Callable[..., Host], database_url: str
) -> None:
    customer = Subscriber(make_app(database_url, catalog=CATALOG), "plain")
    close(customer)
    [request] = [one for one in customer.host.sandbox.requests if one.method == "DELETE"]
    assert request.params == {}


# what is said of it


def said_everywhere(customer: Subscriber, *mails: str) -> str:
    """What the overview, the page of a cancellation and these mails say."""
    found = [words(customer.person.open(path)) for path in ("/billing/", "/billing/cancel/done")]

    with customer.host.app.app_context():
        for name in mails:
            row = customer.host.db.session.query(Outbox).filter_by(kind="mail", name=name).one()
            letter = notifications.letter_for(row.name, customer.host.customer(), row.body)
            assert letter is not None
            found += letter.paragraphs

    return " ".join(found)


def test_a_trial_that_was_cancelled_is_said_to_be_free(
    make_app: c.Callable[..., Host], database_url: str
) -> None:
    plan = {**CATALOG["plans"]["small"], "trial_days": 14}
    host = make_app(database_url, catalog={**CATALOG, "plans": {"small": plan}})
    customer = Subscriber(host, "small")
    use(customer, 300)

    with host.sandbox.outage():
        leave(customer)
        found = said_everywhere(customer)
        assert "will finish it automatically. You won't be charged." in found
        assert "beyond the plan" not in found

    with host.app.app_context():
        subscriptions.finish_open(min_age=SOON)

    found = said_everywhere(customer, "cancelled")
    assert found.count("You won't be charged.") == 3
    assert "beyond the plan" not in found

    customer.pass_days(15)
    assert customer.row.status == "canceled"
    found = said_everywhere(customer, "ended")
    assert "You won't be charged again." in found
    assert "beyond the plan" not in found
    run_job(customer)
    customer.pass_days(2)
    assert [one.total for one in customer.invoices] == [0]


def test_a_cancellation_that_is_only_recorded_promises_no_more_than_it_does(
    customer: Subscriber,
) -> None:
    customer.use_card(DECLINED)
    customer.pass_days(32)

    with customer.host.sandbox.outage():
        leave(customer)
        found = said_everywhere(customer)

    assert "will finish it automatically. You won't be charged again." in found
    assert "beyond the plan" not in found
