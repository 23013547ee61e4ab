"""Offers beside the way out: exact, optional, and nowhere that the law does not want them."""

from __future__ import annotations

import collections.abc as c
import re
import typing as t

import pytest
from werkzeug.test import TestResponse

from flask_billing import retention
from flask_billing.formatting import day
from flask_billing.models import Cancellation, OfferRedemption, Outbox

from ..host import Host
from ..retention.shop import OFFERS, catalog, pass_days, settle, subscription_row
from ..subscriptions.test_metered_plans import CATALOG as METERED
from .person import Person, words

MakeApp = c.Callable[..., Host]


@pytest.fixture
def shop(make_app: MakeApp) -> Host:
    return make_app(catalog=catalog())


def choose(person: Person, reason: str) -> TestResponse:
    """Choose a reason on the cancel page."""
    return person.open(f"/billing/cancel/offer?reason={reason}", htmx=True)


def form_of(answer: TestResponse) -> tuple[str, str]:
    """Where the first offer's form goes, and the terms it carries."""
    found = re.search(r'action="(/billing/offers/[^"]+/accept)".*?name="terms" value="([^"]*)"',
                      answer.text, re.DOTALL)  # fmt: skip
    assert found is not None, answer.text
    return found[1], found[2]


def take(person: Person, answer: TestResponse, *, htmx: bool = False) -> TestResponse:
    """Accept the first offer that is shown."""
    address, terms = form_of(answer)
    return person.press(address, htmx=htmx, terms=terms)


def test_a_reason_brings_an_offer_with_what_it_means(shop: Host) -> None:
    person = settle(shop)
    assert "Stay on" not in words(person.open("/billing/cancel"))
    said = words(choose(person, "too_expensive"))
    ends = retention_date(shop)

    assert "Stay on Starter for 20% less" in said
    assert f"$23.20/month for 3 months, then $29.00/month from {ends}." in said
    assert "Nothing is charged today." in said
    assert words(choose(person, "switched_service")) == ""


def retention_date(shop: Host) -> str:
    """When the full price is paid again: four renewals from now."""
    from flask_billing.retention.renewals import renewals

    upcoming = renewals(subscription_row(shop))
    *_reduced, regular = (next(upcoming) for _renewal in range(4))

    with shop.app.test_request_context():
        return day(regular)


def test_an_offer_is_taken_without_scripts(shop: Host) -> None:
    person = settle(shop)
    person.open("/billing/cancel")
    answer = take(person, choose(person, "too_expensive"))
    assert answer.status_code == 303
    said = words(person.open(answer.headers["Location"]))

    assert "You stay on Starter, for less" in said
    assert "$23.20/month for 3 months" in said
    assert "We e-mailed a confirmation to user1@example.com." in said
    (mail,) = shop.rows(Outbox, name="offer_accepted", kind="mail")
    assert mail.body["terms"] in said
    assert words(choose(person, "too_expensive")) == ""
    assert words(person.open(answer.headers["Location"])) == said


def test_an_offer_is_taken_with_htmx(shop: Host) -> None:
    person = settle(shop)
    answer = take(person, choose(person, "too_expensive"), htmx=True)

    assert answer.status_code == 204
    assert answer.headers["HX-Redirect"].startswith("/billing/offers/")


def test_other_words_than_those_shown_change_nothing(shop: Host) -> None:
    person = settle(shop)
    address, _terms = form_of(choose(person, "too_expensive"))
    answer = person.press(address, htmx=True, terms="$1.00/month for ever.")

    assert answer.status_code == 409
    assert "The offer changed while you were reading it. Nothing was changed." in words(answer)
    assert "$23.20/month" in words(answer), "what is offered now is shown again"
    assert shop.rows(OfferRedemption) == []


def test_a_plan_whose_use_is_billed_is_offered_a_pause_and_no_discount(make_app: MakeApp) -> None:
    pause = {"key": "rest", "kind": "pause", "months": 2}
    shop = make_app(catalog={**METERED, "offers": [OFFERS[0], pause]})
    person = settle(shop, "small")
    begins = subscription_row(shop).current_period_end
    assert begins is not None
    answer = choose(person, "too_expensive")

    with shop.app.test_request_context():
        assert f"No payments from {day(begins)} on. The plan runs again from" in words(answer)

    assert "% less" not in words(answer), "it would take from the usage too"
    done = person.open(take(person, answer).headers["Location"])
    assert "Your plan will pause" in words(done)
    assert subscription_row(shop).pause is not None


def test_an_offer_of_another_customer_is_not_found(shop: Host) -> None:
    address, terms = form_of(choose(settle(shop), "too_expensive"))
    other = Person(shop, "2")
    other.buy("starter")
    other.open("/billing/cancel")

    assert other.press(address, terms=terms).status_code == 404
    assert other.press(address.replace("accept", "decline")).status_code == 404
    assert other.open(address.removesuffix("/accept")).status_code == 404
    assert shop.rows(OfferRedemption) == []


def test_a_page_that_was_open_for_long_says_so(shop: Host) -> None:
    person = settle(shop)
    address, terms = form_of(choose(person, "too_expensive"))
    shop.sandbox.clock.advance(hours=3)
    answer = person.press(address, terms=terms)

    assert answer.status_code == 409
    assert "This offer has run out" in words(answer)
    assert shop.rows(OfferRedemption) == []


def test_a_no_is_a_no_for_this_visit(shop: Host) -> None:
    person = settle(shop)
    address, _terms = form_of(choose(person, "too_expensive"))
    assert words(person.press(address.replace("accept", "decline"), htmx=True)) == ""
    assert words(choose(person, "too_expensive")) == ""


def test_an_outage_says_what_is_finished_later_and_what_is_not(shop: Host) -> None:
    person = settle(shop)
    address, terms = form_of(choose(person, "too_expensive"))

    with shop.sandbox.outage():
        answer = person.press(address, terms=terms)

    assert answer.status_code == 503
    assert "Nothing was changed." in words(answer)
    assert shop.rows(OfferRedemption) == []

    # Reading works again, writing does not.
    shop.sandbox.fail("POST", "/v1/coupons", times=9, status=500)
    answer = person.press(address, terms=terms)

    assert answer.status_code == 503
    assert "We recorded what you asked for and will finish it automatically." in words(answer)


def test_who_may_not_manage_is_shown_no_offer(shop: Host) -> None:
    person = settle(shop)
    shop.billing.can_manage_billing(lambda: False)

    assert "fb-offer" not in person.open("/billing/cancel").text
    assert choose(person, "too_expensive").status_code == 403


def test_nothing_of_an_offer_is_said_before_the_cancellation(shop: Host) -> None:
    person = settle(shop)
    shop.billing.retention_mode(lambda customer: "after")
    before = [
        person.open("/billing/"),
        person.open("/billing/cancel"),
        choose(person, "too_expensive"),
        person.open("/billing/cancel/offer?reason=too_expensive"),
    ]

    assert not any("offer" in answer.text for answer in before)
    person.open("/billing/cancel")
    done = person.press("/billing/cancel", htmx=True, reason="too_expensive")
    assert "May we show you an offer?" in words(done)
    assert "Stay on" not in words(done)

    asked = person.open("/billing/cancel/offer")
    assert "Your plan stays cancelled unless you accept an offer." in words(asked)
    ends = subscription_row(shop).cancel_at
    assert ends is not None
    assert "Your plan then goes on after" in words(asked)
    assert take(person, asked).status_code == 303
    assert subscription_row(shop).cancel_at is None
    assert [row.outcome for row in shop.rows(Cancellation)] == ["saved_discount"]


def test_off_is_off_after_the_cancellation_too(shop: Host) -> None:
    person = settle(shop)
    shop.billing.retention_mode(lambda customer: "off")
    person.open("/billing/cancel")
    done = person.press("/billing/cancel", htmx=True, reason="too_expensive")

    assert "offer" not in done.text
    assert person.open("/billing/cancel/offer").headers["Location"] == "/billing/cancel"


@pytest.mark.parametrize(
    ("consumer", "law", "mode"),
    [
        (None, None, "after"),
        (None, "de", "inline"),
        (None, "us-mn", "after"),
        (None, "US_MN", "after"),
        (None, "us", "after"),
        (None, "us-ca", "inline"),
        (True, "", "after"),
        (True, "us-mn", "after"),
        (False, None, "inline"),
        (False, "us-mn", "inline"),
    ],
)
def test_what_is_not_known_is_taken_strictly(
    shop: Host, consumer: bool | None, law: str | None, mode: str
) -> None:
    if consumer is not None:
        shop.billing.is_consumer(lambda customer: consumer)

    if law is not None:
        shop.billing.jurisdiction(lambda customer: law)

    with shop.app.app_context():
        assert retention.mode_of(shop.customer()) == mode


def test_a_hook_that_fails_does_not_stand_in_the_way_out(shop: Host) -> None:
    person = settle(shop)

    for hook in (lambda customer: 1 / 0, lambda customer: "sometimes"):
        shop.billing.retention_mode(hook)
        page = person.open("/billing/cancel")
        assert page.status_code == 200
        assert "offer" not in page.text

    assert person.press("/billing/cancel", htmx=True).status_code == 200
    assert [row.outcome for row in shop.rows(Cancellation)] == ["cancelled"]


@pytest.mark.parametrize(
    ("offer", "plan", "interval", "said"),
    [
        (
            {"kind": "discount", "percent_off": 20, "months": 3},
            "starter", "year",
            r"\$231\.07 for the year from \w+ \d+, \d+, then \$288\.84/year from \w+ \d+, \d+\.",
        ),
        (
            {"kind": "discount", "amount_off": 500, "months": 1},
            "starter", "month",
            r"\$24\.00/month for 1 month, then \$29\.00/month from",
        ),
        (
            {"kind": "discount", "percent_off": 50},
            "starter", "month",
            r"\$14\.50/month instead of \$29\.00/month for as long as you keep the plan\.",
        ),
        (
            {"kind": "pause", "months": 2},
            "starter", "month",
            r"No payments from .* on\. The plan runs again at \$29\.00/month from",
        ),
        (
            {"kind": "plan", "plan": "starter"},
            "enterprise", "month",
            r"Starter at \$29\.00/month from .*, instead of Enterprise at \$499\.00/month\.",
        ),
    ],
)  # fmt: skip
def test_each_kind_says_what_it_means(
    make_app: MakeApp, offer: dict[str, t.Any], plan: str, interval: str, said: str
) -> None:
    shop = make_app(catalog=catalog([{"key": "one", **offer}]), BILLING_TAX_PHRASE="plus tax")
    person = settle(shop, plan, interval)
    page = words(person.open("/billing/cancel"))

    assert re.search(said, page), page
    assert "Amounts are plus tax." in page
    answer = take(person, person.open("/billing/cancel"))
    assert answer.status_code == 303, words(answer)
    assert re.search(said, words(person.open(answer.headers["Location"])))
    assert [row.state for row in shop.rows(OfferRedemption)] == ["done"]


@pytest.mark.parametrize(
    ("offer", "plan", "said"),
    [
        ({"kind": "pause", "months": 1}, "starter", r"on\. The plan runs again from \w+ \d+"),
        ({"kind": "trial_extension", "days": 7}, "pro", r"Your trial lasts until [\w ,]+\. "),
        ({"kind": "plan", "plan": "starter"}, "enterprise", None),
    ],
)
def test_no_amount_is_named_that_a_discount_changes(
    make_app: MakeApp, offer: dict[str, t.Any], plan: str, said: str | None
) -> None:
    shop = make_app(catalog=catalog([{"key": "one", **offer}]))
    person = settle(shop, plan, days=20 if plan != "pro" else 3)
    client = shop.sandbox.client()
    client.v1.coupons.create({"id": "half", "percent_off": 50, "duration": "forever"})
    client.v1.subscriptions.update(
        subscription_row(shop).stripe_id, {"discounts": [{"coupon": "half"}]}
    )
    shop.sandbox.webhooks.deliver()
    page = person.open("/billing/cancel")

    assert "$" not in words(page)
    assert ("/accept" in page.text) == (said is not None)
    assert said is None or re.search(said, words(page))


def test_who_owes_a_payment_is_shown_no_offer(shop: Host) -> None:
    person = settle(shop)
    client = shop.sandbox.client()
    row = subscription_row(shop)
    card = client.v1.payment_methods.attach(
        "pm_card_chargeCustomerFail", {"customer": client.v1.customers.list().data[0].id}
    )
    client.v1.subscriptions.update(row.stripe_id, {"default_payment_method": card.id})
    pass_days(shop, 13)

    assert subscription_row(shop).status == "past_due"
    assert words(choose(person, "too_expensive")) == ""
