"""Invoices, the next one and billing details in a browser."""

from __future__ import annotations

import collections.abc as c
import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Request, expect

from flask_billing.models import Invoice

from ..host import Host
from ..invoices.debtor import ASKS_THE_BANK, charges, in_debt
from ..views.test_invoices import billed
from .conftest import Serve
from .guest import HOSTILE, Complaints, furnish, sign_in


@pytest.fixture(autouse=True)
def _furnished(host: Host) -> None:
    """Before its first request, as a host has to be."""
    furnish(host, body_attributes=HOSTILE)


@pytest.fixture(params=["light", "dark"])
def page(browser: Browser, request: pytest.FixtureRequest) -> c.Iterator[Page]:
    with browser.new_context(color_scheme=request.param) as context:
        yield context.new_page()


@pytest.fixture
def light(browser: Browser) -> c.Iterator[Page]:
    with browser.new_context() as context:
        yield context.new_page()


def test_load_more_appends_announces_and_moves_the_focus(
    host: Host, serve: Serve, light: Page
) -> None:
    complaints = Complaints(light)
    billed(host, 45)
    sign_in(light, serve(host), "/billing/invoices")
    rows = light.locator(".fb-inv-one")
    shown = light.get_by_role("status").filter(has_text="invoices")
    expect(shown).to_have_text("20 of 45 invoices")

    light.get_by_role("link", name="Load more").click()

    expect(rows).to_have_count(40)
    expect(rows.nth(20)).to_be_focused()
    expect(shown).to_have_text("40 of 45 invoices")
    light.get_by_role("link", name="Load more").click()
    expect(rows).to_have_count(45)
    expect(rows.nth(40)).to_be_focused()
    expect(shown).to_have_text("45 invoices")
    expect(light.get_by_role("link", name="Load more")).to_have_count(0)
    numbers = light.locator(".fb-inv-one .fb-td-note bdi").all_inner_texts()
    assert len(set(numbers)) == 45
    assert light.url.endswith("/billing/invoices")
    assert complaints == []


def test_a_filter_is_one_request_and_keeps_the_focus(host: Host, serve: Serve, light: Page) -> None:
    billed(host, 1)
    billed(host, 1, stripe_id="in_void", number="A1-9", status="void")
    sign_in(light, serve(host), "/billing/invoices")
    light.wait_for_load_state("networkidle")
    sent: list[Request] = []
    light.on("request", lambda request: sent.append(request))

    choice = light.get_by_label("Show")
    choice.focus()
    choice.select_option("void")

    expect(light.locator(".fb-inv-one")).to_have_count(1)
    expect(choice).to_be_focused()
    expect(light).to_have_url(re.compile("status=void"))
    assert len(sent) == 1


def test_three_fast_clicks_pay_once(host: Host, serve: Serve, light: Page) -> None:
    complaints = Complaints(light)
    invoice = in_debt(host)
    before = charges(host)
    sign_in(light, serve(host), "/billing/invoices")
    sent: list[Request] = []
    light.on("request", lambda one: sent.append(one) if one.method == "POST" else None)
    button = light.get_by_role("button", name="Pay $29.00 for invoice")
    button.evaluate("(found) => { found.click(); found.click(); found.click(); }")

    expect(light.get_by_text("Paid $29.00. Thank you.")).to_be_visible()
    row = light.locator(f"#fb-inv-{invoice.stripe_id}")
    expect(row.locator(".fb-wide .fb-status")).to_have_text("Paid")
    expect(row).to_be_focused()
    expect(light.get_by_text("We couldn't charge")).to_have_count(0)
    assert len(sent) == 1
    assert charges(host) == before + 1
    assert complaints == []


def test_a_payment_is_confirmed_with_the_bank(host: Host, serve: Serve, light: Page) -> None:
    invoice = in_debt(host, card=ASKS_THE_BANK)
    sign_in(light, serve(host), "/billing/invoices")
    light.get_by_role("button", name="Pay $29.00 for invoice").click()
    light.get_by_role("button", name="Confirm with your bank").click()
    light.get_by_role("button", name="Complete").click()

    row = light.locator(f"#fb-inv-{invoice.stripe_id}")
    expect(row.locator(".fb-wide .fb-status")).to_have_text("Paid")
    assert host.rows(Invoice, stripe_id=invoice.stripe_id)[0].status == "paid"


def test_while_the_server_fails_the_row_stays(host: Host, serve: Serve, light: Page) -> None:
    in_debt(host)
    sign_in(light, serve(host), "/billing/invoices")
    title = light.title()

    with host.sandbox.outage():
        light.get_by_role("button", name="Pay $29.00 for invoice").click()
        expect(light.get_by_role("alert").filter(has_text="charged twice")).to_be_visible()

    expect(light.get_by_role("button", name="Pay $29.00 for invoice")).to_be_enabled()
    assert light.title() == title
    light.get_by_role("button", name="Pay $29.00 for invoice").click()
    expect(light.get_by_text("Paid $29.00. Thank you.")).to_be_visible()


def test_the_next_invoice_takes_its_place_without_a_jump(
    host: Host, serve: Serve, light: Page
) -> None:
    in_debt(host)
    address = serve(host)
    light.route("**/billing/upcoming", lambda route: None)  # never answered
    sign_in(light, address)
    place = light.locator("#fb-upcoming")
    expect(place).to_have_attribute("aria-busy", "true")
    before = place.bounding_box()

    light.unroute("**/billing/upcoming")
    light.reload()
    expect(place.get_by_text("Estimated")).to_be_visible()
    after = place.bounding_box()

    assert before is not None
    assert after is not None
    assert abs(after["height"] - before["height"]) < 24


def test_errors_get_the_focus_and_what_was_typed_stays(
    host: Host, serve: Serve, light: Page
) -> None:
    sign_in(light, serve(host), "/billing/address")
    light.get_by_label("Name or company").fill("")
    light.get_by_label("City").fill("Bonn")
    title = light.title()
    light.get_by_role("button", name="Save details").click()

    summary = light.get_by_role("alert").filter(has_text="need another look")
    expect(summary).to_be_focused()
    summary.get_by_role("link", name="Enter the name").click()
    expect(light.get_by_label("Name or company")).to_be_focused()
    expect(light.get_by_label("Name or company")).to_have_attribute("aria-invalid", "true")
    expect(light.get_by_label("City")).to_have_value("Bonn")
    assert light.title() == title

    light.get_by_label("Name or company").fill("Ada")
    light.get_by_label("Street and number").fill("1 Main Street")
    light.get_by_label("Country").select_option("DE")
    light.get_by_role("button", name="Save details").click()
    expect(light.get_by_text("Your billing details are saved.")).to_be_visible()
    expect(light.get_by_role("heading", name="Billing details")).to_be_focused()


def test_everything_works_without_scripts(host: Host, serve: Serve, browser: Browser) -> None:
    billed(host, 25)
    in_debt(host)

    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        sign_in(page, serve(host))
        page.get_by_role("link", name="See your next invoice").click()
        expect(page.get_by_text("Estimated")).to_be_visible()
        page.get_by_role("link", name="Invoices", exact=True).click()
        page.get_by_role("button", name="Pay $29.00 for invoice").click()
        expect(page.get_by_text("Paid $29.00. Thank you.")).to_be_visible()
        page.get_by_role("link", name="Load more").click()
        expect(page.locator(".fb-inv-one")).to_have_count(7)
        page.goto(page.url.split("/billing")[0] + "/billing/address")
        page.get_by_label("Name or company").fill("Ada Ltd")
        page.get_by_role("button", name="Save details").click()
        expect(page.get_by_text("Your billing details are saved.")).to_be_visible()


@pytest.mark.parametrize("path", ["/billing/invoices", "/billing/address", "/billing/"])
def test_readers_and_small_screens(host: Host, page: Page, serve: Serve, path: str) -> None:
    complaints = Complaints(page)
    in_debt(host)
    page.set_viewport_size({"width": 320, "height": 640})
    sign_in(page, serve(host), path)

    if path == "/billing/":
        expect(page.get_by_text("Estimated")).to_be_visible()

    found = Axe().run(page)

    assert found.violations_count == 0, found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert complaints == []
