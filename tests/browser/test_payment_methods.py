"""Payment methods in a browser: the card form comes, asks the bank, and leaves nothing behind."""

from __future__ import annotations

import collections.abc as c
import re

import jinja2
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Request, Route, expect

from ..host import Host
from ..payment_methods.cards import Cards
from .conftest import Serve
from .guest import HOSTILE, Complaints, furnish, sign_in

PAGE = "/billing/payment-methods"


@pytest.fixture
def page(browser: Browser) -> c.Iterator[Page]:
    with browser.new_context(viewport={"width": 1280, "height": 800}) as context:
        yield context.new_page()


@pytest.fixture
def address(host: Host, serve: Serve) -> str:
    return serve(furnish(host))


@pytest.fixture
def cards(host: Host) -> Cards:
    return Cards(host)


def open_form(page: Page) -> None:
    page.get_by_role("link", name="Add a card").click()
    expect(page.get_by_label("Card number")).to_be_visible()


def save(page: Page, card: str) -> None:
    """Choose a test card and press the button."""
    page.get_by_role("button", name=card).click()
    page.get_by_role("button", name="Save card").click()


def test_a_card_is_typed_and_saved(host: Host, cards: Cards, page: Page, address: str) -> None:
    complaints = Complaints(page)
    sent = sent_to_us(page)
    sign_in(page, address, PAGE)
    open_form(page)
    expect(page.get_by_role("heading", name="Add a card")).to_be_focused()
    page.get_by_label("Card number").press_sequentially("5555555555554444")
    page.get_by_label("Expiration date").press_sequentially("1234")
    page.get_by_label("Security code").press_sequentially("123")
    page.get_by_role("button", name="Save card").click()

    expect(page.locator("#fb-toasts")).to_contain_text("Mastercard 4444 was added")
    expect(page.get_by_role("listitem")).to_contain_text("Mastercard ending in 4444")
    expect(page.get_by_role("heading", name="Payment methods")).to_be_focused()
    expect(page.locator("[data-fb-card-form], .StripeElement")).to_have_count(0)
    assert cards.default == cards.at_stripe[0]
    assert [path for path, _ in sent] == [f"{PAGE}/setup-intent", PAGE]
    assert not any("5555" in body or "4444" in body for _, body in sent), "no card data is ours"
    assert complaints == []


def test_the_bank_asks_first(cards: Cards, page: Page, address: str) -> None:
    sign_in(page, address, PAGE)
    open_form(page)
    save(page, "Asks for 3-D Secure")
    page.get_by_role("dialog", name="Confirm with your bank").get_by_role(
        "button", name="Fail"
    ).click()
    expect(page.locator("[data-fb-stripe-error]")).to_contain_text("unable to authenticate")
    assert cards.at_stripe == []

    page.get_by_role("button", name="Save card").click()
    page.get_by_role("dialog").get_by_role("button", name="Complete").click()
    expect(page.get_by_role("listitem")).to_contain_text("Visa ending in 3155")
    made = cards.client.v1.setup_intents.list({"customer": cards.stripe_id})
    assert len(made.data) == 1, "the same intent took the second try"


def test_a_decline_is_said_and_another_card_can_be_tried(
    cards: Cards, page: Page, address: str
) -> None:
    sign_in(page, address, PAGE)
    open_form(page)
    save(page, "Is declined")
    expect(page.locator("[data-fb-stripe-error]")).to_have_text("Your card was declined.")
    expect(page.get_by_role("button", name="Save card")).to_be_enabled()
    expect(page.get_by_role("button", name="Save card")).to_be_focused()

    save(page, "Pays")
    expect(page.get_by_role("listitem")).to_contain_text("Visa ending in 4242")


def test_a_lost_answer_is_asked_for_again_and_saves_one_card(
    cards: Cards, page: Page, address: str
) -> None:
    sign_in(page, address, PAGE)
    open_form(page)
    page.route(f"**{PAGE}", lambda route: route.abort())
    save(page, "Pays")
    expect(page.locator("#fb-alerts")).to_contain_text("That didn't work.")
    page.unroute(f"**{PAGE}")
    page.get_by_role("button", name="Save card").click()

    expect(page.get_by_role("listitem")).to_contain_text("Visa ending in 4242")
    assert len(cards.at_stripe) == 1


def test_too_many_tries_are_answered_in_the_form(
    host: Host, cards: Cards, page: Page, address: str
) -> None:
    host.app.config["BILLING_SETUP_INTENTS_PER_HOUR"] = 1
    sign_in(page, address, PAGE)
    open_form(page)
    save(page, "Is declined")
    expect(page.locator("[data-fb-stripe-error]")).to_have_text("Your card was declined.")
    page.get_by_role("link", name="Cancel").click()
    open_form(page)
    save(page, "Pays")

    expect(page.locator("[data-fb-stripe-error]")).to_contain_text("Try again in an hour.")
    assert cards.at_stripe == []


def test_the_form_comes_and_goes_and_leaves_nothing_behind(
    cards: Cards, page: Page, address: str
) -> None:
    sign_in(page, address, PAGE)
    page.evaluate("window.gone = 0")

    for times in range(3):
        open_form(page)
        expect(page.locator(".StripeElement")).to_have_count(1)

        if times == 0:
            page.evaluate(
                """() => {
                  const element = document.querySelector(".StripeElement");
                  const remove = element.remove.bind(element);
                  element.remove = () => { gone += element.isConnected; remove(); };
                }"""
            )

        page.get_by_role("link", name="Cancel").click()
        expect(page.get_by_role("link", name="Add a card")).to_be_focused()
        expect(page.locator(".StripeElement, iframe, [data-sandbox-bank]")).to_have_count(0)

    assert page.evaluate("gone") == 1, "it was unmounted before it was removed"
    assert page.locator("script[src*='stripe.js']").count() == 2, "ours, and Stripe's once"


@pytest.mark.parametrize("how", ["blocked", "silent"])
def test_where_stripe_js_does_not_come_there_is_stripes_own_page(
    cards: Cards, page: Page, address: str, how: str
) -> None:
    page.clock.install()
    held: list[Route] = []
    page.route(
        "**/endive/stripe.js",
        lambda route: route.abort() if how == "blocked" else held.append(route),
    )
    sign_in(page, address, PAGE)
    page.get_by_role("link", name="Add a card").click()
    expect(page.get_by_role("button", name="Save card", include_hidden=True)).to_be_attached()
    page.clock.run_for(10_000)

    expect(page.get_by_text("The card form didn't load.")).to_be_visible()
    expect(page.get_by_role("button", name="Save card")).to_be_hidden()
    page.get_by_role("button", name="Add a card on Stripe").click()
    page.wait_for_url("**/sandbox/stripe/p/session/**")

    for route in held:
        route.abort()


def test_without_scripts_cards_are_kept_in_order(
    browser: Browser, cards: Cards, address: str
) -> None:
    removed, kept = cards.attach(default=True), cards.attach("pm_card_mastercard")
    cards.subscribe()

    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        sign_in(page, address, PAGE)
        page.get_by_role("button", name="Make default").click()
        expect(page.locator("#fb-toasts")).to_contain_text("Mastercard 4444 is your default now.")
        assert cards.default == kept

        page.get_by_role("link", name="Remove Visa").click()
        page.get_by_role("button", name="Remove card").click()
        expect(page.get_by_role("listitem")).to_have_count(1)
        expect(page.get_by_role("link", name="Add a card")).to_be_hidden()
        page.get_by_role("button", name="Add a card on Stripe").click()
        page.wait_for_url("**/sandbox/stripe/p/session/**")

    assert cards.at_stripe == [kept]
    assert removed not in cards.at_stripe


def test_removing_asks_first_and_says_what_takes_over(
    host: Host, cards: Cards, page: Page, address: str
) -> None:
    kept, removed = cards.attach("pm_card_mastercard"), cards.attach(default=True)
    plan = cards.subscribe(removed)
    sign_in(page, address, PAGE)
    opener = page.get_by_role("button", name="Remove Visa")
    opener.click()
    dialog = page.get_by_role("dialog", name="Remove Visa ending in 4242?")
    expect(dialog.get_by_role("heading")).to_be_focused()
    expect(dialog).to_contain_text("Starter will be charged to Mastercard 4444 instead.")

    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(opener).to_be_focused()
    assert len(cards.at_stripe) == 2

    opener.click()
    dialog.get_by_role("button", name="Remove card").click()
    expect(page.locator("#fb-toasts")).to_contain_text("Visa 4242 was removed.")
    expect(page.get_by_role("listitem")).to_have_count(1)
    expect(page.get_by_role("heading", name="Payment methods")).to_be_focused()
    expect(page.get_by_text("Add another card before removing this one.")).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("^Remove"))).to_have_count(0)
    assert (cards.at_stripe, cards.default, cards.pays(plan)) == ([kept], kept, kept)


def test_a_last_card_that_is_removed_all_the_same_stays_and_is_explained(
    cards: Cards, page: Page, address: str
) -> None:
    gone, last = cards.attach(default=True), cards.attach("pm_card_mastercard")
    cards.subscribe()
    sign_in(page, address, PAGE)
    title = page.title()
    cards.client.v1.customers.update(
        cards.stripe_id, {"invoice_settings": {"default_payment_method": last}}
    )
    cards.client.v1.payment_methods.detach(gone)
    cards.hear()  # in another tab, the first one went
    page.get_by_role("button", name="Remove Mastercard").click()
    page.get_by_role("button", name="Remove card").click()

    expect(page.locator("#fb-alerts")).to_contain_text("Nothing was removed.")
    expect(page.get_by_role("listitem")).to_have_count(1)
    expect(page.get_by_role("listitem")).to_contain_text("Mastercard")
    assert page.title() == title
    assert cards.at_stripe == [last]


def test_the_default_is_chosen_in_place(cards: Cards, page: Page, address: str) -> None:
    cards.attach(default=True)
    new = cards.attach("pm_card_mastercard")
    sign_in(page, address, PAGE)
    page.get_by_role("button", name="Make default").click()

    expect(page.get_by_role("listitem").first).to_contain_text("Mastercard ending in 4444")
    expect(page.get_by_role("listitem").first).to_contain_text("Default")
    assert cards.default == new


def test_a_hosts_own_htmx_settings_reach_neither_form_nor_list(
    make_app: c.Callable[..., Host], serve: Serve, page: Page
) -> None:
    host = furnish(make_app(BILLING_BASE_TEMPLATE="hostile.html"))
    layout = (
        '<!doctype html><html lang="en"><head>{% block billing_head %}{% endblock %}</head>'
        f"<body {HOSTILE}>{{% block billing_content %}}{{% endblock %}}"
        "{% block billing_scripts %}{% endblock %}</body></html>"
    )
    host.app.jinja_loader = jinja2.DictLoader({"hostile.html": layout})
    cards = Cards(host)
    cards.attach(default=True)
    sent = sent_to_us(page)
    sign_in(page, serve(host), PAGE)
    open_form(page)
    save(page, "Pays")
    expect(page.get_by_role("listitem")).to_have_count(2)
    page.get_by_role("button", name="Remove").last.click()
    page.get_by_role("button", name="Remove card").click()
    expect(page.get_by_role("listitem")).to_have_count(1)

    assert page.url.endswith(PAGE)
    assert len(sent) == 3
    assert all("stray" not in body for _, body in sent)


def test_where_the_server_fails_the_list_stays(
    host: Host, cards: Cards, page: Page, address: str
) -> None:
    cards.attach(default=True)
    cards.attach("pm_card_mastercard")
    sign_in(page, address, PAGE)
    button = page.get_by_role("button", name="Make default")

    with host.sandbox.outage():
        button.click()
        expect(page.locator("#fb-alerts")).to_contain_text("We can't reach our payment provider")

    expect(page.get_by_role("listitem")).to_have_count(2)
    expect(button).to_be_enabled()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", [PAGE, f"{PAGE}/add"])
def test_nobody_is_left_out(
    browser: Browser, cards: Cards, address: str, scheme: str, path: str
) -> None:
    cards.attach(default=True)
    cards.attach("pm_card_mastercard")
    cards.subscribe()

    with browser.new_context(
        color_scheme=scheme,  # type: ignore[arg-type]
        viewport={"width": 320, "height": 800},
        bypass_csp=True,
    ) as context:
        page = context.new_page()
        sign_in(page, address, path)

        if path.endswith("add"):
            expect(page.get_by_label("Card number")).to_be_visible()

        assert page.evaluate("document.documentElement.scrollWidth") <= 320
        found = Axe().run(
            page,
            options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]},
        )
        assert found.violations_count == 0, found.generate_report()


def sent_to_us(page: Page) -> list[tuple[str, str]]:
    """Path and body of each POST to our pages."""
    sent: list[tuple[str, str]] = []

    def note(request: Request) -> None:
        if request.method == "POST" and "/sandbox/" not in request.url:
            sent.append((re.sub(r"^https?://[^/]+", "", request.url), request.post_data or ""))

    page.on("request", note)
    return sent
