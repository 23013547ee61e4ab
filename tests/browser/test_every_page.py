"""Every page of somebody with a plan: what the browser complains of, and who could not use it."""

from __future__ import annotations

import collections.abc as c
import html.parser
import re
import typing as t

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from flask_billing import subscriptions
from flask_billing.models import Customer, Invoice, PaymentMethod

from ..host import Host
from ..retention.shop import catalog, settle
from ..subscriptions.leaving import use_card
from ..views.person import Person
from .conftest import Serve
from .guest import Complaints, furnish, sign_in

MakeApp = c.Callable[..., Host]

#: Ran for long: user 1. Could not be charged: user 2. Is paused: user 3. Went: user 4.
PAGES: t.Final = (
    ("1", "/billing/"),
    ("1", "/billing/plans"),
    ("1", "/billing/upgrade"),
    ("1", "/billing/downgrade"),
    ("1", "/billing/change?plan=enterprise"),
    ("1", "/billing/change?plan=starter"),
    ("1", "/billing/cancel"),
    ("1", "/billing/cancel/offer?reason=too_expensive"),
    ("1", "/billing/payment-methods"),
    ("1", "/billing/payment-methods/add"),
    ("1", "/billing/payment-methods/{card}/remove"),
    ("1", "/billing/invoices"),
    ("1", "/billing/upcoming"),
    ("1", "/billing/address"),
    ("1", "/billing/history"),
    ("2", "/billing/"),
    ("2", "/billing/cancel"),
    ("2", "/billing/invoices?status=unpaid"),
    ("3", "/billing/"),
    ("3", "/billing/pause/resume"),
    ("4", "/billing/"),
    ("4", "/billing/cancel/done"),
    ("4", "/billing/history"),
)

#: Buttons that change something, beside those of pages with tests of their own.
BUTTONS: t.Final = (
    ("1", "/billing/cancel", "Cancel plan"),
    ("1", "/billing/change?plan=starter", "Downgrade on"),
    ("1", "/billing/address", "Save"),
    ("2", "/billing/invoices", "Pay"),
    ("3", "/billing/pause/resume", "Resume and pay"),
    ("4", "/billing/cancel/done", "Keep my plan"),
)

SCHEMES: t.Final = ("light", "dark", "forced colours")


@pytest.fixture
def shop(make_app: MakeApp) -> Host:
    host = furnish(make_app(catalog=catalog()))
    settle(host, "pro", days=0)

    for user in ("2", "3", "4"):
        Person(host, user).buy("starter")

    use_card(host, "pm_card_chargeCustomerFail", "2")

    with host.app.app_context():
        subscriptions.pause(host.customer("3"), 3)

    host.sandbox.clock.advance(days=40)
    host.sandbox.webhooks.deliver()
    leaver = Person(host, "4")
    leaver.open("/billing/cancel")
    leaver.press("/billing/cancel", reason="unused", comment="We <b>hardly</b> came by.")
    paid: Invoice = host.rows(Invoice, status="paid")[-1]
    host.sandbox.client().v1.credit_notes.create(
        {"invoice": paid.stripe_id, "amount": 100, "credit_amount": 100}
    )
    host.sandbox.webhooks.deliver()
    return host


@pytest.mark.parametrize("scheme", SCHEMES)
def test_nobody_is_shut_out_of_any_page(
    shop: Host, serve: Serve, browser: Browser, scheme: str
) -> None:
    address, wrong = serve(shop), []

    with browser.new_context(
        color_scheme="dark" if scheme == "dark" else "light",
        forced_colors="active" if scheme == "forced colours" else "none",
        reduced_motion="reduce",
        viewport={"width": 320, "height": 640},
        bypass_csp=True,  # for what axe adds
    ) as context:
        page = context.new_page()

        for user, path in _paths(shop):
            sign_in(page, address, path, user)
            page.wait_for_load_state("networkidle")

            if page.evaluate("document.documentElement.scrollWidth") > 320:
                wrong.append(f"{path} of user {user} scrolls sideways")

            if page.evaluate(_RUNNING):
                wrong.append(f"{path} of user {user} moves")

            if (small := page.evaluate(_SMALL)) != []:
                wrong.append(f"{path} of user {user} has small targets: {small}")

            if (found := Axe().run(page, options=_AXE)).violations_count:
                wrong.append(f"{path} of user {user}: {found.generate_report()}")

    assert not wrong, "\n".join(wrong)


def test_no_page_breaks_a_strict_policy(shop: Host, serve: Serve, browser: Browser) -> None:
    address, wrong = serve(shop), []

    with browser.new_context(viewport={"width": 1280, "height": 800}) as context:
        page = context.new_page()
        complaints = Complaints(page)

        for user, path in _paths(shop):
            page.goto(f"{address}/signin?user={user}")
            answer = page.goto(f"{address}{path}")
            assert answer is not None
            page.wait_for_load_state("networkidle")
            wrong += [f"{path} of user {user}: {text}" for text in _inline(answer.text())]
            wrong += [f"{path} of user {user}: {text}" for text in complaints]
            complaints.clear()

    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("failure", ["500", "offline"])
def test_what_fails_on_the_way_leaves_the_page(
    shop: Host, serve: Serve, browser: Browser, failure: str
) -> None:
    address = serve(shop)

    for user, path, button in BUTTONS:
        with browser.new_context(viewport={"width": 1280, "height": 800}) as context:
            page = context.new_page()
            sign_in(page, address, path, user)
            page.wait_for_load_state("networkidle")
            _break(page, failure)
            title, heading = page.title(), page.get_by_role("heading", level=1).inner_text()
            forms = page.locator("form[hx-post]")
            pressed = forms.get_by_role("button", name=re.compile(f"^{button}")).first
            pressed.click()

            expect(page.locator("#fb-alerts")).to_contain_text("That didn't work.")
            expect(pressed).to_be_enabled()
            assert page.title() == title
            assert page.get_by_role("heading", level=1).inner_text() == heading
            assert page.locator(".htmx-request, [aria-busy=true]").count() == 0


def test_who_was_signed_out_meanwhile_lands_on_the_sign_in_page(
    make_app: MakeApp, serve: Serve, browser: Browser
) -> None:
    host = furnish(make_app(catalog=catalog(), BILLING_LOGIN_ENDPOINT="signin"))
    settle(host)
    address = serve(host)

    for path, button in (
        ("/billing/cancel", "Cancel plan"),
        ("/billing/change?plan=pro", "Upgrade and pay"),
        ("/billing/address", "Save"),
    ):
        with browser.new_context() as context:
            page = context.new_page()
            sign_in(page, address, path)
            page.wait_for_load_state("networkidle")
            context.clear_cookies()

            # It leads back at once. A context that is closed on the way may wait for it for ever.
            with (
                page.expect_response(re.compile(r"/signin\?next=/billing/")),
                page.expect_navigation(wait_until="networkidle"),
            ):
                page.get_by_role("button", name=re.compile(f"^{button}")).first.click()


def _paths(shop: Host) -> c.Iterator[tuple[str, str]]:
    customer: Customer = shop.rows(Customer, owner_id="1")[0]
    card: PaymentMethod = shop.rows(PaymentMethod, customer_id=customer.id)[0]

    for user, path in PAGES:
        yield user, path.format(card=card.stripe_id)


def _break(page: Page, failure: str) -> None:
    """Let nothing that is sent from now on come to its answer."""

    def fail(route: t.Any) -> None:
        if route.request.method != "POST":
            route.continue_()
        elif failure == "offline":
            route.abort()
        else:
            route.fulfill(status=500, body="<title>Broken</title><h1>Broken</h1>")

    page.route("**/billing/**", fail)


class _Attributes(html.parser.HTMLParser):
    """Collects what a strict policy, or a host's htmx, would not take."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs)

        if tag == "style" or (tag == "script" and "src" not in names):
            self.found.append(f"<{tag}> with its content in the page")

        for name, value in names.items():
            banned = name == "style" or name.startswith(("on", "hx-on", "hx-ext", "hx-partial"))
            on = name in ("hx-disable", "hx-disabled-elt") or (name, value) == ("hx-boost", "true")

            if banned or on or (value or "").strip().startswith(("js:", "javascript:")):
                self.found.append(f'<{tag} {name}="{value}">')


def _inline(page: str) -> list[str]:
    parser = _Attributes()
    parser.feed(page)
    return parser.found


_AXE: t.Final = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
}

#: Animations that run though the reader wants none.
_RUNNING: t.Final = "document.getAnimations().some(one => one.playState === 'running')"

#: What is too small to be hit.
_SMALL: t.Final = """() => [...document.querySelectorAll('.fb-root :is(a, button, input, select)')]
  .filter(e => e.checkVisibility() && getComputedStyle(e).display !== 'inline')
  .filter(e => !e.closest('label') && !/^(radio|checkbox|hidden)$/.test(e.type))
  .map(e => [e.textContent.trim() || e.name, e.getBoundingClientRect()])
  .filter(([, box]) => box.height && (box.height < 24 || box.width < 24))
  .map(([text]) => text)"""
