"""Mails on their way: written with the change, sent by the job, each once."""

from __future__ import annotations

import collections.abc as c
import threading
import typing as t

import pytest
import sqlalchemy as sa
from flask_mailman import Mail

from flask_billing import clock, jobs, notifications, subscriptions
from flask_billing.database import transaction
from flask_billing.models import Outbox

from ..host import Host
from ..subscriptions.subscriber import Subscriber
from ..views.person import Person

MakeApp = c.Callable[..., Host]

MAIL = {"MAIL_BACKEND": "locmem", "MAIL_DEFAULT_SENDER": "billing@host.example"}


@pytest.fixture
def mailing(make_app: MakeApp, database_url: str) -> Host:
    """A host with Flask-Mailman, whose user 1 has bought Starter."""
    host = make_app(database_url, BILLING_BASE_URL="https://host.example", **MAIL)
    Mail(host.app)
    Person(host).buy("starter")
    host.sandbox.webhooks.deliver()
    return host


def test_a_purchase_is_welcomed_and_receipted(mailing: Host) -> None:
    run(mailing)

    sent = {message.subject: message for message in outbox_of(mailing)}
    assert set(sent) == {"You're on Starter", "Receipt for $29.00"}
    welcome = sent["You're on Starter"]
    assert welcome.to == ["user1@example.com"]
    assert welcome.from_email == "billing@host.example"
    assert "Hello User 1," in welcome.body
    assert "Price: $29.00 a month" in welcome.body
    assert "Go to billing: https://host.example/billing/" in welcome.body
    html, kind = welcome.alternatives[0]
    assert kind == "text/html"
    assert 'href="https://host.example/billing/"' in html
    assert {row.state for row in mails(mailing)} == {"sent"}


def test_nothing_is_sent_twice(mailing: Host) -> None:
    def work() -> None:
        with mailing.app.app_context():
            notifications.send_waiting()

    workers = [threading.Thread(target=work) for _ in range(4)]

    for worker in workers:
        worker.start()

    for worker in workers:
        worker.join()

    run(mailing)
    assert len(outbox_of(mailing)) == 2


def test_a_mail_server_that_is_down_gets_them_later(mailing: Host) -> None:
    mailing.app.config.update(MAIL_BACKEND="smtp", MAIL_SERVER="127.0.0.1", MAIL_PORT=1)
    Mail(mailing.app)  # where nobody listens
    run(mailing)
    waiting = mails(mailing)
    assert {(row.state, row.attempts) for row in waiting} == {("waiting", 1)}
    assert all(row.next_attempt_at and row.next_attempt_at > clock.wall() for row in waiting)

    mailing.app.config.update(MAIL_BACKEND="locmem")
    Mail(mailing.app)
    run(mailing)
    assert outbox_of(mailing) == []  # not before their time

    make_due(mailing)
    run(mailing)
    assert {row.state for row in mails(mailing)} == {"sent"}
    assert len(outbox_of(mailing)) == 2


def test_without_a_way_to_send_they_are_only_logged(
    any_host: Host, caplog: pytest.LogCaptureFixture
) -> None:
    Person(any_host).buy("starter")
    any_host.sandbox.webhooks.deliver()

    with caplog.at_level("INFO", "flask_billing"):
        run(any_host)

    assert {row.state for row in mails(any_host)} == {"logged"}
    assert "welcome" in caplog.text
    assert "user1@example.com" not in caplog.text


def test_old_news_are_dropped(mailing: Host) -> None:
    with mailing.app.app_context(), transaction() as connection:
        connection.execute(
            sa.update(Outbox)
            .where(Outbox.name == "welcome")
            .values(created_at=clock.wall() - mailing.app.config["BILLING_MAIL_MAX_AGE"] * 2)
        )

    run(mailing)
    assert [message.subject for message in outbox_of(mailing)] == ["Receipt for $29.00"]
    assert {row.name: row.state for row in mails(mailing)}["welcome"] == "dropped"


def test_a_failed_payment_that_was_mended_is_not_told(mailing: Host) -> None:
    run(mailing)
    client = mailing.sandbox.client()

    with mailing.app.app_context():
        customer = mailing.customer().stripe_id
        access = mailing.billing.access(mailing.customer())

    assert customer is not None
    assert access.subscription is not None
    bad = client.v1.payment_methods.attach("pm_card_chargeCustomerFail", {"customer": customer})
    subscription = access.subscription.stripe_id
    client.v1.subscriptions.update(subscription, {"default_payment_method": bad.id})
    mailing.sandbox.clock.advance(days=32)
    mailing.sandbox.webhooks.deliver()
    assert "payment_failed" in {row.name for row in mails(mailing)}

    good = client.v1.payment_methods.attach("pm_card_visa", {"customer": customer})
    (invoice,) = client.v1.invoices.list({"subscription": subscription, "status": "open"}).data
    client.v1.invoices.pay(invoice.id, {"payment_method": good.id})
    mailing.sandbox.webhooks.deliver()
    run(mailing)

    failed = {row.state for row in mails(mailing) if row.name == "payment_failed"}
    assert failed == {"dropped"}
    assert "We couldn't charge your card" not in {m.subject for m in outbox_of(mailing)}


def test_a_change_that_was_taken_back_is_not_told(make_app: MakeApp, database_url: str) -> None:
    host = make_app(database_url, **MAIL)
    Mail(host.app)
    customer = Subscriber(host, "enterprise")
    customer.change("starter")
    run(host)
    told = [message.subject for message in outbox_of(host)]
    assert told[-1].startswith("Your plan changes on ")

    undo(host)
    customer.change("starter")
    undo(host)
    run(host)
    assert [message.subject for message in outbox_of(host)] == told
    states = [row.state for row in mails(host) if row.name == "change_scheduled"]
    assert states == ["sent", "dropped"]
    assert {row.name for row in mails(host)} <= set(notifications.NAMES)


def test_every_mail_that_is_written_can_be_sent(mailing: Host) -> None:
    with mailing.app.app_context():
        customer = mailing.customer()

        for row in mails(mailing):
            letter = notifications.letter_for(row.name, customer, row.body)
            assert letter is not None
            assert notifications.render(letter, customer).text.startswith("Hello User 1,")


def undo(host: Host) -> None:
    """User 1 keeps the plan they have."""
    with host.app.app_context():
        subscriptions.undo_change(host.customer())


def run(host: Host) -> None:
    """Let the job that sends mails run once."""
    with host.app.app_context():
        assert jobs.run_job(jobs.find_job("mail")).state == "ok"


def mails(host: Host) -> list[Outbox]:
    return list(host.rows(Outbox, kind="mail"))


def outbox_of(host: Host) -> list[t.Any]:
    """What Flask-Mailman was given."""
    return list(getattr(host.app.extensions["mailman"], "outbox", []))


def make_due(host: Host) -> None:
    with host.app.app_context(), transaction() as connection:
        connection.execute(sa.update(Outbox).values(next_attempt_at=None))
