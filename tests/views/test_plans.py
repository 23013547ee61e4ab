"""The plans page: prices, savings, and what each visitor can do."""

from __future__ import annotations

import collections.abc as c
import re
import typing as t

import pytest

from flask_billing import checkout, clock
from flask_billing.models import Checkout, StripePrice

from ..host import CATALOGS, Host
from .person import Person, words

MakeApp = c.Callable[..., Host]

BACK: t.Final = "http://localhost/billing/"
PLAN: dict[str, t.Any] = {
    "name": "Pro",
    "rank": 1,
    "prices": [{"interval": "month", "amount": 9900}, {"interval": "year", "amount": 98_604}],
}


def test_a_visitor_sees_prices_and_can_choose(host: Host) -> None:
    page = Person(host, None).open("/billing/plans")
    said = words(page)

    assert page.status_code == 200
    assert "$99 per month, billed monthly" in said
    assert "$82.17 per month, billed $986.04 yearly" in said
    assert "Save $201.96 a year" in said
    assert "Save 17%" in said
    assert "14-day trial" in said
    assert "500K tokens a month" in said
    assert "Choose Pro" in said
    assert "Legacy" not in said
    assert host.sandbox.requests == []


def test_the_yearly_prices_have_an_address(host: Host) -> None:
    page = Person(host, None).open("/billing/plans?interval=year")

    assert 'data-fb-interval="year"' in page.text
    assert re.search(r'value="year" checked', page.text)
    nonsense = Person(host, None).open("/billing/plans?interval=<b>")
    assert 'data-fb-interval="month"' in nonsense.text


def test_savings_that_differ_say_up_to(make_app: MakeApp) -> None:
    more = {
        **PLAN,
        "rank": 2,
        "prices": [PLAN["prices"][0], {"interval": "year", "amount": 89_100}],
    }
    host = make_app(catalog={"plans": {"pro": PLAN, "max": more}})

    assert "Save up to 25%" in words(Person(host, None).open("/billing/plans"))


def test_one_interval_needs_no_toggle(make_app: MakeApp) -> None:
    host = make_app(catalog={"plans": {"pro": {**PLAN, "prices": PLAN["prices"][:1]}}})

    assert 'type="radio"' not in Person(host, None).open("/billing/plans").text


def test_prices_are_in_the_currency_of_the_customer(make_app: MakeApp) -> None:
    host = make_app()
    host.billing.currency_for(lambda customer: "eur")
    said = words(Person(host).open("/billing/plans"))

    assert "€27 per month" in said
    assert "$" not in said.replace("$0", "")
    assert "Unavailable" in said
    assert "Choose Pro" not in said


def test_a_price_kept_at_stripe_shows_once_it_is_known(make_app: MakeApp) -> None:
    price = {"interval": "month", "stripe_price": "price_1"}
    host = make_app(catalog={"plans": {"pro": {**PLAN, "prices": [price]}}})
    assert "Unavailable" in words(Person(host, None).open("/billing/plans"))

    with host.app.app_context():
        host.db.session.add(
            StripePrice(
                stripe_id="price_1",
                plan="pro",
                interval="month",
                currency="usd",
                amount=4200,
                current=True,
                synced_at=clock.now(),
            )
        )
        host.db.session.commit()

    assert "$42 per month" in words(Person(host, None).open("/billing/plans"))


def test_a_catalog_without_a_free_plan_never_says_free(make_app: MakeApp) -> None:
    host = make_app(catalog=CATALOGS / "single.toml")
    person = Person(host)

    for path in ("/billing/plans", "/billing/", "/billing/usage"):
        assert "free" not in words(person.open(path)).lower()

    assert "No plan yet" in words(person.open("/billing/"))


def test_the_plan_one_has_is_marked_and_no_button_leads_nowhere(host: Host) -> None:
    person = Person(host)
    person.buy("starter")
    page = person.open("/billing/plans")

    assert page.text.count('aria-current="true"') == 1
    assert "Choose" not in words(page)
    assert "Contact us" not in words(page)


def test_a_plan_without_a_price_can_be_asked_for(make_app: MakeApp) -> None:
    big = {"name": "Big", "rank": 9, "contact": "https://example.com/sales"}
    host = make_app(catalog={"plans": {"pro": PLAN, "big": big}})
    page = Person(host, None).open("/billing/plans")

    assert 'href="https://example.com/sales"' in page.text
    assert "Talk to us" in words(page)


def test_a_plan_that_is_talked_about_is_sold_by_nobody_but_the_host(make_app: MakeApp) -> None:
    big = {**PLAN, "name": "Big", "rank": 9, "contact": "https://example.com/sales"}
    host = make_app(catalog={"plans": {"pro": PLAN, "big": big}})
    person = Person(host)

    assert person.choose("big").status_code == 404
    assert person.open("/billing/checkout/start?plan=big&interval=month").status_code == 404
    assert host.rows(Checkout) == []

    person.buy("pro")
    assert person.open("/billing/change?plan=big&interval=month").status_code == 404

    other = Person(host, "2")
    other.open("/billing/plans")

    with host.app.app_context():
        sold = checkout.start(
            host.customer("2"), plan="big", interval="month", success_url=BACK, cancel_url=BACK
        )
        assert sold.session_id is not None
        host.sandbox.checkout(sold.session_id).pay()

    host.sandbox.webhooks.deliver()
    assert other.open("/billing/change?plan=big&interval=year").status_code == 200


def test_the_tax_phrase_stands_beside_prices(make_app: MakeApp) -> None:
    host = make_app(BILLING_TAX_PHRASE="plus tax")

    assert "Prices are plus tax." in words(Person(host, None).open("/billing/plans"))


def test_a_plan_per_seat_says_so_and_asks_how_many(make_app: MakeApp) -> None:
    host = make_app(catalog={"plans": {"team": {**PLAN, "seats": {"min": 2, "max": 5}}}})
    person = Person(host)
    page = person.open("/billing/plans")

    assert "$99 per month, per seat, billed monthly" in words(page)
    assert 'min="2" max="5"' in page.text
    assert person.choose("team", quantity="6").status_code == 422
    assert person.choose("team", quantity="3").status_code == 303


def test_no_plans_is_said(make_app: MakeApp) -> None:
    host = make_app(catalog={"plans": {"old": {**PLAN, "archived": True}}})

    assert "No plans are available right now." in words(Person(host, None).open("/billing/plans"))


@pytest.mark.parametrize("catalog", ["five", "one_shot", "runs", "single", "trial"])
def test_every_catalog_can_be_shown(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch, catalog: str
) -> None:
    for name in ("ESSENTIEL", "PRO", "MAX", "STARTER", "TEAM", "BUSINESS", "ENTERPRISE"):
        monkeypatch.setenv(f"STRIPE_PRICE_ID_{name}", f"price_{name.lower()}")

    person = Person(make_app(catalog=CATALOGS / f"{catalog}.toml"))

    for path in ("/billing/plans", "/billing/", "/billing/usage"):
        assert person.open(path).status_code == 200


def test_what_each_member_has_is_not_what_all_have(make_app: MakeApp) -> None:
    limits = [
        {"meter": "tokens", "included": 5_000, "scope": "member"},
        {"meter": "tokens", "included": 20_000},
    ]
    team = {"name": "Team", "rank": 1, "limits": limits, "seats": {"min": 2}}
    prices = [{"interval": "month", "amount": 3900}]
    plans = {"free": {"name": "Free"}, "team": {**team, "prices": prices}}
    host = make_app(catalog={"meters": {"tokens": {"name": "Tokens"}}, "plans": plans})
    page = words(Person(host).open("/billing/plans"))
    assert "5K tokens a month for each member 20K tokens a month" in page
    assert "5K a month for each member, 20K a month" in page

    shown = host.app.test_cli_runner().invoke(args=["billing", "catalog", "show"]).output
    assert "$39.00 a month for each seat" in shown
    assert "5,000 Tokens a billing period for each member" in shown
