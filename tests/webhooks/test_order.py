"""Order does not matter: a slow stale look at Stripe never overwrites a newer one."""

from __future__ import annotations

import collections.abc as c
import threading

import pytest
from sqlalchemy import event as sqlalchemy_event

from flask_billing import Customer, database
from flask_billing.models import Invoice, PaymentMethod, Subscription

from ..patience import PATIENCE
from ..stripe_double import CannedHost, Request, StripeObject, event
from .stories import announced, inbox, made, rows, sign_up

Make = c.Callable[..., CannedHost]


class SlowFirst:
    """Holds the first answer back until it is let go."""

    def __init__(self) -> None:
        self.arrived = threading.Event()
        self.let_go = threading.Event()
        self.seen = 0

    def __call__(self, request: Request) -> None:
        self.seen += 1

        if self.seen == 1:
            self.arrived.set()
            assert self.let_go.wait(PATIENCE)


def race(
    host: CannedHost, stale: StripeObject, newer: StripeObject, kinds: tuple[str, str]
) -> None:
    """Deliver ``stale``, and while its answer is on the way, all of ``newer``."""
    slow = host.stripe.before_return = SlowFirst()
    statuses: list[int] = []
    sent = event(kinds[0], stale)
    first = threading.Thread(target=lambda: statuses.append(host.deliver(sent).status_code))
    first.start()
    assert slow.arrived.wait(PATIENCE)
    host.stripe.put(newer)
    statuses.append(host.deliver(event(kinds[1], newer)).status_code)
    slow.let_go.set()
    first.join(PATIENCE)
    assert statuses == [200, 200]


@pytest.fixture
def host(make_canned: Make, database_url: str) -> CannedHost:
    host = make_canned(database_url=database_url)
    sign_up(host)
    return host


ENDS = 1_800_000_000
UPDATED = "customer.subscription.updated"


def test_a_stale_subscription_does_not_overwrite_a_newer_one(host: CannedHost) -> None:
    stale, newer = made("subscription"), made("subscription", status="canceled")
    host.stripe.put(stale)
    race(host, stale, newer, (UPDATED, "customer.subscription.deleted"))

    assert [row.status for row in rows(host, Subscription)] == ["canceled"]
    assert announced(host) == []
    assert set(inbox(host).values()) == {"handled"}


def test_a_stale_subscription_of_a_known_one_announces_nothing(host: CannedHost) -> None:
    started = made("subscription", status="incomplete")
    host.stripe.put(started)
    host.deliver(event("customer.subscription.created", started))
    host.stripe.before_return = None
    race(host, started, made("subscription"), (UPDATED, UPDATED))

    assert [row.status for row in rows(host, Subscription)] == ["active"]
    assert announced(host) == ["mail welcome", "signal subscription.activated"]


def test_a_stale_invoice_does_not_reopen_a_paid_one(host: CannedHost) -> None:
    stale = made("invoice", status="open", amount_paid=0)
    host.stripe.put(stale, made("subscription"))
    race(host, stale, made("invoice"), ("invoice.updated", "invoice.paid"))

    assert [row.status for row in rows(host, Invoice)] == ["paid"]
    assert announced(host).count("signal payment.succeeded") == 1


def test_a_stale_customer_does_not_bring_the_old_address_back(host: CannedHost) -> None:
    stale = made("customer", email="old@example.com")
    host.stripe.put(stale)
    race(host, stale, made("customer"), ("customer.updated", "customer.updated"))

    assert [row.email for row in rows(host, Customer)] == ["ada@example.com"]


def test_a_stale_card_is_not_attached_again(host: CannedHost) -> None:
    stale = made("card")
    host.stripe.put(stale)
    host.deliver(event("payment_method.attached", stale))
    gone = made("card", customer=None)
    race(host, stale, gone, ("payment_method.updated", "payment_method.detached"))

    [card] = rows(host, PaymentMethod)
    assert card.detached_at is not None


def test_a_stale_payment_does_not_overwrite_the_subscription_it_brings(host: CannedHost) -> None:
    invoice = made("invoice")
    host.stripe.put(made("subscription"), invoice)
    canceled = made("subscription", status="canceled")
    race(host, invoice, canceled, ("invoice.paid", "customer.subscription.deleted"))

    assert [row.status for row in rows(host, Subscription)] == ["canceled"]
    assert [row.status for row in rows(host, Invoice)] == ["paid"]


@pytest.mark.postgres
@pytest.mark.parametrize("known", [False, True], ids=["new", "known"])
def test_a_newer_look_that_comes_between_reading_and_writing_wins(
    make_canned: Make, postgres_url: str, known: bool
) -> None:
    """PostgreSQL admits another writer there; SQLite has only one."""
    host = make_canned(made("subscription"), database_url=postgres_url)
    sign_up(host)

    if known:
        host.deliver(event("customer.subscription.created", made("subscription")))

    with host.app.app_context():
        engine = database.engine()

    interrupted: list[int] = []

    def interrupt(*arguments: object) -> None:
        if "INSERT INTO billing_subscription" in str(arguments[2]) and not interrupted:
            interrupted.append(0)
            newer = made("subscription", status="past_due", cancel_at=ENDS)
            host.stripe.put(newer)
            other = threading.Thread(target=host.deliver, args=[event(UPDATED, newer)])
            other.start()
            other.join(PATIENCE)

    sqlalchemy_event.listen(engine, "before_cursor_execute", interrupt)
    stale = made("subscription", status="active")
    assert host.deliver(event(UPDATED, stale)).status_code == 200
    sqlalchemy_event.remove(engine, "before_cursor_execute", interrupt)

    assert interrupted
    assert [row.status for row in rows(host, Subscription)] == ["past_due"]
    assert announced(host).count("signal subscription.activated") == (1 if known else 0)


def test_a_look_that_began_earlier_but_arrived_first_is_replaced(host: CannedHost) -> None:
    """The other way round: the newer look is the slow one."""
    stale, newer = made("subscription"), made("subscription", status="past_due")
    host.stripe.put(stale)
    host.deliver(event(UPDATED, stale))
    host.stripe.put(newer)
    slow = host.stripe.before_return = SlowFirst()
    thread = threading.Thread(target=host.deliver, args=(event(UPDATED, newer),))
    thread.start()
    assert slow.arrived.wait(PATIENCE)
    slow.let_go.set()
    thread.join(PATIENCE)

    assert [row.status for row in rows(host, Subscription)] == ["past_due"]


def test_a_later_object_heard_of_first_is_linked_by_itself(host: CannedHost) -> None:
    """The invoice of a subscription may come before the subscription and the checkout."""
    host.stripe.put(made("subscription"), made("invoice"), made("session"))

    for kind, name in (
        ("invoice.paid", "invoice"),
        ("customer.subscription.created", "subscription"),
        ("checkout.session.completed", "session"),
    ):
        assert host.deliver(event(kind, made(name))).status_code == 200

    assert announced(host).count("signal subscription.activated") == 1
