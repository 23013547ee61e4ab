"""The usage report in a browser: filters, news while somebody reads, and assistive technology."""

from __future__ import annotations

import collections.abc as c
import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Request, expect

from ..host import Host
from .conftest import Serve
from .guest import Complaints, furnish, sign_in


@pytest.fixture(params=["light", "dark"])
def page(browser: Browser, request: pytest.FixtureRequest) -> c.Iterator[Page]:
    with browser.new_context(color_scheme=request.param) as context:
        yield context.new_page()


@pytest.fixture
def address(host: Host, serve: Serve) -> str:
    host.sandbox.clock.freeze()  # today stays today
    book(host, 900, "large")
    book(host, 300, "small")
    return serve(furnish(host))


def book(host: Host, tokens: int, model: str) -> None:
    with host.app.app_context():
        host.billing.record(
            "tokens",
            tokens,
            customer=host.customer(),
            provider="acme",
            model=model,
            cost_total=tokens * 1_000_000,
        )


def test_a_filter_is_one_request_and_keeps_the_focus(page: Page, address: str) -> None:
    complaints = Complaints(page)
    sign_in(page, address, "/billing/usage")
    page.wait_for_load_state("networkidle")
    sent: list[Request] = []
    page.on("request", lambda request: sent.append(request))
    choice = page.locator("#fb-filter-metric")

    choice.focus()
    choice.select_option("cost")

    expect(page.get_by_role("img", name="Estimated cost per day")).to_be_visible()
    expect(choice).to_be_focused()
    expect(page).to_have_url(re.compile("metric=cost"))
    assert len(sent) == 1
    assert complaints == []


def test_news_arrive_and_what_was_opened_stays_open(host: Host, page: Page, address: str) -> None:
    sign_in(page, address, "/billing/usage")
    page.get_by_text("View as table").click()
    table = page.get_by_role("table", name="Tokens per day")
    expect(table.get_by_role("row").last).to_contain_text("1,200")

    book(host, 50, "small")
    page.evaluate("document.body.dispatchEvent(new CustomEvent('billing:usage'))")

    expect(table.get_by_role("row").last).to_contain_text("1,250")
    expect(page.get_by_role("img", name="In all 1,250.")).to_be_visible()


def test_dates_are_asked_for_only_where_they_count(page: Page, address: str) -> None:
    sign_in(page, address, "/billing/usage")
    expect(page.get_by_label("From")).to_be_hidden()

    page.get_by_label("Period").select_option("custom")

    expect(page.get_by_label("From")).to_be_visible()
    page.get_by_label("From").fill("2020-01-01")
    page.get_by_label("From").blur()
    expect(page.get_by_role("alert").filter(has_text="at most 366 days")).to_be_visible()


@pytest.mark.parametrize("path", ["/billing/usage", "/billing/admin/customers/1/usage"])
def test_readers_and_small_screens(host: Host, page: Page, address: str, path: str) -> None:
    host.billing.admin_loader(lambda: True)
    page.set_viewport_size({"width": 320, "height": 640})
    sign_in(page, address, path)
    page.locator("#fb-usage-days-summary").click()

    found = Axe().run(page)

    assert found.violations_count == 0, found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
