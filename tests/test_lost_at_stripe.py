"""Checkout where Stripe does not know any more what our rows name.

The sandbox delivers nothing here: what happened at Stripe was not heard of.
"""

from __future__ import annotations

import collections.abc as c
import logging

import pytest
import sqlalchemy as sa

from flask_billing import Customer
from flask_billing.models import Checkout, StripePrice
from flask_billing.row_marks import customer_metadata
from flask_billing.sandbox import Sandbox
from flask_billing.stripe_customers import ensure_stripe_customer

from .host import Host
from .views.person import Person, session_id_of, words

MakeApp = c.Callable[..., Host]


def test_a_customer_deleted_at_stripe_unheard_buys_as_a_new_one(host: Host) -> None:
    person = Person(host)
    person.choose("starter")
    [deleted] = [row.stripe_id for row in host.rows(Customer)]
    host.sandbox.client().v1.customers.delete(deleted)

    person.buy("pro")

    [customer] = host.rows(Customer)
    assert customer.stripe_id not in (None, deleted)
    assert plan_of(person) == "pro"


def test_what_stripe_tells_of_the_next_customer_is_no_old_news(any_host: Host) -> None:
    """Each customer at Stripe has tickets of its own, and the row bears those of the one before."""
    client = any_host.sandbox.client()

    with any_host.app.app_context():
        first = ensure_stripe_customer(any_host.customer(), "A test")
        mark = customer_metadata(any_host.customer())

    for name in ("Ada", "Ada & Sons", "Ada Ltd"):
        client.v1.customers.update(first, {"name": name})
        any_host.sandbox.webhooks.deliver()

    client.v1.customers.delete(first)
    any_host.sandbox.webhooks.deliver()
    second = client.v1.customers.create({"metadata": mark}).id

    for name in ("Eve", "Eve Inc"):
        client.v1.customers.update(second, {"name": name})
        any_host.sandbox.webhooks.deliver()
        [row] = any_host.rows(Customer)
        assert (row.stripe_id, row.name) == (second, name)


def test_a_sandbox_made_anew_does_not_stand_in_the_way(make_app: MakeApp) -> None:
    """In memory, it forgets with each start what the app's database remembers."""
    before = make_app()
    Person(before).choose("starter")

    after = make_app(sandbox=Sandbox(), create=False)
    person = Person(after)
    person.buy("starter")

    assert plan_of(person) == "starter"
    assert [row.state for row in after.rows(Checkout)][-1] == "complete"


def test_a_customer_of_another_account_is_explained_and_kept(
    host: Host, caplog: pytest.LogCaptureFixture
) -> None:
    with host.app.app_context():
        host.customer()
        host.db.session.execute(sa.update(Customer).values(stripe_id="cus_of_another_account"))
        host.db.session.commit()

    host.state.stripe.sandbox = False
    fill_in_prices(host)

    with caplog.at_level(logging.ERROR):
        answer = Person(host).choose("starter")

    assert answer.status_code == 503
    assert "You haven't been charged" in words(answer)
    assert "another account, or of the other mode" in caplog.text
    assert [row.stripe_id for row in host.rows(Customer)] == ["cus_of_another_account"]


def test_a_price_archived_behind_our_back_is_looked_up_again(host: Host) -> None:
    fill_in_prices(host)
    Person(host, "1").choose("starter")
    client = host.sandbox.client()
    [old] = client.v1.prices.list({"lookup_keys": ["billing_starter_month_usd"]}).data
    client.v1.prices.create(
        {
            "product": str(old.product),
            "currency": "usd",
            "unit_amount": old.unit_amount or 0,
            "recurring": {"interval": "month"},
            "lookup_key": "billing_starter_month_usd",
            "transfer_lookup_key": True,
        }
    )
    client.v1.prices.update(old.id, {"active": False})

    assert Person(host, "2").choose("starter").status_code == 303
    assert [row.current for row in host.rows(StripePrice, stripe_id=old.id)] == [False]


def test_a_session_that_ended_at_stripe_unheard_is_not_handed_out(host: Host) -> None:
    person = Person(host)
    first = session_id_of(person.choose("starter").headers["Location"])
    host.sandbox.client().v1.checkout.sessions.expire(first)

    assert session_id_of(person.choose("starter").headers["Location"]) != first
    assert [row.state for row in host.rows(Checkout)] == ["expired", "open"]


def test_a_session_paid_unheard_is_booked_and_not_handed_out(host: Host) -> None:
    person = Person(host)
    session = session_id_of(person.choose("starter").headers["Location"])
    host.sandbox.checkout(session).pay()

    assert person.choose("starter").status_code == 409
    assert plan_of(person) == "starter"


def fill_in_prices(host: Host) -> None:
    """Push the catalog, as one does before selling on an account."""
    answer = host.app.test_cli_runner().invoke(args=["billing", "catalog", "push"])
    assert answer.exit_code == 0, answer.output


def plan_of(person: Person) -> object:
    """The plan that the API tells."""
    answer = person.open("/billing/api/subscription").json
    assert answer is not None
    return answer["plan"]["key"]
