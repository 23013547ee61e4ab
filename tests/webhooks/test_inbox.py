"""The inbox: deferred events, retries with back-off, dead letters, replays."""

from __future__ import annotations

import collections.abc as c
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from flask_billing import webhooks
from flask_billing.models import Subscription, WebhookEvent

from ..stripe_double import CannedHost, event
from .stories import announced, inbox, let_time_pass, made, rows, run_jobs, sign_up

Make = c.Callable[..., CannedHost]
UPDATED = "customer.subscription.updated"


def failing(make_canned: Make, **settings: object) -> CannedHost:
    """A host whose event fails, because nobody is linked to its customer yet."""
    host = make_canned(made("subscription"), **settings)
    host.deliver(event(UPDATED, made("subscription"), id="evt_1"))
    return host


def only_event(host: CannedHost) -> WebhookEvent:
    [row] = rows(host, WebhookEvent)
    assert isinstance(row, WebhookEvent)
    return row


def test_a_deferred_event_is_answered_before_stripe_is_asked(make_canned: Make) -> None:
    host = make_canned(made("subscription"), BILLING_WEBHOOK_PROCESSING="deferred")
    sign_up(host)
    sent = event(UPDATED, made("subscription"))

    for _ in range(2):
        answer = host.deliver(sent)
        assert (answer.status_code, answer.json) == (200, {"outcome": "deferred"})

    assert host.stripe.requests == []
    assert inbox(host) == {sent["id"]: "waiting"}

    run_jobs(host)
    assert inbox(host) == {sent["id"]: "handled"}
    assert announced(host) == ["mail welcome", "signal subscription.activated"]
    assert host.deliver(sent).json == {"outcome": "duplicate"}


def test_deferred_events_of_unknown_types_need_no_job(make_canned: Make) -> None:
    host = make_canned(BILLING_WEBHOOK_PROCESSING="deferred")

    assert host.deliver(event("payout.paid", made("payout"))).json == {"outcome": "ignored"}


def test_one_look_closes_all_that_piled_up(make_canned: Make) -> None:
    host = make_canned(made("subscription"), BILLING_WEBHOOK_PROCESSING="deferred")
    sign_up(host)

    for _ in range(3):
        host.deliver(event(UPDATED, made("subscription")))

    with host.app.app_context():
        webhooks.process(3)

    assert set(inbox(host).values()) == {"handled"}
    assert len(host.stripe.requests) == 1


def test_a_failure_keeps_its_traceback_and_waits_longer_each_time(make_canned: Make) -> None:
    host = failing(make_canned)
    waits = []

    for attempt in (1, 2, 3):
        row = only_event(host)
        assert (row.state, row.attempts) == ("failed", attempt)
        assert "UnlinkedCustomerError" in (row.error or "")
        assert "Traceback" in (row.error or "")
        assert row.next_attempt_at is not None
        waits.append(row.next_attempt_at - datetime.now(UTC))
        let_time_pass(host)
        run_jobs(host)

    assert timedelta(seconds=10) < waits[0] < waits[1] < waits[2] < timedelta(hours=6)


def test_an_event_is_not_tried_before_its_time(make_canned: Make) -> None:
    host = failing(make_canned)
    run_jobs(host)

    assert only_event(host).attempts == 1


def test_after_the_last_attempt_an_event_is_a_dead_letter(make_canned: Make) -> None:
    host = failing(make_canned, BILLING_WEBHOOK_MAX_ATTEMPTS=3)

    for _ in range(5):
        let_time_pass(host)
        run_jobs(host)

    row = only_event(host)
    assert (row.state, row.attempts) == ("dead", 3)

    sign_up(host)
    answer = host.deliver(event(UPDATED, made("subscription"), id="evt_1"))
    assert answer.json == {"outcome": "handled"}
    row = only_event(host)
    assert (row.state, row.error, row.next_attempt_at) == ("handled", None, None)
    assert announced(host) == ["mail welcome", "signal subscription.activated"]


def test_an_event_whose_process_died_is_retried_after_two_minutes(make_canned: Make) -> None:
    host = make_canned(made("subscription"))
    sign_up(host)

    with host.app.app_context():
        now = datetime.now(UTC)
        host.db.session.add(
            WebhookEvent(
                stripe_id="evt_1",
                type=UPDATED,
                object_id="sub_1",
                state="waiting",
                payload='{"id": "evt_1", "type": "customer.subscription.updated", '
                '"data": {"object": {"id": "sub_1", "object": "subscription"}}}',
                received_at=now,
                next_attempt_at=now + timedelta(minutes=2),
            )
        )
        host.db.session.commit()

    run_jobs(host)
    assert inbox(host) == {"evt_1": "waiting"}
    let_time_pass(host)
    run_jobs(host)
    assert inbox(host) == {"evt_1": "handled"}


def test_one_broken_event_does_not_keep_the_others_waiting(make_canned: Make) -> None:
    host = failing(make_canned)
    sign_up(host)
    host.deliver(event(UPDATED, made("subscription", id="sub_unknown"), id="evt_2"))
    host.deliver(event(UPDATED, made("subscription", id="sub_unknown"), id="evt_3"))

    with host.app.app_context():
        host.db.session.execute(
            sa.update(WebhookEvent)
            .where(WebhookEvent.stripe_id == "evt_2")
            .values(payload=None)  # pruned meanwhile
        )
        host.db.session.commit()

    let_time_pass(host)
    run_jobs(host)
    assert inbox(host) == {"evt_1": "handled", "evt_2": "dead", "evt_3": "failed"}


def test_an_event_can_be_processed_again_at_will(make_canned: Make) -> None:
    host = make_canned(made("subscription"))
    sign_up(host)
    host.deliver(event(UPDATED, made("subscription")))
    host.stripe.put(made("subscription", status="past_due"))

    with host.app.app_context():
        assert webhooks.process(1) == "handled"

    assert [row.status for row in rows(host, Subscription)] == ["past_due"]
    assert announced(host) == ["mail welcome", "signal subscription.activated"]


def test_an_ignored_event_stays_ignored(make_canned: Make) -> None:
    host = make_canned()
    host.deliver(event("payout.paid", made("payout")))

    with host.app.app_context():
        assert webhooks.process(1) == "ignored"

    assert list(inbox(host).values()) == ["ignored"]


def test_a_type_that_is_no_longer_taken_is_ignored_when_retried(make_canned: Make) -> None:
    host = failing(make_canned)

    with host.app.app_context():
        host.db.session.execute(
            sa.update(WebhookEvent).values(
                payload='{"id": "evt_1", "type": "gone.now", "data": {"object": {}}}'
            )
        )
        host.db.session.commit()

    let_time_pass(host)
    run_jobs(host)
    assert inbox(host) == {"evt_1": "ignored"}
