"""Leaving, in a browser: in view at once, two clicks, a result that is told and can be undone."""

from __future__ import annotations

import collections.abc as c

import pytest
from axe_playwright_python.sync_playwright import Axe
from jinja2 import ChoiceLoader, DictLoader
from playwright.sync_api import Browser, Page, expect

from flask_billing import subscriptions
from flask_billing.models import Invoice, Outbox, Subscription

from ..host import Host
from ..subscriptions.leaving import failing
from ..views.person import Person
from .conftest import Serve
from .guest import HOSTILE, Complaints, furnish, sign_in

SIZES = ((360, 640), (1280, 800))


@pytest.fixture
def host(host: Host) -> Host:
    """A host with a sign-in page and the strict CSP."""
    return furnish(host)


@pytest.fixture(params=SIZES, ids=["phone", "desk"])
def page(request: pytest.FixtureRequest, browser: Browser) -> c.Iterator[Page]:
    """A browser of each size."""
    width, height = request.param

    with browser.new_context(viewport={"width": width, "height": height}) as context:
        yield context.new_page()


def test_two_clicks_from_the_overview_cancel_without_a_reason(
    host: Host, serve: Serve, page: Page
) -> None:
    Person(host).buy("starter")
    complaints = Complaints(page)
    sign_in(page, serve(host))

    page.get_by_role("link", name="Cancel plan").click()
    button = page.get_by_role("button", name="Cancel plan")
    expect(button).to_be_in_viewport(ratio=1)
    title = page.title()
    button.click()

    heading = page.get_by_role("heading", name="Your plan is cancelled")
    expect(heading).to_be_focused()
    done = page.locator("#fb-cancel")
    expect(done).to_contain_text("Reference")
    expect(done).to_contain_text("You won't be charged again.")
    expect(done).to_contain_text("We e-mailed a confirmation to user1@example.com.")
    assert (page.title(), page.url.rpartition("/")[2]) == (title, "cancel")
    host.sandbox.webhooks.deliver()
    assert len(host.rows(Outbox, kind="mail", name="cancelled")) == 1

    page.get_by_role("button", name="Keep my plan").click()
    expect(page.locator("#fb-plan")).to_contain_text("Active")
    expect(page.locator("#fb-toasts")).to_contain_text("You keep Starter.")
    assert complaints == []


def test_the_button_stays_in_view_down_to_the_comment(host: Host, serve: Serve, page: Page) -> None:
    Person(host).buy("starter")
    sign_in(page, serve(host), "/billing/cancel")
    comment = page.get_by_label("Anything else?")
    button = page.get_by_role("button", name="Cancel plan")

    page.get_by_label("It's too expensive").focus()

    for _ in range(2):
        page.keyboard.press("Tab")

    expect(button.or_(comment).and_(page.locator(":focus"))).to_be_in_viewport(ratio=1)
    expect(button).to_be_in_viewport(ratio=1)
    comment.scroll_into_view_if_needed()
    expect(button).to_be_in_viewport(ratio=1)


def test_a_comment_too_long_is_told_and_focused(host: Host, serve: Serve, page: Page) -> None:
    Person(host).buy("starter")
    sign_in(page, serve(host), "/billing/cancel")
    comment = page.get_by_label("Anything else?")
    comment.evaluate("(field) => field.removeAttribute('maxlength')")
    comment.fill("x" * 501)
    page.get_by_role("button", name="Cancel plan").click()

    expect(page.get_by_role("alert").filter(has_text="longer than 500")).to_be_focused()
    expect(comment).to_have_attribute("aria-invalid", "true")
    expect(comment).to_have_value("x" * 501)


def test_a_payment_that_failed_ends_at_once_and_is_no_longer_collected(
    host: Host, serve: Serve, page: Page
) -> None:
    failing(host)
    host.billing.retention_mode(lambda customer: "inline")
    sign_in(page, serve(host), "/billing/cancel")
    expect(page.locator("#fb-cancel")).to_contain_text("ends Starter today")
    expect(page.locator("[data-fb-offer]")).to_have_count(0)

    page.get_by_role("button", name="Cancel plan").click()

    expect(page.get_by_role("heading", name="Your plan is cancelled")).to_be_focused()
    expect(page.locator("#fb-cancel")).to_contain_text("Starter has ended.")
    host.sandbox.webhooks.deliver()
    assert host.rows(Subscription)[0].status == "canceled"
    unpaid = host.rows(Invoice, status="open")[0].stripe_id
    assert host.sandbox.client().v1.invoices.retrieve(unpaid).auto_advance is False


def test_an_outage_is_told_in_place_and_nothing_else_moves(
    host: Host, serve: Serve, page: Page
) -> None:
    Person(host).buy("starter")
    sign_in(page, serve(host), "/billing/cancel")

    with host.sandbox.outage():
        page.get_by_role("button", name="Cancel plan").click()
        expect(page.get_by_role("heading", name="Your cancellation is recorded")).to_be_focused()
        expect(page.locator("#fb-cancel")).to_contain_text("will finish it automatically")
        expect(page.locator("#fb-alerts")).to_be_empty()
        page.get_by_role("button", name="Keep my plan").click()
        expect(page.locator("#fb-toasts")).to_contain_text("You keep Starter.")


def test_without_scripts_it_is_the_same(host: Host, serve: Serve, browser: Browser) -> None:
    Person(host).buy("starter")
    address = serve(host)

    with browser.new_context(
        java_script_enabled=False, viewport={"width": 360, "height": 640}
    ) as context:
        page = context.new_page()
        sign_in(page, address)
        page.get_by_role("link", name="Cancel plan").click()
        page.get_by_label("I don't use it enough").check()
        page.get_by_role("button", name="Cancel plan").click()
        expect(page.get_by_role("heading", name="Your plan is cancelled")).to_be_visible()
        assert page.url.endswith("/billing/cancel/done")
        page.get_by_role("button", name="Keep my plan").click()
        expect(page.locator("#fb-plan")).to_contain_text("Active")


def test_a_hosts_own_htmx_settings_do_not_reach_the_form(
    host: Host, serve: Serve, browser: Browser
) -> None:
    Person(host).buy("starter")
    environment = host.app.jinja_env
    assert environment.loader is not None
    layout = environment.loader.get_source(environment, "billing/layout.html")[0]
    hostile = layout.replace('<body class="fb-body">', f"<body {HOSTILE}>")
    environment.loader = ChoiceLoader([DictLoader({"hostile.html": hostile}), environment.loader])
    host.app.config["BILLING_BASE_TEMPLATE"] = "hostile.html"
    address = serve(host)

    with browser.new_context(viewport={"width": 1280, "height": 800}) as context:
        page = context.new_page()
        sign_in(page, address, "/billing/cancel")
        page.get_by_role("button", name="Cancel plan").click()
        expect(page.get_by_role("heading", name="Your plan is cancelled")).to_be_focused()
        assert page.url.endswith("/billing/cancel")


def test_a_paused_plan_is_resumed_for_the_amount_on_the_button(
    host: Host, serve: Serve, page: Page
) -> None:
    Person(host).buy("starter")

    with host.app.app_context():
        subscriptions.pause(host.customer(), 2)

    address = serve(host)
    sign_in(page, address)
    expect(page.locator(".fb-banner")).to_contain_text("Your plan pauses on")
    expect(page.get_by_role("button", name="Undo the pause")).to_be_visible()

    host.sandbox.clock.advance(days=40)
    host.sandbox.webhooks.deliver()
    page.reload()
    page.get_by_role("link", name="Resume now").click()
    page.get_by_role("button", name="Resume and pay $29.00 now").click()
    expect(page.locator("#fb-toasts")).to_contain_text("Starter runs again.")
    expect(page.locator("#fb-plan")).to_contain_text("Active")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nobody_is_shut_out(host: Host, serve: Serve, browser: Browser, scheme: str) -> None:
    Person(host).buy("starter")
    address = serve(host)

    with browser.new_context(
        viewport={"width": 320, "height": 640},
        color_scheme=scheme,  # type: ignore[arg-type]
    ) as context:
        page = context.new_page()
        sign_in(page, address, "/billing/cancel")
        check(page)
        page.get_by_role("button", name="Cancel plan").click()
        expect(page.get_by_role("heading", name="Your plan is cancelled")).to_be_focused()
        page.get_by_text("Tell us why").click()
        check(page)


def check(page: Page) -> None:
    """WCAG 2.2 AA as far as axe sees it, and no scrolling to the side."""
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
    found = Axe().run(page, options={"runOnly": {"type": "tag", "values": tags}})
    assert found.response["violations"] == [], found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
