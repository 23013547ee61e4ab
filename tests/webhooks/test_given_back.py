"""Refunds that meet other news of their invoice."""

from __future__ import annotations

import collections.abc as c

import pytest

from flask_billing.models import Invoice

from ..stripe_double import CannedHost, Request, event
from .stories import made, rows, sign_up

Make = c.Callable[..., CannedHost]


@pytest.fixture
def host(make_canned: Make, database_url: str) -> CannedHost:
    host = make_canned(made("invoice"), database_url=database_url)
    sign_up(host)
    return host


def refund(host: CannedHost, amount: int) -> None:
    """So much is refunded at Stripe."""
    payment = made(
        "invoice_payment", payment__payment_intent__latest_charge__amount_refunded=amount
    )
    host.stripe.put(payment)


def while_credit_notes_are_read(host: CannedHost, happens: c.Callable[[], object]) -> None:
    """Let something happen between the reading of a refund and its writing, once."""

    def look(request: Request) -> None:
        if request.path == "/v1/credit_notes":
            host.stripe.before_return = None
            happens()

    host.stripe.before_return = look


def test_a_newer_look_at_the_invoice_keeps_no_refund_out(host: CannedHost) -> None:
    refund(host, 1000)
    while_credit_notes_are_read(
        host, lambda: host.deliver(event("invoice.updated", made("invoice")))
    )

    assert host.deliver(event("refund.created", made("refund"))).json == {"outcome": "handled"}
    assert [invoice.amount_refunded for invoice in rows(host, Invoice)] == [1000]


def test_a_stale_look_never_takes_a_refund_back(host: CannedHost) -> None:
    refund(host, 500)

    def second() -> None:
        refund(host, 1000)
        host.deliver(event("refund.created", made("refund", id="re_2")))

    while_credit_notes_are_read(host, second)

    assert host.deliver(event("refund.created", made("refund"))).json == {"outcome": "handled"}
    assert [invoice.amount_refunded for invoice in rows(host, Invoice)] == [1000]
