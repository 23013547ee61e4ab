"""When a payment fails: what every page says, and the ways out of it."""

from __future__ import annotations

import collections.abc as c
import contextlib
import dataclasses
import re

import pytest
import sqlalchemy as sa

from flask_billing.models import Invoice, Subscription

from ..host import Host
from .person import Person, words

MakeApp = c.Callable[..., Host]


@pytest.fixture
def person(any_host: Host) -> Person:
    """Somebody on Starter whose renewal was declined."""
    person = Person(any_host)
    person.buy("starter")
    use_card(any_host, "pm_card_chargeCustomerFail")
    any_host.sandbox.clock.advance(days=31, hours=3)
    any_host.sandbox.webhooks.deliver()
    return person


def test_every_page_says_until_when_and_what_to_do(any_host: Host, person: Person) -> None:
    for page in ("/billing/", "/billing/usage", "/billing/history"):
        said = words(person.open(page))
        assert "We couldn't charge Visa 0341" in said
        assert re.search(r"Update your card by \w+ \d+, \d{4} to keep Starter", said)
        assert "Pay $29.00 now" in said


def test_paying_after_the_card_was_changed_ends_it(any_host: Host, person: Person) -> None:
    person.open("/billing/")
    use_card(any_host, "pm_card_visa")
    any_host.sandbox.webhooks.deliver()
    paid = person.press(pay_address(any_host))
    assert paid.status_code == 303

    any_host.sandbox.webhooks.deliver()
    assert "We couldn't charge" not in words(person.open("/billing/"))
    assert any_host.rows(Subscription)[0].status == "active"
    assert {row.status for row in any_host.rows(Invoice)} == {"paid"}


def test_paying_with_the_same_card_says_why_not(any_host: Host, person: Person) -> None:
    person.open("/billing/")
    declined = person.press(pay_address(any_host))

    assert declined.status_code == 402
    assert "Nothing was charged." in words(declined)
    assert any_host.rows(Subscription)[0].status == "past_due"


@pytest.mark.parametrize("stays_down", [False, True])
def test_a_database_that_fails_after_the_payment_is_told_on_our_own_page(
    any_host: Host, person: Person, stays_down: bool
) -> None:
    person.open("/billing/")
    use_card(any_host, "pm_card_visa")

    with failing("UPDATE billing_customer_change", stays_down=stays_down):
        answer = person.press(pay_address(any_host) + "?to=overview")

    assert answer.status_code == 503
    assert "We don't know yet whether it went through." in words(answer)
    assert "nothing is charged twice" in words(answer)
    again = person.press(pay_address(any_host) + "?to=overview")
    assert again.status_code == 303
    assert "Paid $29.00" in words(person.open("/billing/"))
    client = any_host.sandbox.client()
    assert sum(charge.paid for charge in client.v1.charges.list().data) == 2, "with the first month"


@contextlib.contextmanager
def failing(words: str, *, stays_down: bool) -> c.Iterator[None]:
    """A database that fails at a statement, and then at all the others or at none."""
    failed: list[str] = []

    def fail(_connection: object, _cursor: object, sql: str, *_more: object) -> None:
        if (failed and stays_down) or (not failed and sql.startswith(words)):
            failed.append(sql)
            raise sa.exc.OperationalError(sql, None, Exception("gone"))

    sa.event.listen(sa.Engine, "before_cursor_execute", fail)

    try:
        yield
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", fail)

    assert failed


def test_a_plan_that_was_given_up_is_suspended_until_it_is_paid(
    any_host: Host, person: Person
) -> None:
    sandbox = any_host.sandbox

    with sandbox.changing_settings(dataclasses.replace(sandbox.settings, after_retries="unpaid")):
        sandbox.clock.advance(days=20)

    sandbox.webhooks.deliver()
    said = words(person.open("/billing/"))
    assert "An invoice is unpaid, so Starter is suspended. Pay to restore access." in said
    assert "Suspended" in said

    use_card(any_host, "pm_card_visa")
    assert person.press(pay_address(any_host)).status_code == 303
    sandbox.webhooks.deliver()
    assert any_host.rows(Subscription)[0].status == "active"


def test_a_first_payment_can_be_confirmed_until_it_runs_out(any_host: Host) -> None:
    person = Person(any_host)
    leave_unconfirmed(any_host, person)
    said = words(person.open("/billing/"))
    assert "Your bank needs you to confirm this payment" in said
    assert "It expires in 23 hours." in said
    assert "Action needed" in said

    asked = person.press(pay_address(any_host))
    assert asked.status_code == 402
    assert "data-fb-confirm-payment" in asked.text

    any_host.sandbox.clock.advance(hours=24)
    any_host.sandbox.webhooks.deliver()
    said = words(person.open("/billing/"))
    assert "That payment wasn't completed, so the plan didn't start. You weren't charged." in said
    assert "Try again" in said


def test_what_stripe_refuses_is_not_called_an_outage(any_host: Host) -> None:
    person = Person(any_host)
    person.buy("starter")
    person.open("/billing/cancel")
    person.press("/billing/cancel")
    any_host.sandbox.fail("POST", "/v1/subscriptions/*", status=400)
    answer = person.press("/billing/resume")

    assert answer.status_code == 502
    assert "didn't accept this" in words(answer)
    assert "Nothing was charged." in words(answer)


def test_those_who_may_not_manage_billing_see_no_buttons(any_host: Host, person: Person) -> None:
    any_host.billing.can_manage_billing(lambda: False)
    page = person.open("/billing/")

    assert "We couldn't charge Visa 0341" in words(page)
    assert "Pay $29.00 now" not in words(page)
    assert person.press(pay_address(any_host)).status_code == 403


def pay_address(host: Host) -> str:
    (invoice,) = host.rows(Invoice, status="open")
    return f"/billing/invoices/{invoice.stripe_id}/pay"


def use_card(host: Host, token: str) -> None:
    """Charge the subscription to another test card from now on."""
    client = host.sandbox.client()
    (row,) = host.rows(Subscription)

    with host.app.app_context():
        customer = host.customer().stripe_id

    assert customer is not None
    method = client.v1.payment_methods.attach(token, {"customer": customer})
    client.v1.subscriptions.update(row.stripe_id, {"default_payment_method": method.id})


def leave_unconfirmed(host: Host, person: Person) -> None:
    """A subscription made by support, whose bank asks for the first payment."""
    person.choose("starter")  # makes the customer at Stripe
    client = host.sandbox.client()

    with host.app.app_context():
        customer = host.customer().stripe_id

    assert customer is not None
    method = client.v1.payment_methods.attach(
        "pm_card_authenticationRequired", {"customer": customer}
    )
    (price,) = client.v1.prices.list({"lookup_keys": ["billing_starter_month_usd"]}).data
    client.v1.subscriptions.create(
        {
            "customer": customer,
            "items": [{"price": price.id}],
            "default_payment_method": method.id,
        }
    )
    host.sandbox.webhooks.deliver()
