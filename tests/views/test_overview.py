"""The billing overview: usage first, the plan and its state, the card, the last invoices."""

from __future__ import annotations

import collections.abc as c
import datetime as dt
import typing as t

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from flask_billing import clock
from flask_billing.models import Invoice, PaymentMethod, Subscription, SubscriptionChange

from ..host import Host
from .person import Person, words

MakeApp = c.Callable[..., Host]

NOW = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)


@pytest.fixture
def person(host: Host) -> Person:
    return Person(host)


@pytest.fixture(autouse=True)
def _frozen(host: Host) -> None:
    clock.set_source(host.app, lambda: NOW)


def test_usage_comes_before_the_plan(host: Host, person: Person) -> None:
    subscribe(host)
    said = words(person.open("/billing/"))

    assert said.index("Tokens") < said.index("Starter")
    assert "Renews Dec 1, 2026" in said
    assert "$29.00 a month" in said
    assert "Visa ending in 4242" in said
    assert "Expires 04/27" in said
    assert "Paid" in said


def test_somebody_without_a_plan_is_led_to_one(host: Host, person: Person) -> None:
    clock.set_source(host.app, host.sandbox.clock.now)  # which says when a checkout may expire
    page = person.open("/billing/")
    said = words(page)

    assert said.index("Choose Pro") < said.index("Your free allowance")
    assert "Secured by Stripe. Cancel any time." in said
    assert "No payment method on file" not in said
    assert person.press("/billing/checkout", plan="pro", interval="month").status_code == 303


STATES: list[tuple[dict[str, t.Any], str]] = [
    (
        {"status": "trialing", "trial_end": NOW + dt.timedelta(days=9)},
        "Your trial ends Nov 29, 2026. First charge $29.00 on Nov 29, 2026.",
    ),
    (
        {"cancel_at": NOW + dt.timedelta(days=10)},
        "Your plan ends on Nov 30, 2026. You won't be charged again.",
    ),
    (
        {"status": "past_due", "past_due_since": NOW - dt.timedelta(days=2)},
        "We couldn't charge Visa 4242. Update your card by Nov 25, 2026 to keep Starter.",
    ),
    (
        {"status": "past_due", "past_due_since": NOW - dt.timedelta(days=20)},
        "We couldn't charge Visa 4242, and Starter is on hold until the payment arrives.",
    ),
    (
        {"status": "paused", "pause_resumes_at": NOW + dt.timedelta(days=10)},
        "Your plan is paused. You aren't being charged. It resumes on Nov 30, 2026.",
    ),
    ({"pause": "void"}, "Your plan is paused. You aren't being charged."),
    ({"status": "incomplete"}, "Your bank needs you to confirm this payment"),
    ({"status": "incomplete_expired"}, "the plan didn't start. You weren't charged."),
    ({"status": "unpaid"}, "An invoice is unpaid, so Starter is suspended."),
    (
        {"status": "canceled", "ended_at": NOW - dt.timedelta(days=1)},
        "Your Starter plan ended on Nov 19, 2026.",
    ),
]


@pytest.mark.parametrize(("columns", "sentence"), STATES)
def test_the_banner_says_what_holds_and_until_when(
    host: Host, person: Person, columns: dict[str, t.Any], sentence: str
) -> None:
    subscribe(host, **columns)

    assert sentence in words(person.open("/billing/"))


def test_the_plan_card_says_once_when_the_plan_ends(host: Host, person: Person) -> None:
    subscribe(host, cancel_at=NOW + dt.timedelta(days=10))

    assert words(person.open("/billing/")).count("Ends Nov 30, 2026") == 1


def test_the_banner_is_on_every_billing_page(host: Host, person: Person) -> None:
    subscribe(host, status="unpaid")

    for path in ("/billing/", "/billing/usage", "/billing/plans"):
        assert "Starter is suspended" in words(person.open(path))


def test_while_all_is_well_there_is_no_banner(host: Host, person: Person) -> None:
    subscribe(host)

    assert "fb-banner" not in person.open("/billing/").text


def test_a_failed_payment_is_announced_at_once(host: Host, person: Person) -> None:
    subscribe(host, status="past_due", past_due_since=NOW)

    assert 'role="alert">\n' in person.open("/billing/").text.replace("  ", "")


def test_a_trial_without_a_card_says_so(host: Host, person: Person) -> None:
    subscribe(host, card=False, status="trialing", trial_end=NOW + dt.timedelta(days=3))

    said = words(person.open("/billing/"))
    assert "Add a card to keep Starter after it." in said
    assert "Trial ends Nov" in said
    assert "First charge" not in said


def test_what_is_charged_after_a_trial_is_said_with_its_taxes(host: Host, person: Person) -> None:
    host.app.config["BILLING_TAX_PHRASE"] = "plus tax"
    subscribe(host, status="trialing", trial_end=NOW + dt.timedelta(days=9))

    assert "First charge $29.00 plus tax on Nov 29, 2026." in words(person.open("/billing/"))


def test_a_change_that_waits_is_announced(host: Host, person: Person) -> None:
    subscription = subscribe(host)

    with host.app.app_context():
        host.db.session.add(
            SubscriptionChange(
                customer_id=1,
                subscription_id=subscription,
                kind="downgrade",
                state="pending",
                to_plan="starter",
                effective_at=NOW + dt.timedelta(days=11),
                created_at=NOW,
            )
        )
        host.db.session.commit()

    assert "Switching to Starter on Dec 1, 2026." in words(person.open("/billing/"))


@pytest.mark.parametrize(
    ("columns", "status"),
    [
        ({"status": "open", "attempt_count": 1}, "Payment failed"),
        ({"status": "open", "due_at": NOW}, "Due Nov 20, 2026"),
        ({"status": "void"}, "Void"),
        ({"amount_refunded": 2900}, "Refunded"),
        ({"amount_refunded": 100}, "Partly refunded"),
        ({"status": "something_new"}, "Updating"),
    ],
)
def test_an_invoice_has_its_status_in_words(
    host: Host, person: Person, columns: dict[str, t.Any], status: str
) -> None:
    subscribe(host, invoice=columns)

    assert status in words(person.open("/billing/"))


def test_seats_are_shown_with_what_they_cost_together(host: Host, person: Person) -> None:
    subscribe(host, quantity=3)
    said = words(person.open("/billing/"))

    assert "3 seats" in said
    assert "$87.00 a month" in said


def test_text_from_outside_is_escaped(host: Host, person: Person) -> None:
    subscribe(host, invoice={"number": "<script>alert(1)</script>"})

    assert "<script>alert" not in person.open("/billing/").text


def test_the_page_needs_few_queries_and_no_call_to_stripe(host: Host, person: Person) -> None:
    subscribe(host)
    person.open("/billing/")
    host.sandbox.forget_requests()

    with counted_queries(host) as statements:
        person.open("/billing/")

    assert len(statements) <= 3, statements
    assert host.sandbox.requests == []


@pytest.mark.parametrize(("page", "most"), [("usage", 4), ("plans", 1), ("history", 3)])
def test_who_looks_and_what_they_have_is_one_query(
    host: Host, person: Person, page: str, most: int
) -> None:
    subscribe(host)
    person.open(f"/billing/{page}")

    with counted_queries(host) as statements:
        person.open(f"/billing/{page}")

    assert len(statements) <= most, statements


def test_an_older_plan_that_runs_is_shown_with_its_own_change_and_card(
    host: Host, person: Person
) -> None:
    running = subscribe(host, default_payment_method="pm_own")
    ended = {"status": "canceled", "started_at": NOW, "ended_at": NOW}
    later = subscribe(host, stripe_id="sub_2", card=False, invoice={"stripe_id": "in_2"}, **ended)

    with host.app.app_context():
        customer = host.customer()
        card = {"type": "card", "brand": "mastercard", "last4": "4444", "synced_at": NOW}
        host.db.session.add(PaymentMethod(customer_id=customer.id, stripe_id="pm_own", **card))

        for subscription, plan in ((running, "pro"), (later, "free")):
            host.db.session.add(
                SubscriptionChange(
                    customer_id=customer.id,
                    subscription_id=subscription,
                    kind="downgrade",
                    state="pending",
                    to_plan=plan,
                    effective_at=NOW + dt.timedelta(days=11),
                    created_at=NOW,
                )
            )

        host.db.session.commit()

    said = words(person.open("/billing/"))
    assert "Switching to Pro on Dec 1, 2026." in said
    assert "Switching to Free" not in said
    assert "Mastercard ending in 4444" in said


def test_a_card_of_another_customer_is_never_shown(host: Host, person: Person) -> None:
    subscribe(host, card=False, default_payment_method="pm_theirs")

    with host.app.app_context():
        theirs = {"type": "card", "brand": "visa", "last4": "1111", "synced_at": NOW}
        other = host.customer("2").id
        host.db.session.add(PaymentMethod(customer_id=other, stripe_id="pm_theirs", **theirs))
        host.db.session.commit()

    said = words(person.open("/billing/"))
    assert "1111" not in said
    assert "No payment method on file." in said


def test_pages_of_one_customer_stay_out_of_caches(person: Person) -> None:
    answer = person.open("/billing/")

    assert answer.headers["Cache-Control"] == "private, no-store"
    assert "HX-Request" in answer.headers["Vary"]


def test_nobody_is_sent_to_sign_in_and_back(make_app: MakeApp) -> None:
    host = make_app(BILLING_LOGIN_ENDPOINT="index")
    visitor = Person(host, None)

    assert visitor.open("/billing/?a=1").headers["Location"] == "/?next=/billing/?a%3D1"
    answer = visitor.open(
        "/billing/meters", htmx=True, **{"HX-Current-URL": "http://localhost/billing/usage"}
    )
    assert answer.status_code == 204
    assert answer.headers["HX-Redirect"] == "/?next=/billing/usage"


def test_a_query_that_is_no_text_is_sent_to_sign_in_too(make_app: MakeApp) -> None:
    host = make_app(BILLING_LOGIN_ENDPOINT="index")
    answer = host.client(None).get("/billing/", environ_overrides={"QUERY_STRING": "a=\xff"})

    assert (answer.status_code, answer.headers["Location"]) == (
        303,
        "/?next=/billing/?a%3D%EF%BF%BD",
    )


@pytest.mark.parametrize(
    "current", ["https://evil.example/x", "http://localhost//evil.example", ""]
)
def test_the_way_back_never_leaves_the_site(make_app: MakeApp, current: str) -> None:
    host = make_app(BILLING_LOGIN_ENDPOINT="index")
    answer = Person(host, None).open("/billing/meters", htmx=True, **{"HX-Current-URL": current})

    assert answer.headers["HX-Redirect"] == "/?next=/billing/"


def test_without_a_sign_in_page_it_is_a_401(host: Host) -> None:
    visitor = Person(host, None)

    assert visitor.open("/billing/").status_code == 401
    assert visitor.open("/billing/meters", htmx=True).status_code == 401
    assert "<html" not in visitor.open("/billing/meters", htmx=True).text


def subscribe(
    host: Host,
    *,
    card: bool = True,
    invoice: dict[str, t.Any] | None = None,
    **columns: t.Any,
) -> int:
    """Give the first customer a subscription, a card and an invoice, as a sync would."""
    with host.app.app_context():
        customer = host.customer()
        values = {
            "status": "active",
            "plan": "starter",
            "last_plan": "starter",
            "interval": "month",
            "quantity": 1,
            "unit_amount": 2900,
            "currency": "usd",
            "current_period_start": NOW - dt.timedelta(days=19),
            "current_period_end": NOW + dt.timedelta(days=11),
            "started_at": NOW - dt.timedelta(days=60),
            "synced_at": NOW,
            **columns,
        }
        subscription = Subscription(**{"customer_id": customer.id, "stripe_id": "sub_1"} | values)
        host.db.session.add(subscription)
        host.db.session.add(Invoice(customer_id=customer.id, **{**_INVOICE, **(invoice or {})}))

        if card:
            customer.default_payment_method = "pm_1"
            host.db.session.add(
                PaymentMethod(
                    customer_id=customer.id,
                    stripe_id="pm_1",
                    type="card",
                    brand="visa",
                    last4="4242",
                    exp_month=4,
                    exp_year=2027,
                    synced_at=NOW,
                )
            )

        host.db.session.commit()
        return subscription.id


_INVOICE: dict[str, t.Any] = {
    "stripe_id": "in_1",
    "number": "A1-0001",
    "status": "paid",
    "currency": "usd",
    "total": 2900,
    "amount_due": 2900,
    "amount_paid": 2900,
    "issued_at": NOW,
    "synced_at": NOW,
}


class counted_queries:  # noqa: N801  (used as a statement)
    """The statements a block sends to the database, on every connection of the app."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._statements: list[str] = []

    def __enter__(self) -> list[str]:
        event.listen(sa.Engine, "before_cursor_execute", self._note)
        return self._statements

    def __exit__(self, *_: object) -> None:
        event.remove(sa.Engine, "before_cursor_execute", self._note)

    def _note(self, _connection: object, _cursor: object, statement: str, *_: object) -> None:
        self._statements.append(statement)
