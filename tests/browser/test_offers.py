"""Offers in a browser: beside the way out, which stays where it is."""

from __future__ import annotations

import collections.abc as c

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from flask_billing.models import OfferRedemption

from ..host import Host
from ..retention.shop import catalog, settle, subscription_row
from .conftest import Serve
from .guest import Complaints, furnish, sign_in

MakeApp = c.Callable[..., Host]

SIZES = ((360, 640), (1280, 800))


@pytest.fixture
def shop(make_app: MakeApp) -> Host:
    """User 1 has been on Pro for longer than its trial and the first days."""
    host = furnish(make_app(catalog=catalog()))
    settle(host, "pro", days=40)
    return host


@pytest.fixture(params=SIZES, ids=["phone", "desk"])
def page(request: pytest.FixtureRequest, browser: Browser) -> c.Iterator[Page]:
    width, height = request.param

    with browser.new_context(viewport={"width": width, "height": height}) as context:
        yield context.new_page()


def test_too_expensive_brings_a_discount_and_moves_nothing(
    shop: Host, serve: Serve, page: Page
) -> None:
    complaints = Complaints(page)
    sign_in(page, serve(shop), "/billing/cancel")
    button = page.get_by_role("button", name="Cancel plan")
    before = button.bounding_box()
    page.get_by_label("It's too expensive").check()

    region = page.locator("#fb-offer")
    expect(region).to_have_attribute("aria-live", "polite")
    expect(region).to_contain_text("Stay on Pro for 20% less")
    expect(region).to_contain_text("$79.20/month for 3 months, then $99.00/month from")
    expect(button).to_be_in_viewport(ratio=1)
    expect(button).to_be_enabled()
    assert button.bounding_box() == before
    assert Axe().run(page).response["violations"] == []

    region.get_by_role("button", name="Accept offer").click()
    expect(page.get_by_role("heading", name="You stay on Pro, for less")).to_be_focused()
    expect(page.locator("body")).to_contain_text("$79.20/month for 3 months")

    page.goto(page.url.partition("/billing")[0] + "/billing/cancel")
    page.get_by_label("It's too expensive").check()
    expect(page.locator("#fb-offers")).to_be_attached()
    expect(page.locator("[data-fb-offer]")).to_have_count(0)
    assert [row.state for row in shop.rows(OfferRedemption)] == ["done"]
    assert complaints == []


def test_a_no_leaves_the_way_out(shop: Host, serve: Serve, page: Page) -> None:
    sign_in(page, serve(shop), "/billing/cancel")
    page.get_by_label("It's too expensive").check()
    page.get_by_role("button", name="No, thanks").click()
    expect(page.locator("[data-fb-offer]")).to_have_count(0)

    page.get_by_role("button", name="Cancel plan").click()
    expect(page.get_by_role("heading", name="Your plan is cancelled")).to_be_focused()
    expect(page.locator("[data-fb-offer]")).to_have_count(0)


def test_nothing_of_an_offer_reaches_the_page_before_the_cancellation(
    make_app: MakeApp, serve: Serve, page: Page
) -> None:
    shop = furnish(make_app(catalog=catalog()))
    settle(shop, "pro", days=40, mode=None)
    shop.billing.is_consumer(lambda customer: True)
    shop.billing.jurisdiction(lambda customer: "us-mn")
    answers: list[str] = []
    page.on("response", lambda answer: answers.append(answer.url))
    complaints = Complaints(page)
    sign_in(page, serve(shop), "/billing/cancel")
    page.get_by_label("It's too expensive").check()

    assert "offer" not in page.content()
    assert not any("offer" in url for url in answers)
    page.get_by_role("button", name="Cancel plan").click()
    expect(page.get_by_role("heading", name="Your plan is cancelled")).to_be_focused()

    page.get_by_role("link", name="May we show you an offer?").click()
    expect(page.locator("[data-fb-offer]")).to_contain_text("$79.20/month for 3 months")
    assert Axe().run(page).response["violations"] == []
    page.get_by_role("button", name="Accept offer").click()
    expect(page.get_by_role("heading", name="You stay on Pro, for less")).to_be_focused()
    assert subscription_row(shop).cancel_at is None
    assert complaints == []


def test_a_downgrade_and_the_offer_beside_it_weigh_the_same(
    shop: Host, serve: Serve, page: Page
) -> None:
    sign_in(page, serve(shop), "/billing/change?plan=starter&interval=month")
    downgrade = page.get_by_role("button", name="Downgrade on")
    accept = page.get_by_role("button", name="Accept offer")
    looks = "node => { const s = getComputedStyle(node); return [s.fontSize, s.fontWeight, s.color, s.backgroundColor, s.height] }"  # noqa: E501

    assert downgrade.evaluate(looks) == accept.evaluate(looks)
    cards = [page.locator(".fb-change"), page.locator("[data-fb-offer]")]
    widths = [(card.bounding_box() or {"width": -1})["width"] for card in cards]
    assert abs(widths[0] - widths[1]) < 1
    expect(page.locator("[data-fb-offer]")).to_contain_text("Stay on Pro for 20% less")
    assert Axe().run(page).response["violations"] == []

    downgrade.click()
    expect(page.locator("[data-fb-offer]")).to_have_count(0)
