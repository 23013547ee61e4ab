"""Changing the plan in a browser: what is shown, what is charged, and what fails."""

from __future__ import annotations

import collections.abc as c
import re
import tomllib

import jinja2
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Route, expect

from ..host import CATALOGS, Host
from ..subscriptions.subscriber import BANK_ASKS, DECLINED, Subscriber
from .conftest import Serve
from .guest import Complaints, furnish, sign_in

LAYOUT = """<!doctype html>
<html lang="en"><head><title>Host</title>{% block billing_head %}{% endblock %}</head>
<body><header>{{ billing_plan_badge() }}</header>
  <main>{% block billing_content %}{% endblock %}</main>{% block billing_scripts %}{% endblock %}
</body></html>"""


@pytest.fixture
def page(browser: Browser) -> c.Iterator[Page]:
    with browser.new_context(viewport={"width": 1280, "height": 800}) as context:
        yield context.new_page()


@pytest.fixture
def customer(host: Host) -> Subscriber:
    """Somebody on Starter, ten days into their month."""
    found = Subscriber(furnish(host))
    found.pass_days(10)
    return found


@pytest.fixture
def address(customer: Subscriber, serve: Serve) -> str:
    return serve(customer.host)


def test_an_upgrade_without_a_reload(customer: Subscriber, page: Page, address: str) -> None:
    complaints = Complaints(page)
    sign_in(page, address, "/billing/change?plan=pro&interval=month")
    page.evaluate("window.sameDocument = true")
    preview = customer.quote("pro").due_now
    button = page.get_by_role("button", name=re.compile("Upgrade and pay"))
    amount = float(re.sub(r"[^\d.]", "", button.inner_text()))
    assert round(amount * 100) == preview

    button.evaluate("button => { button.click(); button.click(); button.click(); }")
    heading = page.get_by_role("heading", name="You're on Pro")
    expect(heading).to_be_focused()
    facts = page.locator("#fb-change-facts")
    expect(facts).to_contain_text("Pro")
    expect(facts).to_contain_text("Active")
    expect(facts).to_contain_text("Renews")
    expect(page.locator("#fb-toasts")).to_contain_text("You're on Pro.")

    assert page.evaluate("window.sameDocument")
    assert customer.paid == [round(amount * 100), 2900]
    assert complaints == []


def test_the_badge_of_the_layout_follows(customer: Subscriber, page: Page, address: str) -> None:
    app = customer.host.app
    app.jinja_loader = jinja2.DictLoader({"layout.html": LAYOUT})
    app.config["BILLING_BASE_TEMPLATE"] = "layout.html"
    complaints = Complaints(page)
    sign_in(page, address, "/billing/change?plan=pro&interval=month")
    badge = page.get_by_role("banner")
    expect(badge).to_contain_text("Starter")
    page.get_by_role("button", name=re.compile("Upgrade and pay")).click()
    expect(page.get_by_role("heading", name="You're on Pro")).to_be_visible()
    expect(badge).to_have_text(re.compile(r"Pro\s+Active"))

    page.goto(f"{address}/billing/cancel")
    page.get_by_role("button", name="Cancel plan").click()
    expect(page.get_by_role("heading", name="Your plan is cancelled")).to_be_visible()
    expect(badge).to_have_text(re.compile(r"Pro\s+Ends "))
    assert complaints == []


def test_another_amount_is_shown_and_no_update_is_made(
    customer: Subscriber, page: Page, address: str
) -> None:
    sign_in(page, address, "/billing/change?plan=pro")
    customer.stripe.v1.invoice_items.create(
        {
            "customer": str(customer.at_stripe.customer),
            "subscription": customer.row.stripe_id,
            "amount": 700,
            "currency": "usd",
        }
    )
    customer.host.sandbox.forget_requests()
    page.get_by_role("button", name=re.compile("Upgrade and pay")).click()

    expect(page.get_by_role("alert").filter(has_text="Nothing was charged")).to_be_visible()
    expect(page.locator("#fb-change")).to_contain_text("Other charges that were waiting")
    expect(page.get_by_role("heading", name="Upgrade to Pro")).to_be_focused()
    written = [
        request.path
        for request in customer.host.sandbox.requests
        if request.method == "POST" and request.path.startswith("/v1/subscriptions/")
    ]
    assert written == []

    page.get_by_role("button", name=re.compile("Upgrade and pay")).click()
    expect(page.get_by_role("heading", name="You're on Pro")).to_be_visible()


def test_a_declined_card_says_so_and_leads_to_another(
    customer: Subscriber, page: Page, address: str
) -> None:
    customer.use_card(DECLINED)
    sign_in(page, address, "/billing/change?plan=pro")
    page.get_by_role("button", name=re.compile("Upgrade and pay")).click()

    expect(page.get_by_role("heading", name="That payment didn't go through")).to_be_focused()
    expect(page.locator("#fb-change")).to_contain_text("You're still on Starter.")
    expect(page.get_by_role("link", name="Update card")).to_be_visible()
    assert customer.plan == ("starter", "month", 1)


def test_the_bank_is_asked_on_the_page(customer: Subscriber, page: Page, address: str) -> None:
    customer.use_card(BANK_ASKS)
    sign_in(page, address, "/billing/change?plan=pro")
    page.get_by_role("button", name=re.compile("Upgrade and pay")).click()

    expect(page.get_by_role("heading", name="Confirm with your bank")).to_be_focused()
    hosted = page.get_by_role("link", name="Confirm on Stripe instead")
    expect(hosted).to_have_attribute("href", str(customer.invoices[0].hosted_invoice_url))
    assert customer.plan == ("starter", "month", 1)

    page.get_by_role("button", name="Confirm with your bank").click()
    bank = page.get_by_role("dialog", name="Confirm with your bank")
    bank.get_by_role("button", name="Complete").click()
    expect(page.get_by_role("heading", name="You're on Pro")).to_be_visible()
    expect(page.locator("#fb-toasts")).to_contain_text("You're on Pro.")
    assert customer.plan == ("pro", "month", 1)


def test_a_downgrade_is_told_and_taken_back(customer: Subscriber, page: Page, address: str) -> None:
    customer.change("pro")

    with customer.host.app.app_context():
        customer.host.billing.record("tokens", 800_000, customer=customer.host.customer())

    end = customer.row.current_period_end
    assert end is not None
    date = f"{end:%b} {end.day}, {end:%Y}"
    sign_in(page, address, "/billing/downgrade")
    page.get_by_role("link", name="Downgrade to Starter").click()
    expect(page.locator("#fb-change")).to_contain_text("You use 800K tokens; Starter includes 500K")
    page.get_by_role("button", name=f"Downgrade on {date}").click()
    expect(page.get_by_role("heading", name=f"Switching to Starter on {date}")).to_be_focused()
    assert customer.at_stripe.schedule is not None

    page.get_by_role("button", name="Undo change").click()
    page.wait_for_url("**/billing/")
    expect(page.locator("#fb-toasts")).to_contain_text("You keep Pro.")
    assert customer.at_stripe.schedule is None


def test_an_offer_beside_a_downgrade_weighs_as_much(
    make_app: c.Callable[..., Host], serve: Serve, page: Page
) -> None:
    offer = {"key": "stay", "kind": "discount", "percent_off": 20, "months": 3}
    catalog = tomllib.loads((CATALOGS / "ladder.toml").read_text()) | {"offers": [offer]}
    host = furnish(make_app(catalog=catalog))
    host.billing.jurisdiction(lambda owner: "US-NY")
    host.billing.is_consumer(lambda owner: False)
    customer = Subscriber(host)
    customer.pass_days(20)
    customer.change("pro")
    sign_in(page, serve(host), "/billing/change?plan=starter")

    cards = page.locator("#fb-change .fb-card")
    expect(cards).to_have_count(2)
    ours, theirs = (cards.nth(number).bounding_box() for number in (0, 1))
    assert ours is not None
    assert theirs is not None
    assert (ours["width"], ours["height"]) == (theirs["width"], theirs["height"])
    buttons = [
        page.get_by_role("button", name=re.compile("Downgrade on")),
        page.get_by_role("button", name="Accept offer"),
    ]
    looks = [
        button.evaluate("e => [getComputedStyle(e).backgroundColor, e.offsetHeight]")
        for button in buttons
    ]
    assert looks[0] == looks[1]


@pytest.mark.parametrize("failure", ["500", "offline"])
def test_what_fails_on_the_way_leaves_the_page(
    customer: Subscriber, page: Page, address: str, failure: str
) -> None:
    sign_in(page, address, "/billing/change?plan=pro")
    title = page.title()

    def fail(route: Route) -> None:
        if route.request.method != "POST":
            route.continue_()
        elif failure == "offline":
            route.abort()
        else:
            route.fulfill(status=500, body="<title>Broken</title><h1>Broken</h1>")

    page.route("**/billing/change", fail)
    button = page.get_by_role("button", name=re.compile("Upgrade and pay"))
    button.click()
    expect(page.locator("#fb-alerts")).to_contain_text("That didn't work.")
    expect(button).to_be_enabled()
    assert page.title() == title
    assert customer.paid == [2900]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_are_accessible_at_320_pixels(
    customer: Subscriber, browser: Browser, address: str, scheme: str
) -> None:
    with browser.new_context(
        viewport={"width": 320, "height": 640},
        color_scheme=scheme,  # type: ignore[arg-type]
    ) as context:
        page = context.new_page()
        sign_in(page, address)

        for path in ("/billing/change?plan=pro", "/billing/upgrade", "/billing/plans"):
            page.goto(f"{address}{path}")
            found = Axe().run(page)
            assert found.violations_count == 0, found.generate_report()
            assert page.evaluate("document.documentElement.scrollWidth") <= 320


def test_without_scripts_everything_works(
    customer: Subscriber, browser: Browser, address: str
) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        sign_in(page, address, "/billing/plans")
        page.get_by_role("link", name="Upgrade to Pro").first.click()
        page.get_by_role("button", name=re.compile("Upgrade and pay")).click()
        expect(page.get_by_role("heading", name="You're on Pro")).to_be_visible()
        page.goto(f"{address}/billing/change?plan=starter")
        page.get_by_role("button", name=re.compile("Downgrade on")).click()
        page.get_by_role("button", name="Undo change").click()
        expect(page.get_by_text("You keep Pro. Nothing changes.")).to_be_visible()
