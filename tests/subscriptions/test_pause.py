"""Pausing for some months, over months of the sandbox's clock and with real webhooks."""

from __future__ import annotations

import collections.abc as c
import datetime as dt
import typing as t

import pytest

from flask_billing import subscriptions
from flask_billing.errors import NotPausableError, StripeUnreachableError
from flask_billing.models import Invoice, Subscription, SubscriptionChange
from flask_billing.sandbox import Sandbox

from ..host import Host
from ..views.person import Person, words
from .leaving import cancel, paid, states, status, use_card

LAST_OF_JANUARY: t.Final = dt.datetime(2027, 1, 31, 10, tzinfo=dt.UTC)
#: Renewals of who bought on that day.
FEBRUARY, MARCH, APRIL, MAY = (
    LAST_OF_JANUARY.replace(month=month, day=day)
    for month, day in ((2, 28), (3, 31), (4, 30), (5, 31))
)
HOUR: t.Final = dt.timedelta(hours=1)
SOON: t.Final = dt.timedelta(0)


@pytest.fixture
def person(make_app: c.Callable[..., Host], database_url: str) -> Person:
    """Somebody who bought Starter on the last of January."""
    # Whose clock stands still there: renewals follow to the second.
    person = Person(make_app(database_url, sandbox=Sandbox(now=LAST_OF_JANUARY)))
    person.buy("starter")
    return person


@pytest.mark.parametrize(("months", "next_paid"), [(1, MARCH), (2, APRIL), (3, MAY)])
def test_what_is_paid_for_is_used_up_and_the_renewal_at_the_end_is_charged(
    person: Person, months: int, next_paid: dt.datetime
) -> None:
    host = person.host
    pause(host, months)
    assert (access(host), limit(host)) == ("pausing", 500_000)
    host.sandbox.clock.advance(to=FEBRUARY - HOUR)
    assert access(host) == "pausing"

    host.sandbox.clock.advance(to=FEBRUARY + HOUR / 2)
    assert (access(host), limit(host)) == ("paused", 100_000)  # what is free
    host.sandbox.clock.advance(to=next_paid - 2 * HOUR)
    assert (access(host), len(paid(host))) == ("paused", 1)

    host.sandbox.clock.advance(to=next_paid - HOUR / 2)
    assert (access(host), limit(host), len(paid(host))) == ("active", 500_000, 1)
    host.sandbox.clock.advance(to=next_paid + 2 * HOUR)
    assert [row.amount_paid for row in paid(host)] == [2900, 2900]
    assert [row.status for row in host.rows(Invoice)] == ["paid", *["void"] * months, "paid"]
    assert (access(host), states(host)[0]) == ("active", "done")
    (row,) = host.rows(Subscription)
    assert row.current_period_start == next_paid


def test_access_comes_back_on_the_day_even_if_stripes_news_do_not(person: Person) -> None:
    pause(person.host, 1)
    person.host.sandbox.clock.advance(to=FEBRUARY + 2 * HOUR)
    assert access(person.host) == "paused"

    person.host.sandbox.webhooks.hold()
    person.host.sandbox.clock.advance(to=MARCH)

    with person.host.app.app_context():
        found = person.host.billing.access(person.host.customer())

    assert (found.allowed, found.reason, found.until) == (True, "active", None)
    assert limit(person.host) == 500_000
    assert person.host.rows(Subscription)[0].pause == "void"  # as it was last heard
    person.host.sandbox.webhooks.release(order="shuffled", duplicates=1)
    assert person.host.rows(Subscription)[0].pause is None


def test_a_pause_that_has_not_begun_can_be_taken_back(person: Person) -> None:
    pause(person.host, 1)
    person.open("/billing/")
    assert person.press("/billing/pause/undo").status_code == 303
    assert "Your plan won't be paused." in words(person.open("/billing/"))
    assert person.press("/billing/pause/undo").status_code == 303  # a second click

    assert (access(person.host), states(person.host)) == ("active", ["undone", "done"])
    person.host.sandbox.clock.advance(to=FEBRUARY + 2 * HOUR)
    assert len(paid(person.host)) == 2


def test_a_paused_plan_runs_again_for_a_new_period_that_is_charged(person: Person) -> None:
    pause(person.host, 2)
    resumed = FEBRUARY + dt.timedelta(days=10)
    person.host.sandbox.clock.advance(to=resumed)
    person.host.sandbox.webhooks.deliver()
    assert "Resume and pay $29.00 now" in words(person.open("/billing/pause/resume"))

    assert person.press("/billing/pause/resume", amount="2900").status_code == 303
    assert "Starter runs again." in words(person.open("/billing/"))

    assert (access(person.host), len(paid(person.host))) == ("active", 2)
    (row,) = person.host.rows(Subscription)
    assert row.current_period_start == row.anchor == resumed
    change = person.host.rows(SubscriptionChange)[-1]
    assert (change.kind, change.state, change.amount) == ("unpause", "done", 2900)
    assert person.press("/billing/pause/resume", amount="2900").status_code == 409
    assert len(paid(person.host)) == 2

    person.host.sandbox.clock.advance(to=resumed + dt.timedelta(days=31, hours=2))
    assert len(paid(person.host)) == 3


def test_a_declined_card_leaves_the_plan_paused(person: Person) -> None:
    pause(person.host, 1)
    person.host.sandbox.clock.advance(to=FEBRUARY + 2 * HOUR)
    use_card(person.host, "pm_card_chargeCustomerFail")
    person.open("/billing/pause/resume")

    answer = person.press("/billing/pause/resume", amount="2900")

    assert answer.status_code == 402
    assert "Your plan stays paused, and nothing was charged." in words(answer)
    assert (access(person.host), len(paid(person.host))) == ("paused", 1)
    assert states(person.host)[-1] == "failed"

    use_card(person.host, "pm_card_visa")
    assert person.press("/billing/pause/resume", amount="2900").status_code == 303
    assert (access(person.host), len(paid(person.host))) == ("active", 2)


@pytest.mark.parametrize("by_stripe", [False, True], ids=["paused here", "paused by Stripe"])
def test_a_bank_that_wants_to_be_asked_is_asked_and_then_the_plan_runs(
    person: Person, by_stripe: bool
) -> None:
    host, stripe = person.host, person.host.sandbox.client().v1

    if by_stripe:
        stripe_id = host.rows(Subscription)[0].stripe_id
        none: t.Any = {"bill_for": {"unused_time_from": {"type": "none"}}}
        stripe.subscriptions.pause(stripe_id, none)
    else:
        pause(host, 1)
        host.sandbox.clock.advance(to=FEBRUARY + 2 * HOUR)

    host.sandbox.webhooks.deliver()
    use_card(host, "pm_card_authenticationRequired")
    person.open("/billing/pause/resume")
    answer = person.press("/billing/pause/resume", amount="2900")
    assert answer.status_code == 303
    page = person.open(answer.headers["Location"])
    assert "Your bank wants you to confirm this payment." in words(page)
    assert "You haven't been charged yet." in words(page)
    assert "data-fb-confirm-payment" in page.text
    assert "Confirm on Stripe" in words(page)
    assert len(paid(host)) == 1

    if by_stripe:  # a second click asks for the same payment
        assert access(host) == "paused"
        again = person.press("/billing/pause/resume", amount="2900")
        assert again.headers["Location"] == answer.headers["Location"]

    (invoice,) = host.rows(Invoice, status="open")
    secret = page.text.partition('data-fb-client-secret="')[2].partition('"')[0]
    bank = f"/sandbox/stripe/3ds/{secret.partition('_secret_')[0]}"
    host.app.test_client().post(bank, data={"client_secret": secret, "answer": "complete"})
    host.sandbox.webhooks.deliver()
    assert (status(host), access(host)) == ("active", "active")
    assert [row.amount_paid for row in paid(host)] == [2900, 2900]
    assert host.rows(Invoice, id=invoice.id)[0].status == "paid"
    assert host.rows(Invoice, status="open") == []


@pytest.mark.parametrize("amount", ["1", "", "free"])
def test_no_other_amount_is_charged_than_the_one_shown(person: Person, amount: str) -> None:
    pause(person.host, 1)
    person.host.sandbox.clock.advance(to=FEBRUARY + 2 * HOUR)
    person.host.sandbox.webhooks.deliver()
    person.open("/billing/pause/resume")

    answer = person.press("/billing/pause/resume", amount=amount)

    assert answer.status_code == 409
    assert "Nothing was charged." in words(answer)
    assert (access(person.host), len(paid(person.host))) == ("paused", 1)


def test_a_lost_answer_to_the_payment_charges_once(person: Person) -> None:
    pause(person.host, 1)
    person.host.sandbox.clock.advance(to=FEBRUARY + 2 * HOUR)
    person.host.sandbox.webhooks.deliver()
    person.open("/billing/pause/resume")
    person.host.sandbox.fail("POST", "/v1/subscriptions/{id}", times=3, status=None, after=True)

    assert person.press("/billing/pause/resume", amount="2900").status_code == 503
    finish(person.host)

    assert (access(person.host), len(paid(person.host))) == ("active", 2)
    assert states(person.host)[-1] == "done"


def test_what_stripe_itself_paused_runs_again_by_its_own_way(person: Person) -> None:
    stripe = person.host.sandbox.client()
    stripe_id = person.host.rows(Subscription)[0].stripe_id
    stripe.v1.subscriptions.pause(stripe_id, {"bill_for": {"unused_time_from": {"type": "none"}}})
    assert (status(person.host), access(person.host)) == ("paused", "paused")

    assert "pay $29.00 now" in words(person.open("/billing/pause/resume"))
    use_card(person.host, "pm_card_chargeCustomerFail")
    assert person.press("/billing/pause/resume", amount="2900").status_code == 402
    assert (status(person.host), len(paid(person.host))) == ("paused", 1)

    use_card(person.host, "pm_card_visa")
    assert person.press("/billing/pause/resume", amount="2900").status_code == 303
    assert (status(person.host), access(person.host)) == ("active", "active")
    assert len(paid(person.host)) == 2


def test_a_coming_pause_can_be_cancelled_with_the_plan(person: Person) -> None:
    pause(person.host, 1)
    assert "You keep Starter until Feb 28, 2027." in words(person.open("/billing/cancel"))
    cancel(person)
    person.host.sandbox.clock.advance(to=MARCH)
    assert (status(person.host), len(paid(person.host))) == ("canceled", 1)


def test_a_plan_that_is_kept_after_all_is_not_paused_any_more(person: Person) -> None:
    pause(person.host, 2)
    assert "The pause won't take place." in words(person.open("/billing/cancel"))
    cancel(person)
    person.press("/billing/resume")

    overview = words(person.open("/billing/"))
    assert "Renews Feb 28, 2027" in overview
    assert "pauses on" not in overview
    assert states(person.host) == ["undone", "undone", "done"]
    person.host.sandbox.clock.advance(to=FEBRUARY + 2 * HOUR)
    assert (access(person.host), len(paid(person.host))) == ("active", 2)


def test_a_paused_plan_ends_the_day_it_is_cancelled(person: Person) -> None:
    pause(person.host, 2)
    person.host.sandbox.clock.advance(to=FEBRUARY + 2 * HOUR)
    person.host.sandbox.webhooks.deliver()
    assert "Starter is paused. Cancelling now ends it today." in words(
        person.open("/billing/cancel")
    )
    cancel(person)
    assert status(person.host) == "canceled"
    person.host.sandbox.clock.advance(to=MAY)
    assert len(paid(person.host)) == 1


def test_a_pause_takes_back_a_cancellation(person: Person) -> None:
    person.open("/billing/cancel")
    cancel(person)
    pause(person.host, 1)

    assert person.host.rows(Subscription)[0].cancel_at is None
    assert (access(person.host), states(person.host)) == ("pausing", ["undone", "pending"])


def test_a_double_click_is_one_pause(person: Person) -> None:
    pause(person.host, 2)
    pause(person.host, 2)
    assert states(person.host) == ["pending"]
    assert refused(person.host, 1) == "paused"


@pytest.mark.parametrize("months", [0, 4, -1])
def test_a_pause_lasts_one_to_three_months(person: Person, months: int) -> None:
    assert refused(person.host, months) == "months"


def test_yearly_plans_and_trials_and_failed_payments_are_not_paused(person: Person) -> None:
    host = person.host
    Person(host, "2").buy("starter", "year")
    Person(host, "3").buy("pro")
    assert refused(host, 1, "2") == "yearly"
    assert refused(host, 1, "3") == "trialing"

    use_card(host, "pm_card_chargeCustomerFail", "1")
    host.sandbox.clock.advance(to=FEBRUARY + HOUR / 2)
    host.sandbox.webhooks.deliver()
    assert refused(host, 1) == "renewing"  # the renewal must not become a gift
    host.sandbox.clock.advance(to=FEBRUARY + 2 * HOUR)
    host.sandbox.webhooks.deliver()
    assert refused(host, 1) == "not_active"
    assert [row.pause for row in host.rows(Subscription)] == [None] * 3


def test_a_scheduled_switch_has_to_be_undone_first(person: Person) -> None:
    stripe_id = person.host.rows(Subscription)[0].stripe_id
    person.host.sandbox.client().v1.subscription_schedules.create({"from_subscription": stripe_id})
    person.host.sandbox.webhooks.deliver()
    assert refused(person.host, 1) == "changing"


def test_a_pause_asked_for_in_an_outage_is_carried_out_later(person: Person) -> None:
    with person.host.sandbox.outage(), pytest.raises(StripeUnreachableError):
        pause(person.host, 1)

    assert (access(person.host), finish(person.host)) == ("active", 1)
    assert (access(person.host), states(person.host)) == ("pausing", ["pending"])


def test_a_lost_answer_makes_no_second_pause(person: Person) -> None:
    person.host.sandbox.fail("POST", "/v1/subscriptions/{id}", times=3, status=None, after=True)

    with pytest.raises(StripeUnreachableError):
        pause(person.host, 1)

    person.host.sandbox.clock.advance(to=FEBRUARY + 2 * HOUR)
    finish(person.host)
    (row,) = person.host.rows(Subscription)
    assert (row.pause_starts_at, row.pause_resumes_at) == (FEBRUARY, MARCH - HOUR)


def pause(host: Host, months: int, owner_id: str = "1") -> SubscriptionChange:
    """Pause the plan of that user."""
    with host.app.app_context():
        return subscriptions.pause(host.customer(owner_id), months)


def refused(host: Host, months: int, owner_id: str = "1") -> str:
    """Why a pause is not possible."""
    with pytest.raises(NotPausableError) as caught:
        pause(host, months, owner_id)

    return caught.value.why


def access(host: Host) -> str:
    """The access rule's reason for user 1."""
    host.sandbox.webhooks.deliver()

    with host.app.app_context():
        return host.billing.access(host.customer()).reason


def limit(host: Host) -> int | None:
    """How many tokens user 1 may use in the period."""
    with host.app.app_context():
        return host.billing.usage("tokens", customer=host.customer()).limit


def finish(host: Host) -> int:
    """Let the job do what a crash or an outage left open."""
    with host.app.app_context():
        return subscriptions.finish_open(min_age=SOON)
