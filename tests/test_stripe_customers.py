"""Making a customer at Stripe, where the first try went wrong."""

from __future__ import annotations

import pytest

from flask_billing.errors import StripeError, StripeRejectedError, StripeUnreachableError
from flask_billing.models import Customer
from flask_billing.row_marks import customer_metadata, idempotency_key
from flask_billing.sandbox import idempotency
from flask_billing.stripe_customers import ensure_stripe_customer

from .host import Host


def make(host: Host, name: str | None = None) -> str:
    """Make user 1 a customer at Stripe."""
    with host.app.app_context():
        customer = host.customer()

        if name is not None:
            customer.name = name
            host.db.session.commit()

        return ensure_stripe_customer(customer, "A test")


def test_a_server_error_that_stripe_keeps_is_left_behind(any_host: Host) -> None:
    with any_host.app.app_context():
        customer = any_host.customer()
        key = idempotency_key(customer, "customer", 1)
        params = {
            "metadata": {
                **customer_metadata(customer),
                "owner_type": customer.owner_type,
                "owner_id": customer.owner_id,
            },
            "email": customer.email,
            "name": customer.name,
        }

    with any_host.sandbox._room.store.transaction() as connection:
        idempotency.remember(
            connection,
            key,
            idempotency.fingerprint("POST", "/v1/customers", params),
            idempotency.Replay(500, '{"error": {"type": "api_error"}}', "req_1"),
        )

    with pytest.raises(StripeUnreachableError):
        make(any_host)

    stripe_id = make(any_host)
    any_host.sandbox.client().v1.customers.update(stripe_id, {"name": "Ada"})
    any_host.sandbox.webhooks.deliver()
    assert [row.name for row in any_host.rows(Customer)] == ["Ada"], "it is no old news"


def test_without_an_answer_the_same_customer_is_asked_for(any_host: Host) -> None:
    any_host.sandbox.fail("POST", "/v1/customers", times=3, status=None, after=True)

    with pytest.raises(StripeError):
        make(any_host)

    assert make(any_host)
    assert len(any_host.sandbox.client().v1.customers.list().data) == 1


def test_who_is_called_otherwise_by_then_is_made_all_the_same(any_host: Host) -> None:
    any_host.sandbox.fail("POST", "/v1/customers", times=3, status=None, after=True)

    with pytest.raises(StripeError):
        make(any_host)

    with pytest.raises(StripeRejectedError):
        make(any_host, "Ada")

    assert make(any_host)


def test_of_two_tabs_the_one_refused_makes_no_old_news_for_the_other(any_host: Host) -> None:
    with any_host.app.app_context():
        customer = any_host.customer()
        any_host.sandbox.fail("POST", "/v1/customers", status=400)

        with pytest.raises(StripeRejectedError):
            make(any_host)

        stripe_id = ensure_stripe_customer(customer, "A test")

    any_host.sandbox.client().v1.customers.update(stripe_id, {"name": "Ada"})
    any_host.sandbox.webhooks.deliver()
    assert [row.name for row in any_host.rows(Customer)] == ["Ada"]
