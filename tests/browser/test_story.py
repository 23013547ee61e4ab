"""The story a newcomer plays through, in a browser, on the demo as ``make demo`` starts it."""

from __future__ import annotations

import collections.abc as c
import re
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from ..patience import PATIENCE
from .guest import Complaints

PAGES = (
    "/",
    "/write",
    "/demo/",
    "/billing/",
    "/billing/usage",
    "/billing/plans",
    "/billing/payment-methods",
)
DECLINED, CHALLENGED, PAYS = "4000000000000002", "4000002760003184", "4242424242424242"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> c.Iterator[str]:
    """The address that the demo prints when it is started for the first time."""
    folder = tmp_path_factory.mktemp("linnet")
    log = folder / "log"

    with log.open("w") as output:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "flask"),
                *("--app", f"example_app:create_app({str(folder)!r})"),
                *("run", "--port", str(free_port())),
            ],
            cwd=Path(__file__).parent.parent.parent,
            stdout=output,
            stderr=subprocess.STDOUT,
        )

    try:
        yield printed_address(process, log)
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE)


@pytest.fixture
def page(browser: Browser, address: str) -> c.Iterator[Page]:
    """A browser at the front page of a demo that nobody has touched."""
    with browser.new_context(base_url=address, viewport={"width": 1280, "height": 800}) as context:
        page = context.new_page()
        page.goto("/demo/")
        page.get_by_role("button", name="Reset the demo").click()
        expect(page.get_by_text("as it was at the start")).to_be_visible(timeout=PATIENCE * 1000)
        page.goto("/")
        yield page


def test_from_the_front_page_to_the_friendly_stop(page: Page) -> None:
    complaints = Complaints(page)
    sign_in(page, "Paper Boat")
    choose(page, "Pro", yearly=True)

    pay(page, DECLINED)
    expect(page.get_by_role("alert")).to_contain_text("Your card was declined")
    expect(page.get_by_role("alert")).to_contain_text("You haven't been charged")

    pay(page, CHALLENGED)
    expect(page.get_by_role("heading", name="Confirm it's you")).to_be_visible()
    page.get_by_role("button", name="Complete").click()

    expect(page.get_by_role("heading", name="You're on Pro")).to_be_visible()
    expect(page).to_have_url(re.compile(r"/billing/checkout/done$"))
    expect(page.locator("#fb-toasts")).to_contain_text("You're on Pro")
    page.reload()
    expect(page.get_by_role("heading", name="You're on Pro")).to_be_visible()
    page.wait_for_timeout(300)
    expect(page.locator("#fb-toasts .fb-toast")).to_have_count(0)

    page.get_by_role("link", name="Go to billing").click()
    headings = page.get_by_role("heading", level=2)
    expect(headings.nth(0)).to_have_text("Usage")
    expect(headings.nth(1)).to_have_text("Plan")
    expect(page.locator("#fb-plan")).to_contain_text("$986.04 a year")
    expect(page.locator("#fb-plan")).to_contain_text("Renews")

    assert write_until_the_stop(page) == ["ok"] * 6 + ["warn"] * 2 + ["crit"]
    expect(page.get_by_role("heading", name="This needs more than the")).to_be_visible()
    expect(page.get_by_role("link", name="Upgrade to Enterprise").first).to_be_visible()

    # A refused card and a refused call are answers with a status; the browser notes those.
    assert [text for text in complaints if not re.search(r"status of 4(02|29)", text)] == []


def test_writing_live_ends_with_the_draft_or_with_a_way_out(page: Page) -> None:
    sign_in(page, "Paper Boat")
    live = page.get_by_role("button", name="Write it live")
    page.get_by_label("Topic").fill("slow boats")
    page.get_by_label("Short note").check()
    live.click()
    expect(page.locator("#said")).to_have_text("Your draft is ready.")
    expect(page.locator("#draft")).to_contain_text("slow boats")
    expect(page.locator("#drafts tbody tr").first).to_contain_text("slow boats")

    page.get_by_label("Whole book").check()
    live.click()
    refusal = page.locator("#draft")
    expect(refusal.get_by_role("heading", name="This needs more than the")).to_be_visible()
    expect(refusal.get_by_role("link", name="Upgrade to Starter")).to_be_visible()
    expect(page.locator("#said")).to_have_text("")


def test_every_webhook_of_the_story_is_posted_to_the_apps_own_route(page: Page) -> None:
    sign_in(page, "Paper Boat")
    choose(page, "Starter")
    pay(page, PAYS)
    expect(page.get_by_role("heading", name="Your Starter trial has started")).to_be_visible()

    page.goto("/demo/")

    expect(page.get_by_text("/billing/webhooks/stripe")).to_be_visible()
    row = page.get_by_role("row", name="checkout.session.completed").first
    expect(row).to_contain_text("200")


def test_late_webhooks_show_updating_and_then_the_plan_by_itself(page: Page) -> None:
    sign_in(page, "Paper Boat")
    page.get_by_role("link", name="Demo panel").click()
    page.get_by_role("button", name="Hold webhooks").click()
    expect(page.get_by_text("Held back")).to_be_visible()

    choose(page, "Pro")
    pay(page, PAYS)
    expect(page.get_by_role("heading", name="Updating your plan")).to_be_visible()
    expect(page.locator("main")).to_contain_text("Payment received")

    panel = page.context.new_page()
    panel.goto("/demo/")
    panel.get_by_role("button", name="Release webhooks").click()
    expect(panel.get_by_text("Arriving as they happen")).to_be_visible()
    panel.close()

    expect(page.get_by_role("heading", name="You're on Pro")).to_be_visible()
    expect(page.locator("#fb-toasts")).to_contain_text("You're on Pro")


def test_another_card_takes_over(page: Page) -> None:
    complaints = Complaints(page)
    sign_in(page, "Night Heron")
    page.goto("/billing/")
    page.get_by_role("link", name="Manage payment methods").click()
    expect(page.get_by_role("main").get_by_role("listitem")).to_have_count(1)
    page.get_by_role("link", name="Add a card").click()
    page.get_by_role("button", name="Asks for 3-D Secure").click()
    page.get_by_label("Use it for all future payments").check()
    page.get_by_role("button", name="Save card").click()
    page.get_by_role("dialog").get_by_role("button", name="Complete").click()
    expect(page.locator("#fb-toasts")).to_contain_text("Visa 3155 was added, and is your default")

    page.get_by_role("button", name=re.compile("Remove .* 4242")).click()
    page.get_by_role("button", name="Remove card").click()
    expect(page.locator("#fb-toasts")).to_contain_text("was removed")
    expect(page.get_by_text("Add another card before removing this one.")).to_be_visible()
    assert complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_are_accessible_and_fit_a_phone(browser: Browser, address: str, scheme: str) -> None:
    with browser.new_context(
        base_url=address,
        color_scheme="dark" if scheme == "dark" else "light",
        viewport={"width": 360, "height": 640},
        reduced_motion="reduce",
    ) as context:
        page = context.new_page()
        page.goto("/")
        check(page)
        sign_in(page, "Copper Kettle")

        for path in PAGES[1:]:
            page.goto(path)
            check(page)


def check(page: Page) -> None:
    """No violation of WCAG 2.2 AA, and nothing wider than the screen."""
    found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"]})

    assert found.violations_count == 0, f"{page.url}\n{found.generate_report()}"
    assert page.evaluate("document.documentElement.scrollWidth") <= 360, page.url


def sign_in(page: Page, workspace: str) -> None:
    """One click on the front page."""
    page.get_by_role("button", name=workspace).click()
    expect(page.get_by_role("heading", name="What shall we write about?")).to_be_visible()


def choose(page: Page, plan: str, *, yearly: bool = False) -> None:
    """From wherever one is to the plan's Checkout page."""
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Plans").click()

    if yearly:
        page.get_by_label("Yearly").check()

    page.get_by_role("button", name=f"Choose {plan}").click()
    page.wait_for_url("**/sandbox/stripe/c/pay/**")


def pay(page: Page, card: str) -> None:
    """Fill in the Checkout page and send it."""
    page.get_by_label("Card number").fill(card)
    page.get_by_label("Expiry").fill("12 / 34")
    page.get_by_label("Security code").fill("123")
    page.get_by_role("button", name=re.compile("Subscribe|Start trial")).click()


def write_until_the_stop(page: Page) -> list[str | None]:
    """Generate books until that is refused; the meter's level after each."""
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Write").click()
    page.get_by_label("Whole book").check()
    meter = page.locator('[data-fb-meter="tokens"]')
    levels: list[str | None] = [meter.get_attribute("data-fb-level")]

    while True:
        used = meter.locator(".fb-meter-figure").get_attribute("title")

        with page.expect_response("**/generate") as answer:
            page.get_by_role("button", name="Generate").click()

        if answer.value.status == 429:
            return levels

        expect(meter.locator(".fb-meter-figure")).not_to_have_attribute("title", used or "")
        levels.append(meter.get_attribute("data-fb-level"))


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def printed_address(process: subprocess.Popen[bytes], log: Path) -> str:
    """Wait for the address in the output, and for an answer there."""
    end = time.monotonic() + PATIENCE

    while time.monotonic() < end and process.poll() is None:
        found = re.search(r"Running on (http://127\.0\.0\.1:\d+)", log.read_text())

        if found is not None:
            urllib.request.urlopen(found[1], timeout=PATIENCE).close()  # noqa: S310
            return found[1]

        time.sleep(0.2)

    pytest.fail(f"The demo did not start:\n{log.read_text()}")
