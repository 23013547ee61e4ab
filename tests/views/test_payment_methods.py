"""P8 over HTTP: with htmx, without scripts, and by those who forge."""

from __future__ import annotations

import collections.abc as c
import datetime as dt
import re
import typing as t

import pytest

from flask_billing import clock, payment_methods
from flask_billing.models import PaymentMethod

from ..host import Host
from ..payment_methods.cards import DECLINED, PAYS, Cards
from .person import Person, words

MakeApp = c.Callable[..., Host]
PAGE = "/billing/payment-methods"


@pytest.fixture
def cards(host: Host) -> Cards:
    return Cards(host)


@pytest.fixture
def person(host: Host) -> Person:
    return Person(host)


def give(cards: Cards, person: Person, number: str = PAYS) -> str:
    """Begin to add a card as the page's script does; the setup intent's id."""
    person.open(f"{PAGE}/add")
    answer = person.press(f"{PAGE}/setup-intent")
    assert answer.status_code == 200, answer.text
    secret: str = answer.get_json()["client_secret"]
    cards.give(secret, number)
    return secret.partition("_secret_")[0]


def test_the_list_says_what_each_card_is_and_does(host: Host, cards: Cards, person: Person) -> None:
    clock.set_source(host.app, lambda: dt.datetime(2040, 3, 10, tzinfo=dt.UTC))
    charged = cards.attach(default=True)
    cards.subscribe(charged)
    others = {cards.attach("pm_card_amex"): 3, cards.attach("pm_card_mastercard"): 2}

    for card, month in {charged: 12, **others}.items():
        cards.client.v1.payment_methods.update(
            card, {"card": {"exp_month": month, "exp_year": 2040}}
        )

    cards.hear()
    said = words(person.open(PAGE))

    assert re.search(r"Visa ending in 4242 Expires 12/40 Default Used by Starter", said)
    assert "American Express ending in 8431 Expires 03/40 Expires soon" in said
    assert "Mastercard ending in 4444 Expired 02/40 Expired" in said
    assert said.count("Make default") == 2


def test_an_account_is_called_what_people_call_it(cards: Cards, person: Person) -> None:
    cards.attach("pm_card_visa")
    account = cards.attach("pm_usBankAccount_success")
    page = person.open(PAGE)

    assert "US bank account ending in 6789" in words(page)
    assert page.text.count('data-fb-confirm-label="Remove card"') == 1
    assert page.text.count('data-fb-confirm-label="Remove"') == 1
    asked = words(person.open(f"{PAGE}/{account}/remove"))
    assert "Remove US bank account ending in 6789?" in asked
    assert "Remove Back" in asked


def test_nobody_has_cards_yet(person: Person) -> None:
    assert "No payment methods. Add one to subscribe." in words(person.open(PAGE))


def test_a_card_is_added_and_is_the_default(cards: Cards, person: Person) -> None:
    intent = give(cards, person)
    answer = person.press(PAGE, htmx=True, setup_intent=intent)

    assert answer.status_code == 200
    assert "Visa 4242 was added, and is your default now." in words(answer)
    assert 'id="fb-pm"' in answer.text
    assert "data-fb-card-form" not in answer.text
    assert cards.default == cards.at_stripe[0]


def test_no_card_data_is_in_what_our_server_gets(host: Host, cards: Cards, person: Person) -> None:
    page = person.open(f"{PAGE}/add").text
    form = re.search(r"<form[^>]*data-fb-card-form.*?</form>", page, re.DOTALL)
    assert form is not None
    assert set(re.findall(r'name="(\w+)"', form[0])) == {
        "csrf_token",
        "billing_owner",
        "setup_intent",
    }


def test_without_scripts_the_card_is_added_on_stripe(cards: Cards, person: Person) -> None:
    page = person.open(PAGE)
    assert re.search(r'class="fb-nojs[^>]*>\s*<form[^>]*action="[^"]*/portal"', page.text)
    answer = person.press(f"{PAGE}/portal")
    assert answer.status_code == 303
    assert "/sandbox/stripe/p/session/" in answer.headers["Location"]

    cards.client.v1.payment_methods.attach("pm_card_visa", {"customer": cards.stripe_id})
    back = person.open(f"{PAGE}/return")  # before any webhook
    assert back.headers["Location"] == PAGE
    assert "Visa ending in 4242" in words(person.open(PAGE))


def test_a_bank_leads_back_and_stripe_is_asked(cards: Cards, person: Person) -> None:
    intent = give(cards, person)
    back = person.open(f"{PAGE}/return?setup_intent={intent}&redirect_status=failed")
    assert back.headers["Location"] == PAGE
    assert "Visa 4242 was added" in words(person.open(PAGE))

    person.open(f"{PAGE}/return?setup_intent={intent}&redirect_status=succeeded")
    assert "was added" not in words(person.open(PAGE)), "a reload says it no second time"


def test_an_address_that_says_succeeded_is_not_believed(cards: Cards, person: Person) -> None:
    intent = give(cards, person, DECLINED)
    person.open(f"{PAGE}/return?setup_intent={intent}&redirect_status=succeeded")

    assert "No card was saved. Nothing was charged." in words(person.open(PAGE))
    assert person.press(PAGE, setup_intent=intent).status_code == 402
    assert (cards.at_stripe, cards.known) == ([], [])


@pytest.mark.parametrize("htmx", [False, True])
def test_the_default_is_chosen(cards: Cards, person: Person, htmx: bool) -> None:
    old, new = cards.attach(default=True), cards.attach("pm_card_mastercard")
    plan = cards.subscribe(old)
    person.open(PAGE)
    answer = person.press(f"{PAGE}/{new}/default", htmx=htmx)
    said = words(answer if htmx else person.open(PAGE))

    assert answer.status_code == (200 if htmx else 303)
    assert "Mastercard 4444 is your default now. Nothing was charged." in said
    assert said.index("Mastercard ending") < said.index("Visa ending")
    assert (cards.default, cards.pays(plan)) == (new, new)


def test_without_scripts_a_page_asks_before_a_card_goes(cards: Cards, person: Person) -> None:
    kept, removed = cards.attach("pm_card_mastercard"), cards.attach(default=True)
    cards.subscribe()
    question = person.open(f"{PAGE}/{removed}/remove")
    assert "Starter will be charged to Mastercard 4444 instead." in words(question)

    answer = person.press(f"{PAGE}/{removed}/remove", successor=kept)
    assert answer.headers["Location"] == PAGE
    assert "Visa 4242 was removed." in words(person.open(PAGE))
    assert cards.at_stripe == [kept]


@pytest.mark.parametrize("htmx", [False, True])
def test_the_last_card_of_a_plan_has_no_button_and_forging_one_is_a_conflict(
    cards: Cards, person: Person, htmx: bool
) -> None:
    only = cards.attach(default=True)
    cards.subscribe()
    page = person.open(PAGE)
    assert "/remove" not in page.text
    assert "Add another card before removing this one." in words(page)
    assert "Add another card" in words(person.open(f"{PAGE}/{only}/remove"))

    answer = person.press(f"{PAGE}/{only}/remove", htmx=htmx)
    assert answer.status_code == 409
    assert "Nothing was removed." in words(answer)
    assert ("Visa ending in 4242" in words(answer)) is htmx
    assert cards.at_stripe == [only]


def test_a_page_that_was_open_for_long_is_told_how_things_are(cards: Cards, person: Person) -> None:
    other, removed = cards.attach("pm_card_mastercard"), cards.attach(default=True)
    cards.subscribe()
    person.open(PAGE)
    cards.attach("pm_card_amex")
    answer = person.press(f"{PAGE}/{removed}/remove", htmx=True, successor=other)

    assert answer.status_code == 409
    assert "American Express ending in 8431" in words(answer)
    assert len(cards.at_stripe) == 3


@pytest.mark.parametrize("what", ["default", "remove"])
@pytest.mark.parametrize("whose", ["theirs", "unknown", "detached", "pm_%00", "%F0%9F%92%B3"])
def test_what_is_none_of_mine_is_not_found(
    host: Host, cards: Cards, person: Person, what: str, whose: str
) -> None:
    theirs = Cards(host, "2").attach(default=True)
    mine = cards.attach(default=True)
    detached = cards.attach("pm_card_mastercard")
    cards.client.v1.payment_methods.detach(detached)
    cards.hear()
    method = {"theirs": theirs, "unknown": "pm_nobody", "detached": detached}.get(whose, whose)
    person.open(PAGE)

    assert person.press(f"{PAGE}/{method}/{what}").status_code == 404
    assert person.press(f"{PAGE}/{method}/{what}", htmx=True).status_code == 404
    assert person.open(f"{PAGE}/{method}/remove").status_code == 404
    assert cards.default == mine
    assert len(host.rows(PaymentMethod, detached_at=None)) == 2


@pytest.mark.parametrize("intent", ["", "seti_nobody", "\x00", "<script>", "x" * 5000])
def test_an_intent_that_is_none_of_mine_is_not_found(person: Person, intent: str) -> None:
    person.open(PAGE)

    assert person.press(PAGE, setup_intent=intent).status_code == 404
    assert (
        person.client.get(f"{PAGE}/return", query_string={"setup_intent": intent}).status_code
        == 404
    )


def test_another_customers_intent_is_none_of_mine(host: Host, cards: Cards, person: Person) -> None:
    them = Person(host, "2")
    intent = give(Cards(host, "2"), them)
    person.open(PAGE)

    assert person.press(PAGE, setup_intent=intent).status_code == 404
    assert person.open(f"{PAGE}/return?setup_intent={intent}").status_code == 404
    assert cards.default is None


def test_a_hundred_setup_intents_meet_a_clear_answer(
    host: Host, cards: Cards, person: Person
) -> None:
    person.open(f"{PAGE}/add")
    answers = [person.press(f"{PAGE}/setup-intent") for _ in range(100)]
    limit: int = host.app.config["BILLING_SETUP_INTENTS_PER_HOUR"]

    assert [answer.status_code for answer in answers] == [200] * limit + [429] * (100 - limit)
    told: dict[str, t.Any] = answers[-1].get_json()
    assert told["detail"] == "Nothing was saved or charged. Try again in an hour."
    made = cards.client.v1.setup_intents.list({"customer": cards.stripe_id, "limit": 100})
    assert len(made.data) == limit


def test_where_stripe_is_down_the_script_is_told_in_json(host: Host, person: Person) -> None:
    person.open(f"{PAGE}/add")

    with host.sandbox.outage():
        answer = person.press(f"{PAGE}/setup-intent")

    assert answer.status_code == 503
    assert "Nothing was changed." in answer.get_json()["detail"]


@pytest.mark.parametrize("what", ["default", "remove"])
def test_where_stripe_is_down_a_change_is_not_said_to_be_lost(
    host: Host, cards: Cards, person: Person, what: str
) -> None:
    old, new = cards.attach(default=True), cards.attach("pm_card_mastercard")
    person.open(PAGE)

    with host.sandbox.outage():
        answer = person.press(f"{PAGE}/{new if what == 'default' else old}/{what}")

    assert answer.status_code == 503
    assert "If the change isn't shown in a few minutes, try again." in words(answer)

    with host.app.app_context():
        payment_methods.finish_open(min_age=payment_methods.AT_ONCE)

    assert cards.default == new


def test_a_forged_form_changes_nothing(cards: Cards, person: Person) -> None:
    old, new = cards.attach(default=True), cards.attach("pm_card_mastercard")
    person.open(PAGE)

    for path in (f"{new}/default", f"{new}/remove", "setup-intent", "portal"):
        assert person.press(f"{PAGE}/{path}", token="forged").status_code == 400

    assert (cards.default, cards.at_stripe) == (old, [new, old])


def test_who_may_not_manage_billing_only_looks(host: Host, cards: Cards, person: Person) -> None:
    card = cards.attach(default=True)
    person.open(f"{PAGE}/add")  # which has the token
    host.billing.can_manage_billing(lambda: False)
    page = person.open(PAGE)

    assert "Visa ending in 4242" in words(page)
    assert "Ask an admin of your account to change billing." in words(page)
    assert "<form" not in page.text

    for path in ("", f"/{card}/default", f"/{card}/remove", "/setup-intent", "/portal"):
        assert person.press(f"{PAGE}{path}").status_code == 403

    assert person.open(f"{PAGE}/add").status_code == 403


def test_who_is_not_signed_in_sees_nothing(host: Host) -> None:
    nobody = Person(host, None)

    assert nobody.open(PAGE).status_code == 401
    assert nobody.open(f"{PAGE}/return?setup_intent=seti_1").status_code == 401


def test_without_a_publishable_key_cards_are_added_on_stripe(
    host: Host, cards: Cards, person: Person
) -> None:
    host.state.stripe.sandbox = False
    page = person.open(f"{PAGE}/add")

    assert "Cards are added on Stripe's own page." in words(page)
    assert "data-fb-card-form" not in page.text


def test_with_a_real_account_the_script_is_stripes_own(make_app: MakeApp) -> None:
    host = make_app(BILLING_STRIPE_PUBLISHABLE_KEY="pk_test_of_an_account")
    person = Person(host)
    assert (
        'data-fb-stripe-url="/sandbox/stripe/endive/stripe.js"' in person.open(f"{PAGE}/add").text
    )

    host.state.stripe.sandbox = False
    page = person.open(f"{PAGE}/add").text
    assert 'data-fb-stripe-url="https://js.stripe.com/endive/stripe.js"' in page
    assert 'data-fb-stripe-key="pk_test_of_an_account"' in page


def test_other_pages_have_no_script_of_stripes(person: Person) -> None:
    for path in ("/billing/", "/billing/plans", "/billing/usage"):
        assert "stripe.js" not in person.open(path).text


def test_the_overview_leads_there(cards: Cards, person: Person) -> None:
    cards.attach(default=True)
    cards.subscribe()

    assert f'href="{PAGE}"' in person.open("/billing/").text


def test_after_a_failed_payment_the_new_card_is_the_default_and_can_pay_at_once(
    host: Host, cards: Cards, person: Person
) -> None:
    cards.subscribe(cards.attach("pm_card_chargeCustomerFail", default=True), pays=False)
    host.sandbox.clock.advance(days=2)
    cards.hear()
    page = person.open(f"{PAGE}/add")
    assert "The last payment failed." in words(page)
    assert 'name="default" value="1" checked' in page.text

    intent = give(cards, person)
    assert "is your default now" in words(
        person.press(PAGE, htmx=True, setup_intent=intent, default="1")
    )
    assert 'href="/billing/invoices?status=unpaid"' in page.text
    assert "/pay" in person.open("/billing/invoices?status=unpaid").text


def test_left_to_stripes_portal_there_is_its_button(make_app: MakeApp) -> None:
    person = Person(make_app(BILLING_PORTAL_FEATURES=("payment_methods",)))

    for path in (PAGE, f"{PAGE}/add"):
        page = person.open(path)
        assert 'action="/billing/portal"' in page.text
        assert "data-fb-card-form" not in page.text
