"""Closing an account: first nothing is charged any more, then nobody is named any more."""

from __future__ import annotations

import datetime as dt
import json
import typing as t

import pytest
import sqlalchemy as sa

from flask_billing.errors import HostSessionBusyError, StripeError
from flask_billing.models import (
    Base,
    Customer,
    Invoice,
    Outbox,
    Subscription,
    SubscriptionChange,
    UsageEvent,
    UsageRollup,
)

from .host import Host, user
from .subscriptions.subscriber import BANK_ASKS, Subscriber
from .views.person import Person, words

SECRETS = (
    "user1@example.com", "User 1", "Mr Secretive", "my diary", "4242", "grace@example.com",
    "DE123456789",
)  # fmt: skip


@pytest.fixture
def person(any_host: Host) -> Person:
    """Somebody with a plan, a card, usage of two members and words of their own."""
    person = Person(any_host)
    person.buy("starter")
    person.open("/billing/cancel")
    person.press("/billing/cancel", htmx=False, token=None, comment="my diary")
    person.press("/billing/resume")

    with any_host.app.app_context():
        customer = any_host.customer()

        for member, quantity in (("grace@example.com", 5), ("Mr Secretive", 7), (None, 1)):
            any_host.billing.record("tokens", quantity, customer=customer, member=member)

        assert customer.stripe_id is not None
        any_host.sandbox.client().v1.customers.tax_ids.create(
            customer.stripe_id, {"type": "eu_vat", "value": "DE123456789"}
        )

    any_host.sandbox.webhooks.deliver()
    return person


def test_a_closed_account_is_charged_no_more_and_named_nowhere(person: Person) -> None:
    host = person.host
    close(host)
    host.sandbox.webhooks.deliver()

    (customer,) = host.rows(Customer)
    assert customer.closed_at is not None
    assert (customer.email, customer.name, customer.address) == (None, None, None)
    assert customer.stripe_id is not None
    assert [row.status for row in host.rows(Subscription)] == ["canceled"]
    assert [(row.status, row.amount_paid) for row in host.rows(Invoice)] == [("paid", 2900)]
    assert found_in(host, SECRETS) == []

    # What was used is still counted, only not by whom.
    assert sum(row.quantity for row in host.rows(UsageEvent)) == 13
    assert [(row.member, row.quantity, row.events) for row in host.rows(UsageRollup)] == [
        ("", 13, 3)
    ]
    history = [(row.kind, row.state) for row in host.rows(SubscriptionChange)]
    assert history == [("cancel", "undone"), ("resume", "done"), ("close", "done")]

    host.sandbox.clock.advance(days=40)
    host.sandbox.webhooks.deliver()
    assert len(host.rows(Invoice)) == 1


def test_late_webhooks_bring_no_name_back(person: Person) -> None:
    host = person.host
    stripe = host.sandbox.client()
    (customer,) = host.rows(Customer)
    host.sandbox.webhooks.hold()
    stripe.v1.customers.update(customer.stripe_id, {"name": "Mr Secretive"})
    close(host)
    host.sandbox.webhooks.release(order="shuffled", duplicates=1)
    assert found_in(host, SECRETS) == []


def test_it_is_stripe_that_says_what_runs(person: Person) -> None:
    host = person.host
    host.sandbox.webhooks.hold()
    stripe = host.sandbox.client()
    (row,) = host.rows(Subscription)
    stripe.v1.subscriptions.create(
        {
            "customer": host.rows(Customer)[0].stripe_id,
            "items": [{"price": row.price}],
            "default_payment_method": row.default_payment_method,
        }
    )

    close(host)

    found = stripe.v1.subscriptions.list({"status": "all"}).data
    assert [one.status for one in found] == ["canceled", "canceled"]
    assert [row.status for row in host.rows(Subscription)] == ["canceled", "canceled"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/subscriptions"),
        ("GET", "/v1/subscriptions/{id}"),
        ("DELETE", "/v1/subscriptions/{id}"),
        ("GET", "/v1/checkout/sessions"),
    ],
)
@pytest.mark.parametrize("status", [500, 400, 401])
def test_nobody_is_forgotten_while_something_may_still_be_charged(
    person: Person, method: str, path: str, status: int
) -> None:
    host = person.host
    host.sandbox.fail(method, path, times=5, status=status)

    with pytest.raises(StripeError):
        close(host)

    (customer,) = host.rows(Customer)
    assert (customer.email, customer.closed_at) == ("user1@example.com", None)

    host.sandbox.repair()
    close(host)
    assert host.rows(Customer)[0].closed_at is not None
    assert [row.status for row in host.rows(Subscription)] == ["canceled"]


def test_an_open_checkout_can_be_paid_no_more(any_host: Host) -> None:
    person = Person(any_host)
    person.choose("starter")
    close(any_host)
    (session,) = any_host.sandbox.client().v1.checkout.sessions.list().data
    assert session.status == "expired"


def test_what_waits_for_the_bank_cannot_be_paid_any_more(host: Host) -> None:
    customer = Subscriber(host)
    customer.use_card(BANK_ASKS)
    customer.change("pro")
    close(host)

    assert [invoice.status for invoice in customer.invoices] == ["void", "paid"]


def test_closing_again_and_closing_strangers_does_nothing(person: Person) -> None:
    host = person.host
    close(host)
    closed_at = host.rows(Customer)[0].closed_at
    asked = len(host.sandbox.requests)
    close(host)

    with host.app.app_context():
        assert host.billing.close(user("2")) is None

    assert (host.rows(Customer)[0].closed_at, len(host.sandbox.requests)) == (closed_at, asked)


def test_what_was_never_paid_for_is_let_go_too(any_host: Host) -> None:
    any_host.client().get("/billing/")
    close(any_host)
    (customer,) = any_host.rows(Customer)
    assert (customer.email, customer.closed_at is not None) == (None, True)
    assert any_host.sandbox.requests == []


def test_mails_that_wait_are_not_sent_to_nobody(person: Person) -> None:
    close(person.host)
    person.host.sandbox.webhooks.deliver()
    waiting = {row.state for row in person.host.rows(Outbox, kind="mail")}
    assert waiting == {"dropped"}
    doctor = person.host.app.test_cli_runner().invoke(args=["billing", "doctor", "outbox"])
    assert (doctor.exit_code, doctor.output) == (
        0,
        "ok      outbox: Every signal and mail has left.\n",
    )


def test_signing_in_later_finds_an_account_without_a_name_and_buying_reopens_it(
    person: Person,
) -> None:
    host = person.host
    close(host)
    said = words(person.open("/billing/"))
    assert "Choose Pro" in said
    assert host.rows(Customer)[0].email is None

    person.buy("starter")

    person.open("/billing/")
    (customer,) = host.rows(Customer)
    assert (customer.closed_at, customer.email) == (None, "user1@example.com")
    assert [row.status for row in host.rows(Subscription)] == ["canceled", "active"]


def test_a_host_that_has_not_committed_is_told_so(make_app: t.Callable[..., Host]) -> None:
    host = make_app()

    with host.app.app_context():
        customer = host.customer()
        customer.locale = "de"

        with pytest.raises(HostSessionBusyError):
            host.billing.close(user("1"))

        host.db.session.rollback()


def close(host: Host) -> None:
    """What the host does before it deletes user 1."""
    with host.app.app_context():
        host.billing.close(user("1"))


def found_in(host: Host, secrets: t.Iterable[str]) -> list[str]:
    """Where something that should be forgotten still stands, but for the inbox's payloads."""
    places = []

    with host.app.app_context():
        for table in Base.metadata.sorted_tables:
            for row in host.db.session.execute(sa.select(table)).mappings():
                said = {name: value for name, value in row.items() if not _is_time(value)}
                text = json.dumps(said, default=str) if table.name != INBOX else ""
                places += [f"{table.name}: {secret}" for secret in secrets if secret in text]

    return places


def _is_time(value: object) -> bool:
    """A microsecond may well be 4242."""
    return isinstance(value, dt.datetime)


INBOX = "billing_webhook_event"
