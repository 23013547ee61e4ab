"""Checkout: from the chosen plan over the hosted page to the plan that is active."""

from __future__ import annotations

import collections.abc as c
import re

import pytest

from flask_billing import Owner
from flask_billing.models import Checkout, Customer, Subscription

from ..host import Host
from .person import Person, session_id_of, words

MakeApp = c.Callable[..., Host]


@pytest.fixture
def person(host: Host) -> Person:
    return Person(host)


def test_choosing_a_plan_leads_to_the_hosted_page(person: Person) -> None:
    answer = person.choose("starter")

    assert answer.status_code == 303
    assert "/sandbox/stripe/" in answer.headers["Location"]


@pytest.mark.parametrize(
    ("owner", "kept"),
    [
        (Owner("team", "7", "a@b.example", "n" * 600), ("a@b.example", "n" * 256)),
        (Owner("team", "7", "a@b.example", "Ann\r\nBee\0"), ("a@b.example", "Ann  Bee")),
        (Owner("team", "7", "a@b.example", "می\u200cروم"), ("a@b.example", "می\u200cروم")),
        (Owner("team", "7", "a" * 600 + "@b.example", "Ann"), (None, "Ann")),
        (Owner("team", "7", "a@b.example\r\nBcc: c@d.example", "Ann"), (None, "Ann")),
    ],
)
def test_a_name_that_no_invoice_takes_keeps_nobody_from_buying(
    any_host: Host, owner: Owner, kept: tuple[str | None, str]
) -> None:
    any_host.billing.owner_loader(lambda: owner)

    assert Person(any_host, None).choose("starter").status_code == 303
    [customer] = any_host.rows(Customer)
    assert (customer.email, customer.name) == kept


def test_htmx_is_sent_there_by_a_header_because_it_cannot_follow_a_redirect(
    person: Person,
) -> None:
    person.open("/billing/plans")
    answer = person.press("/billing/checkout", htmx=True, plan="starter", interval="month")

    assert answer.status_code == 204
    assert "/sandbox/stripe/" in answer.headers["HX-Redirect"]
    assert "Location" not in answer.headers


def test_a_paid_checkout_says_so_once_and_leaves_a_clean_address(person: Person) -> None:
    back = person.buy("starter")
    assert back.headers["Location"] == "/billing/checkout/done"

    done = person.open("/billing/checkout/done")
    assert "You're on Starter" in words(done)
    assert done.text.count('data-fb-toast="success"') == 1
    assert "Receipt sent to user1@example.com." in words(done)

    again = person.open("/billing/checkout/done")
    assert "You're on Starter" in words(again)
    assert "Receipt sent" not in words(again)


def test_opening_the_return_address_twice_announces_it_once(person: Person) -> None:
    address = person.pay()
    person.open(address)
    person.open("/billing/")
    person.open(address)

    assert "Receipt sent" not in words(person.open("/billing/"))


def test_a_trial_starts_without_a_charge(person: Person) -> None:
    person.buy("pro")
    page = words(person.open("/billing/checkout/done"))

    assert "Your Pro trial has started" in page
    assert "You haven't been charged." in page


def test_the_page_says_updating_until_the_plan_is_known(host: Host, person: Person) -> None:
    host.sandbox.webhooks.hold()
    address = person.pay()

    with host.sandbox.outage():
        person.open(address)
        page = person.open("/billing/checkout/done")
        assert "We're updating your plan" in words(page)
        polled = _polled(page.text)
        waiting = person.open(polled, htmx=True)
        assert "hx-trigger" in waiting.text
        assert "<html" not in waiting.text

    active = person.open(_polled(waiting.text), htmx=True)
    assert "You're on Starter" in words(active)
    assert "hx-trigger" not in active.text
    assert 'hx-swap-oob="beforeend:#fb-toasts"' in active.text
    assert "autofocus" in active.text


def test_other_pages_say_updating_too_and_watch_for_the_plan(host: Host, person: Person) -> None:
    host.sandbox.webhooks.hold()
    address = person.pay()

    with host.sandbox.outage():
        person.open(address)
        page = person.open("/billing/")
        assert "We're updating your plan" in words(page)
        assert 'hx-get="/billing/checkout/watch"' in page.text
        assert person.open("/billing/checkout/watch", htmx=True).status_code == 204
        assert person.open("/billing/checkout/watch").headers["Location"] == "/billing/"

    news = person.open("/billing/checkout/watch", htmx=True)
    assert news.headers["HX-Redirect"] == "/billing/"
    page = person.open("/billing/")
    assert "You're on Starter." in words(page)
    assert "We're updating your plan" not in words(page)


def test_a_plan_that_a_webhook_brought_ends_the_waiting(host: Host, person: Person) -> None:
    host.sandbox.webhooks.hold()
    address = person.pay()

    with host.sandbox.outage():
        person.open(address)

    host.sandbox.webhooks.release()
    host.sandbox.webhooks.deliver()
    assert "We're updating your plan" not in words(person.open("/billing/"))

    (row,) = host.rows(Subscription)
    host.sandbox.client().v1.subscriptions.cancel(row.stripe_id)
    host.sandbox.webhooks.deliver()
    assert "We're updating your plan" not in words(person.open("/billing/"))


def test_after_a_minute_of_waiting_it_stops_asking(host: Host, person: Person) -> None:
    host.sandbox.webhooks.hold()
    address = person.pay()

    with host.sandbox.outage():
        person.open(address)
        last = person.open("/billing/checkout/status?poll=30", htmx=True)

    assert "This is taking longer than usual." in words(last)
    assert "hx-trigger" not in last.text


def test_somebody_elses_session_is_nobodys_business(host: Host, person: Person) -> None:
    address = person.pay()
    stranger = Person(host, "2")

    answer = stranger.open(address)

    assert answer.status_code == 404
    assert host.rows(Subscription, customer_id=2) == []
    assert (
        stranger.open("/billing/checkout/status?session_id=cs_test_x", htmx=True).status_code == 404
    )


@pytest.mark.parametrize("session_id", ["", "cs_test_x", "%00", "%ff", "{CHECKOUT_SESSION_ID}"])
def test_an_address_that_names_no_session_is_not_found(any_host: Host, session_id: str) -> None:
    person = Person(any_host)

    for path in ("success", "status"):
        answer = person.open(f"/billing/checkout/{path}?session_id={session_id}")
        assert answer.status_code == 404


def test_leaving_checkout_says_that_nothing_was_charged(host: Host, person: Person) -> None:
    hosted = person.choose("starter", "year").headers["Location"]
    session = host.sandbox.client().v1.checkout.sessions.retrieve(session_id_of(hosted))
    assert session.cancel_url is not None
    left = person.open(session.cancel_url.removeprefix("http://localhost"))

    assert left.headers["Location"] == "/billing/plans?interval=year"
    back = words(person.open(left.headers["Location"]))
    assert "Checkout cancelled. You weren't charged." in back
    assert "Checkout cancelled" not in words(person.open("/billing/plans"))


def test_an_unfinished_checkout_can_be_picked_up(host: Host, person: Person) -> None:
    hosted = person.choose("starter").headers["Location"]
    person.open(f"/billing/checkout/success?session_id={session_id_of(hosted)}")
    page = person.open("/billing/checkout/done")

    assert "You haven't been charged." in words(page)
    assert f'href="{hosted}"' in page.text


def test_a_second_plan_is_refused_with_the_way_to_the_first(person: Person) -> None:
    person.open("/billing/plans")
    person.buy("starter")
    answer = person.press("/billing/checkout", plan="pro", interval="month")

    alert = person.press("/billing/checkout", htmx=True, plan="pro", interval="month")

    assert answer.status_code == alert.status_code == 409
    assert "Nothing was charged." in words(answer)
    assert 'href="/billing/"' in answer.text
    assert 'href="/billing/"' in alert.text


@pytest.mark.parametrize(
    ("plan", "interval"),
    [("free", "month"), ("legacy", "month"), ("gold", "month"), ("pro", "week"), ("", "")],
)
def test_what_is_not_for_sale_is_not_found(
    host: Host, person: Person, plan: str, interval: str
) -> None:
    answer = person.choose(plan, interval)

    assert answer.status_code == 404
    assert "Nothing was charged." in words(answer)
    assert host.rows(Checkout) == []


@pytest.mark.parametrize("quantity", ["2", "0", "-1", "1.5", "many", "9" * 30])
def test_a_quantity_that_does_not_fit_the_plan_is_refused(person: Person, quantity: str) -> None:
    answer = person.choose("starter", quantity=quantity)

    assert answer.status_code == 422
    assert "You weren't charged." in words(answer)


def test_price_trial_and_return_address_of_the_form_are_ignored(host: Host, person: Person) -> None:
    person.choose(
        "starter", amount="1", trial_days="700", price="price_x", success_url="https://evil.example"
    )
    row = host.rows(Checkout)[0]

    assert row.trial_days == 0
    assert row.success_url.startswith("http://localhost/billing/checkout/success")


def test_while_stripe_is_down_nobody_is_charged(host: Host, person: Person) -> None:
    person.open("/billing/plans")

    with host.sandbox.outage():
        page = person.press("/billing/checkout", plan="starter", interval="month")
        alert = person.press("/billing/checkout", htmx=True, plan="starter", interval="month")

    assert page.status_code == alert.status_code == 503
    assert "We couldn't start checkout" in words(page)
    assert "You haven't been charged. Try again." in words(alert)
    assert 'hx-swap-oob="beforeend:#fb-alerts"' in alert.text
    assert alert.headers["HX-Reswap"] == "none"
    assert person.choose("starter").status_code == 303


def test_a_choice_made_before_signing_in_survives_it(make_app: MakeApp) -> None:
    host = make_app(BILLING_LOGIN_ENDPOINT="index")
    visitor = Person(host, None)
    wish = "/billing/checkout/start?plan=pro&interval=year"

    assert f'href="{wish}"'.replace("&", "&amp;") in visitor.open("/billing/plans").text
    away = visitor.open(wish)
    assert away.status_code == 303
    assert away.headers["Location"].startswith("/?next=")

    visitor.client.post("/login", data={"user": "1"})
    page = visitor.open(wish)
    assert "data-fb-submit-once" in page.text
    assert "billed $986.04 yearly" in words(page)
    assert "Continue to checkout" in words(page)
    assert host.rows(Checkout) == []
    assert host.sandbox.requests == []
    assert visitor.press("/billing/checkout", plan="pro", interval="year").status_code == 303


@pytest.mark.parametrize(
    "wish",
    [
        "plan=free&interval=month",
        "plan=legacy&interval=month",
        "plan=pro&interval=week",
        "plan=pro",
        "plan=x&interval=year",
        "",
    ],
)
def test_a_choice_that_is_not_for_sale_is_not_found(host: Host, wish: str) -> None:
    assert Person(host, None).open(f"/billing/checkout/start?{wish}").status_code == 404


def test_a_choice_is_refused_to_somebody_who_has_a_plan(person: Person) -> None:
    person.buy("starter")

    assert person.open("/billing/checkout/start?plan=pro&interval=month").status_code == 409


def test_the_hosts_own_page_can_be_where_it_ends(make_app: MakeApp) -> None:
    host = make_app(BILLING_CHECKOUT_DONE_ENDPOINT="index")
    person = Person(host)

    assert person.buy("starter").headers["Location"] == "/"
    assert "You're on Starter." in words(person.open("/billing/"))
    assert "You're on Starter." not in words(person.open("/billing/"))


def test_the_hosts_own_page_is_where_late_news_lead_too(make_app: MakeApp) -> None:
    host = make_app(BILLING_CHECKOUT_DONE_ENDPOINT="index")
    person = Person(host)
    host.sandbox.webhooks.hold()
    address = person.pay()

    with host.sandbox.outage():
        assert person.open(address).headers["Location"] == "/billing/checkout/done"
        waiting = person.open("/billing/checkout/done")
        assert "We're updating your plan" in words(waiting)

    landed = person.open(_polled(waiting.text), htmx=True)
    assert (landed.status_code, landed.headers["HX-Redirect"]) == (204, "/")
    assert "You're on Starter." in words(person.open("/billing/"))
    assert "You're on Starter." not in words(person.open("/billing/"))


def test_only_those_who_may_manage_billing_can_buy(make_app: MakeApp) -> None:
    host = make_app()
    host.billing.can_manage_billing(lambda: False)
    person = Person(host)
    page = person.open("/billing/plans")

    assert "Ask an admin" in words(page)
    assert '<form class="fb-form"' not in page.text


def test_signed_out_in_between_leads_to_signing_in(make_app: MakeApp) -> None:
    host = make_app(BILLING_LOGIN_ENDPOINT="index")
    person = Person(host)
    person.open("/billing/plans")

    with person.client.session_transaction() as session:
        session.clear()

    answer = person.press("/billing/checkout", htmx=True, plan="starter", interval="month")

    assert answer.status_code == 204
    assert answer.headers["HX-Redirect"].startswith("/?next=")


def _polled(html: str) -> str:
    found = re.search(r'hx-get="([^"]+)"', html)
    assert found is not None, html
    return found[1].replace("&amp;", "&")
