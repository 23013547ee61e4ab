"""Several apps, or one app's database made anew, on one Stripe account."""

from __future__ import annotations

import collections.abc as c
from pathlib import Path

import pytest
import sqlalchemy as sa

from flask_billing import Customer, Owner
from flask_billing.models import Checkout, Subscription
from flask_billing.row_marks import customer_metadata
from flask_billing.sandbox import Sandbox

from .host import Host
from .stripe_double import CannedHost, canned_host, event
from .views.person import Person
from .webhooks.stories import inbox, made, rows, sign_up

MakeApp = c.Callable[..., Host]


@pytest.fixture
def sandbox() -> Sandbox:
    """The account that is shared."""
    return Sandbox()


def test_a_database_made_anew_sells_on_the_same_account(
    make_app: MakeApp, sandbox: Sandbox, tmp_path: Path
) -> None:
    """Stripe remembers idempotency keys for a day, and rows are numbered from 1 again."""
    first = make_app(f"sqlite:///{tmp_path / 'first.sqlite'}", sandbox=sandbox)
    assert Person(first, "ada").choose("starter").status_code == 303
    sandbox.clock.advance(minutes=5)

    second = make_app(f"sqlite:///{tmp_path / 'second.sqlite'}", sandbox=sandbox)

    assert Person(second, "bob").choose("pro").status_code == 303
    assert first.rows(Customer)[0].stripe_id != second.rows(Customer)[0].stripe_id
    assert first.rows(Checkout)[0].session_id != second.rows(Checkout)[0].session_id


@pytest.fixture
def other_app(tmp_path: Path) -> c.Iterator[CannedHost]:
    """An app whose endpoint hears of all that happens on the account."""
    host = canned_host(f"sqlite:///{tmp_path / 'other.sqlite'}")
    yield host
    host.close()


def test_a_purchase_in_another_app_is_nobodys_here(other_app: CannedHost) -> None:
    """The other app's customer 1 is not ours, nor is what they bought."""
    with other_app.app.app_context():
        ours = other_app.billing.customer_for(Owner("user", "ada")).id

    theirs = {"billing_customer": str(ours), "billing_customer_since": "20260101T000000.000000Z"}
    bought = made("subscription", metadata=theirs)
    session = made("session", metadata=theirs, client_reference_id=str(ours))
    other_app.stripe.put(bought, session, made("customer", metadata=theirs))

    for told in (
        event("customer.subscription.created", bought),
        event("checkout.session.completed", session),
    ):
        assert other_app.deliver(told).status_code == 200
        assert inbox(other_app)[told["id"]] == "ignored"

    assert [row.stripe_id for row in rows(other_app, Customer)] == [None]
    assert list(rows(other_app, Subscription)) == []


def test_what_the_account_sells_beside_is_nobodys_here(other_app: CannedHost) -> None:
    """Stripe gives an endpoint up that answers every event of another product with an error."""
    bought = made("subscription")
    other_app.stripe.put(bought, made("customer"))
    told = event("customer.subscription.created", bought)

    assert other_app.deliver(told).status_code == 200
    assert other_app.deliver(told).json == {"outcome": "duplicate"}
    assert inbox(other_app) == {told["id"]: "ignored"}
    assert list(rows(other_app, Subscription)) == []


def test_a_sale_that_names_one_of_our_numbers_is_nobodys_here(other_app: CannedHost) -> None:
    """Whoever opens a Payment Link may write a number into its address."""
    ours = sign_up(other_app, stripe_id=None)
    session = made("session", metadata={}, client_reference_id=str(ours))
    other_app.stripe.put(made("subscription", metadata={}), session, made("customer", metadata={}))
    told = event("checkout.session.completed", session)

    assert other_app.deliver(told).status_code == 200
    assert inbox(other_app) == {told["id"]: "ignored"}
    assert [row.stripe_id for row in rows(other_app, Customer)] == [None]
    assert list(rows(other_app, Subscription)) == []


def test_what_turns_out_to_be_ours_is_replayed(other_app: CannedHost) -> None:
    bought = made("subscription")
    other_app.stripe.put(bought, made("customer"))
    other_app.deliver(event("customer.subscription.created", bought))

    sign_up(other_app)
    answer = other_app.app.test_cli_runner().invoke(args=["billing", "webhooks", "replay", "1"])

    assert answer.exit_code == 0
    assert [row.status for row in rows(other_app, Subscription)] == ["active"]


def test_a_customer_of_ours_who_lost_the_link_gets_it_back(other_app: CannedHost) -> None:
    """Of the objects only the customer says whose it is."""
    number = sign_up(other_app, stripe_id=None)
    [row] = rows(other_app, Customer)
    bought = made("subscription")
    other_app.stripe.put(bought, made("customer", metadata=customer_metadata(row)))

    assert other_app.deliver(event("customer.subscription.created", bought)).status_code == 200
    assert [(row.id, row.stripe_id) for row in rows(other_app, Customer)] == [(number, "cus_1")]
    assert [row.status for row in rows(other_app, Subscription)] == ["active"]


def test_a_second_stripe_customer_of_ours_is_noticed(other_app: CannedHost) -> None:
    sign_up(other_app, stripe_id="cus_other")
    [row] = rows(other_app, Customer)
    bought = made("subscription")
    other_app.stripe.put(bought, made("customer", metadata=customer_metadata(row)))
    told = event("customer.subscription.created", bought)

    assert other_app.deliver(told).status_code == 500
    assert inbox(other_app) == {told["id"]: "failed"}


def test_a_database_brought_back_finds_its_customers_again(host: Host) -> None:
    """The link is younger than the backup; what was bought since says whose it is."""
    person = Person(host, "ada")
    person.buy("starter")
    host.sandbox.webhooks.deliver()

    with host.app.app_context():
        for table in (Checkout, Subscription):
            host.db.session.execute(sa.delete(table))
        host.db.session.execute(sa.update(Customer).values(stripe_id=None))
        host.db.session.commit()

    [subscription] = host.sandbox.client().v1.subscriptions.list().data
    host.sandbox.client().v1.subscriptions.update(subscription.id, {"description": "Renamed"})
    host.sandbox.webhooks.deliver()

    assert host.rows(Customer)[0].stripe_id == subscription.customer
    assert [row.stripe_id for row in host.rows(Subscription)] == [subscription.id]
