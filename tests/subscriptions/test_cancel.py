"""Cancelling over HTTP, with real webhooks: in every state, and whatever happens to Stripe."""

from __future__ import annotations

import dataclasses

import pytest

from flask_billing.models import Cancellation, Invoice, Subscription, SubscriptionChange
from flask_billing.row_marks import reference

from ..host import Host
from ..views.person import Person, words
from .leaving import bodies, cancel, failing, paid, start_incomplete, states, status


@pytest.fixture
def person(any_host: Host) -> Person:
    """Somebody who has bought Starter by the month."""
    person = Person(any_host)
    person.buy("starter")
    return person


def test_two_clicks_and_no_reason_cancel_at_the_end_of_the_period(person: Person) -> None:
    page = person.open("/billing/cancel")
    (row,) = person.host.rows(Subscription)
    assert row.current_period_end is not None
    end = f"{row.current_period_end:%b} {row.current_period_end.day}, {row.current_period_end.year}"
    assert f"You keep Starter until {end}. You won't be charged again." in words(page)

    answer = cancel(person)

    assert answer.status_code == 303
    said = words(person.open(answer.headers["Location"]))
    (change,) = person.host.rows(SubscriptionChange)
    assert "Your plan is cancelled" in said
    assert f"You keep Starter until {end}. You won't be charged again." in said
    assert f"Reference {reference(change)}" in said
    assert "We e-mailed a confirmation to user1@example.com." in said
    assert "Keep my plan" in said
    assert (change.state, change.reason, change.actor) == ("pending", None, "user1@example.com")
    assert change.shown == f"You keep Starter until {end}.\nYou won't be charged again."
    assert bodies(person.host, "cancelled") == [
        {"reference": reference(change), "requested_at": change.created_at.isoformat()}
        | {"ends_at": row.current_period_end.isoformat()}
    ]

    person.host.sandbox.clock.advance(days=32)
    assert states(person.host) == ["done"]
    assert status(person.host) == "canceled"
    assert len(paid(person.host)) == 1
    # What was confirmed is over: that is another mail.
    assert len(bodies(person.host, "cancelled")) == len(bodies(person.host, "ended")) == 1


def test_keeping_the_plan_is_possible_until_it_ends(person: Person) -> None:
    person.open("/billing/cancel")
    cancel(person)
    person.open("/billing/cancel/done")

    assert person.press("/billing/resume").headers["Location"] == "/billing/"
    assert "You keep Starter. Nothing changes." in words(person.open("/billing/"))
    assert person.press("/billing/resume").status_code == 303  # a second click

    assert states(person.host) == ["undone", "done"]
    person.host.sandbox.clock.advance(days=32)
    assert (status(person.host), len(paid(person.host))) == ("active", 2)


def test_a_double_click_and_a_second_tab_are_one_cancellation(person: Person) -> None:
    person.open("/billing/cancel")
    cancel(person)
    cancel(person, reason="unused")
    assert person.open("/billing/cancel").headers["Location"] == "/billing/cancel/done"

    assert states(person.host) == ["pending"]
    assert len(bodies(person.host, "cancelled")) == 1


def test_duplicated_late_and_shuffled_webhooks_end_in_what_stripe_has(person: Person) -> None:
    webhooks = person.host.sandbox.webhooks
    webhooks.hold()
    person.open("/billing/cancel")
    cancel(person)
    person.open("/billing/cancel/done")
    person.press("/billing/resume")
    person.open("/billing/cancel")
    cancel(person)
    webhooks.release(order="shuffled", duplicates=2)

    (row,) = person.host.rows(Subscription)
    assert row.cancel_at == row.current_period_end
    assert states(person.host) == ["undone", "done", "pending"]

    webhooks.hold()
    person.host.sandbox.clock.advance(days=32)
    webhooks.release(order="reversed", duplicates=1)
    assert status(person.host) == "canceled"
    assert states(person.host) == ["undone", "done", "done"]
    assert len(bodies(person.host, "cancelled")) == 2
    assert len(bodies(person.host, "ended")) == 1


def test_a_trial_ends_with_its_last_day_and_nothing_is_charged(any_host: Host) -> None:
    person = Person(any_host)
    person.buy("pro")
    assert "You won't be charged." in words(person.open("/billing/cancel"))
    cancel(person)

    (row,) = any_host.rows(Subscription)
    assert row.cancel_at == row.trial_end
    any_host.sandbox.clock.advance(days=16)
    assert status(any_host) == "canceled"
    assert paid(any_host) == []


def test_a_scheduled_switch_does_not_stand_in_the_way(person: Person) -> None:
    stripe = person.host.sandbox.client()
    stripe_id = person.host.rows(Subscription)[0].stripe_id
    stripe.v1.subscription_schedules.create({"from_subscription": stripe_id})
    person.host.sandbox.webhooks.deliver()

    person.open("/billing/cancel")
    assert cancel(person).status_code == 303
    found = stripe.v1.subscriptions.retrieve(stripe_id)
    assert (found.schedule, found.cancel_at_period_end) == (None, True)


def test_somebody_past_due_leaves_at_once_and_is_not_collected_from(any_host: Host) -> None:
    person = failing(any_host)
    said = words(person.open("/billing/cancel"))
    assert "Cancelling now ends Starter today and stops payment attempts." in said

    answer = cancel(person, reason="too_expensive", comment="  No\r\nmoney ")

    assert "Starter has ended." in words(person.open(answer.headers["Location"]))
    assert status(any_host) == "canceled"
    (change,) = any_host.rows(SubscriptionChange, kind="cancel")
    assert (change.state, change.reason, change.feedback) == (
        "done", "too_expensive", "No\nmoney",
    )  # fmt: skip
    assert change.effective_at == any_host.rows(Subscription)[0].ended_at
    (mail,) = bodies(any_host, "cancelled")
    assert (mail["reference"], bodies(any_host, "ended")) == (reference(change), [])

    (unpaid,) = [row for row in any_host.rows(Invoice) if row.status == "open"]
    attempts = unpaid.attempt_count
    any_host.sandbox.clock.advance(days=30)
    found = any_host.sandbox.client().v1.invoices.retrieve(unpaid.stripe_id)
    assert (found.status, found.auto_advance, found.attempt_count) == ("open", False, attempts)


def test_somebody_unpaid_for_months_is_let_go_with_every_draft(any_host: Host) -> None:
    sandbox = any_host.sandbox

    with sandbox.changing_settings(dataclasses.replace(sandbox.settings, after_retries="unpaid")):
        person = failing(any_host)
        sandbox.clock.advance(days=50)

    assert status(any_host) == "unpaid"
    person.open("/billing/cancel")
    cancel(person)

    assert status(any_host) == "canceled"
    kept = sandbox.client().v1.invoices.list().data
    assert {invoice.status for invoice in kept} == {"paid", "open", "draft"}
    assert [invoice.auto_advance for invoice in kept if invoice.status != "paid"] == [False, False]
    sandbox.clock.advance(days=60)
    assert len(paid(any_host)) == 1


def test_a_plan_that_never_began_leaves_no_debt(any_host: Host) -> None:
    person = Person(any_host)
    start_incomplete(any_host)
    assert status(any_host) == "incomplete"

    assert "you weren't charged" in words(person.open("/billing/cancel"))
    cancel(person)

    assert status(any_host) in ("canceled", "incomplete_expired")
    assert [row.status for row in any_host.rows(Invoice)] == ["void"]


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ({"reason": "because"}, "Choose one of the reasons, or none."),
        ({"comment": "x" * 501}, "Your comment is longer than 500 characters."),
    ],
)
def test_an_answer_that_cannot_be_kept_is_refused_and_nothing_is_cancelled(
    person: Person, form: dict[str, str], says: str
) -> None:
    person.open("/billing/cancel")
    answer = cancel(person, **form)

    assert answer.status_code == 422
    assert says in words(answer)
    assert 'aria-invalid="true"' in answer.text
    assert person.host.rows(SubscriptionChange) == []


def test_a_comment_may_hold_what_databases_and_browsers_trip_over(person: Person) -> None:
    person.open("/billing/cancel")
    assert cancel(person, comment="\0" + "\r\n".join("x" * 250)).status_code == 303
    assert len(person.host.rows(SubscriptionChange)[0].feedback) == 499


def test_what_was_read_must_be_what_holds(person: Person) -> None:
    person.open("/billing/cancel")
    answer = cancel(person, read="something else")

    assert answer.status_code == 409
    assert "Nothing was cancelled yet." in words(answer)
    assert person.host.rows(SubscriptionChange) == []


def test_who_has_no_plan_has_nothing_to_cancel(any_host: Host) -> None:
    person = Person(any_host)
    person.open("/billing/plans")

    for answer in (person.open("/billing/cancel"), cancel(person), person.press("/billing/resume")):
        assert answer.status_code == 409
        assert "no plan" in words(answer)


def test_members_who_may_not_manage_only_read(person: Person) -> None:
    person.open("/billing/cancel")
    person.host.billing.can_manage_billing(lambda: False)

    said = words(person.open("/billing/cancel"))
    assert "Ask an admin of your account" in said
    assert "Keep my plan" not in said
    assert "Cancel plan" not in words(person.open("/billing/"))
    assert cancel(person).status_code == 403
    assert person.press("/billing/resume").status_code == 403
    assert person.host.rows(SubscriptionChange) == []


def test_why_may_be_said_afterwards(person: Person) -> None:
    person.open("/billing/cancel")
    cancel(person)
    assert "Tell us why" in words(person.open("/billing/cancel/done"))
    person.host.sandbox.clock.advance(days=1)  # and long after the visit is over

    person.press("/billing/cancel/explain", reason="unused", comment="Too busy")
    (visit,) = person.host.rows(Cancellation)
    assert (visit.outcome, visit.reason, visit.comment) == ("cancelled", "unused", "Too busy")

    assert "Tell us why" not in words(person.open("/billing/cancel/done"))
    stripe_id = person.host.rows(Subscription)[0].stripe_id
    found = person.host.sandbox.client().v1.subscriptions.retrieve(stripe_id)
    assert found.cancellation_details is not None
    assert found.cancellation_details.feedback == "unused"
    assert found.cancellation_details.comment == "Too busy"
    assert person.press("/billing/cancel/explain", reason="nonsense").status_code == 422
