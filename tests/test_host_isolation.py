"""Hosts whose sessions see the database as it was when their transaction began."""

from __future__ import annotations

import collections.abc as c
import concurrent.futures

import pytest
import sqlalchemy as sa

from flask_billing import Owner, checkout
from flask_billing.models import Checkout, Customer

from .host import Host
from .views.person import Person, words

MakeApp = c.Callable[..., Host]


pytestmark = pytest.mark.postgres


@pytest.fixture(params=["REPEATABLE READ", "SERIALIZABLE"])
def host(request: pytest.FixtureRequest, make_app: MakeApp, postgres_url: str) -> Host:
    """A host that keeps to one snapshot a transaction."""
    return make_app(postgres_url, SQLALCHEMY_ENGINE_OPTIONS={"isolation_level": request.param})


def test_the_story_works(host: Host) -> None:
    person = Person(host)
    back = person.pay("starter")
    answer = person.open(back)

    assert answer.status_code == 303
    assert "You're on Starter" in words(person.open("/billing/checkout/done"))
    assert [row.state for row in host.rows(Checkout)] == ["complete"]


def test_a_click_from_many_tabs_opens_one_checkout(host: Host) -> None:
    Person(host).open("/billing/plans")

    with concurrent.futures.ThreadPoolExecutor(4) as tabs:
        answers = list(tabs.map(lambda _: Person(host).choose("starter"), range(4)))

    assert [answer.status_code for answer in answers] == [303] * 4
    assert len({answer.headers["Location"] for answer in answers}) == 1


def test_a_new_customer_costs_the_host_nothing_it_wrote(host: Host) -> None:
    with host.app.app_context():
        session = host.db.session
        session.execute(sa.text("CREATE TABLE note (text VARCHAR(20))"))
        session.commit()
        session.execute(sa.select(Customer)).all()
        session.execute(sa.text("INSERT INTO note VALUES ('kept')"))
        customer = host.billing.customer_for(Owner("user", "ada"))
        number = customer.id
        session.commit()

        assert session.execute(sa.text("SELECT text FROM note")).scalars().all() == ["kept"]

    assert [row.id for row in host.rows(Customer)] == [number]


def test_a_checkout_may_start_late_in_a_transaction(host: Host) -> None:
    with host.app.app_context():
        customer = host.customer()
        host.db.session.commit()
        host.db.session.execute(sa.select(Checkout)).all()
        row = checkout.start(
            customer,
            plan="starter",
            interval="month",
            success_url="https://app.example.com/success",
            cancel_url="https://app.example.com/plans",
        )
        assert row.url
