"""Paying an open invoice: once, whatever happens meanwhile."""

from __future__ import annotations

import datetime as dt
import threading

import pytest

from flask_billing import invoices
from flask_billing.errors import (
    CardDeclinedError,
    InvoiceNotFoundError,
    InvoiceNotPayableError,
    NoPaymentMethodError,
    StripeUnreachableError,
)
from flask_billing.models import CustomerChange, Invoice, Subscription

from ..host import Host
from .debtor import ASKS_THE_BANK, DECLINED_LATER, GOOD, charges, in_debt, use_card

SOON = dt.timedelta(0)


def pay(host: Host, invoice: Invoice, owner_id: str = "1") -> invoices.Payment:
    with host.app.app_context():
        return invoices.pay(host.customer(owner_id), invoice.stripe_id, "ada")


def test_a_payment_settles_the_invoice_and_the_plan(any_host: Host) -> None:
    invoice = in_debt(any_host)
    assert any_host.rows(Subscription)[0].status == "past_due"

    payment = pay(any_host, invoice)

    assert (payment.state, payment.now) == ("paid", True)
    assert payment.invoice.status == "paid"
    assert any_host.rows(Subscription)[0].status == "active"
    (change,) = any_host.rows(CustomerChange)
    assert (change.state, change.subject, change.actor) == ("done", invoice.stripe_id, "ada")


def test_paying_again_charges_nothing(host: Host) -> None:
    invoice = in_debt(host)
    pay(host, invoice)
    before = charges(host)

    again = pay(host, invoice)

    assert (again.state, again.now) == ("paid", False)
    assert charges(host) == before


def test_clicks_that_meet_charge_once(any_host: Host) -> None:
    invoice = in_debt(any_host)
    before = charges(any_host)
    outcomes: list[object] = []

    def click() -> None:
        try:
            outcomes.append(pay(any_host, invoice).state)
        except BaseException as error:
            outcomes.append(error)

    threads = [threading.Thread(target=click) for _ in range(4)]

    for thread in threads:
        thread.start()

    for thread in threads:
        thread.join()

    assert outcomes == ["paid"] * 4
    assert charges(any_host) == before + 1
    assert {change.state for change in any_host.rows(CustomerChange)} == {"done"}


def test_an_answer_that_is_lost_is_asked_for_again_under_the_same_key(any_host: Host) -> None:
    invoice = in_debt(any_host)
    before = charges(any_host)
    any_host.sandbox.webhooks.hold()
    any_host.sandbox.fail("POST", "/v1/invoices/*/pay", times=3, status=None, after=True)

    with pytest.raises(StripeUnreachableError):
        pay(any_host, invoice)

    assert [change.state for change in any_host.rows(CustomerChange)] == ["open"]
    assert pay(any_host, invoice).state == "paid"
    assert charges(any_host) == before + 1
    keys = {
        request.idempotency_key
        for request in any_host.sandbox.requests
        if request.path.endswith("/pay")
    }
    assert len(keys) == 1


def test_a_crash_after_the_charge_is_found_by_the_job(any_host: Host) -> None:
    invoice = in_debt(any_host)
    any_host.sandbox.webhooks.hold()
    any_host.sandbox.fail("POST", "/v1/invoices/*/pay", times=3, status=None, after=True)

    with pytest.raises(StripeUnreachableError):
        pay(any_host, invoice)

    with any_host.app.app_context():
        assert invoices.finish_open(min_age=SOON) == 1

    assert any_host.rows(Invoice, stripe_id=invoice.stripe_id)[0].status == "paid"
    assert [change.state for change in any_host.rows(CustomerChange)] == ["done"]


def test_the_job_charges_nobody(host: Host) -> None:
    invoice = in_debt(host)
    before = charges(host)

    with host.sandbox.outage(), pytest.raises(StripeUnreachableError):
        pay(host, invoice)

    with host.app.app_context():
        assert invoices.finish_open(min_age=SOON) == 0  # it may still be on its way

    (change,) = host.rows(CustomerChange)

    with host.app.app_context():
        row = host.db.session.get_one(CustomerChange, change.id)
        row.asked_at -= dt.timedelta(minutes=6)
        host.db.session.commit()
        assert invoices.finish_open(min_age=SOON) == 1

    (change,) = host.rows(CustomerChange)
    assert (change.state, change.reason) == ("failed", "never_arrived")
    assert charges(host) == before


def test_a_decline_leaves_it_open_and_another_card_pays(any_host: Host) -> None:
    invoice = in_debt(any_host, card=DECLINED_LATER)

    with pytest.raises(CardDeclinedError) as declined:
        pay(any_host, invoice)

    assert "Nothing was charged." in str(declined.value)
    with any_host.app.app_context():
        stripe_id = any_host.customer().stripe_id

    assert stripe_id is not None
    use_card(any_host, stripe_id, GOOD)
    assert pay(any_host, invoice).state == "paid"
    assert [change.state for change in any_host.rows(CustomerChange)] == ["failed", "done"]


def test_a_bank_that_asks_first_leads_to_the_page_at_stripe(host: Host) -> None:
    invoice = in_debt(host, card=ASKS_THE_BANK)
    before = charges(host)

    payment = pay(host, invoice)

    assert payment.state == "needs_confirmation"
    assert payment.hosted_url is not None
    assert payment.client_secret is not None
    assert charges(host) == before


def test_somebody_elses_invoice_is_not_found(any_host: Host) -> None:
    invoice = in_debt(any_host)
    before = len(any_host.sandbox.requests)

    for number in (invoice.stripe_id, "in_unknown", "", "\0"):
        with any_host.app.app_context(), pytest.raises(InvoiceNotFoundError):
            invoices.pay(any_host.customer("2"), number)

    assert len(any_host.sandbox.requests) == before


def test_a_void_invoice_is_not_paid(host: Host) -> None:
    invoice = in_debt(host)
    host.sandbox.webhooks.hold()  # so that we learn it only from Stripe's refusal
    host.sandbox.client().v1.invoices.void_invoice(invoice.stripe_id)

    with pytest.raises(InvoiceNotPayableError):
        pay(host, invoice)

    assert host.rows(Invoice, stripe_id=invoice.stripe_id)[0].status == "void"


def test_an_invoice_paid_elsewhere_meanwhile_is_paid(host: Host) -> None:
    invoice = in_debt(host)
    host.sandbox.webhooks.hold()
    host.sandbox.client().v1.invoices.pay(invoice.stripe_id)

    payment = pay(host, invoice)

    assert (payment.state, payment.now) == ("paid", False)


def test_without_a_card_there_is_a_way_out(host: Host) -> None:
    invoice = in_debt(host)
    client = host.sandbox.client()

    with host.app.app_context():
        stripe_id = host.customer().stripe_id

    assert stripe_id is not None

    for method in client.v1.customers.payment_methods.list(stripe_id).data:
        client.v1.payment_methods.detach(method.id)

    with pytest.raises(NoPaymentMethodError):
        pay(host, invoice)


def test_the_latest_invoice_is_fetched_where_its_event_is_late(host: Host) -> None:
    invoice = in_debt(host)

    with host.app.app_context():
        row = host.db.session.get_one(Invoice, invoice.id)
        host.db.session.delete(row)
        host.db.session.commit()

    assert pay(host, invoice).state == "paid"
