"""The billing pages in a browser: what scripts, styles and screen readers make of them."""

from __future__ import annotations

import collections.abc as c
import re

import jinja2
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Request, expect

from ..host import Host
from .conftest import Serve
from .guest import HOSTILE, Complaints, furnish, sign_in, use

MakeApp = c.Callable[..., Host]

PAGES = (
    "/billing/",
    "/billing/usage",
    "/billing/plans",
    "/billing/checkout/start?plan=pro&interval=year",
    "/billing/payment-methods",
    "/billing/payment-methods/add",
)


@pytest.fixture
def page(browser: Browser) -> c.Iterator[Page]:
    with browser.new_context(viewport={"width": 1280, "height": 800}) as context:
        yield context.new_page()


@pytest.fixture
def address(host: Host, serve: Serve) -> str:
    return serve(furnish(host))


def test_the_toggle_swaps_prices_without_a_request(page: Page, address: str) -> None:
    page.goto(f"{address}/billing/plans")
    page.wait_for_load_state("networkidle")
    pro = page.get_by_role("article", name="Pro", exact=True)
    sent = _requests(page)
    expect(pro).to_contain_text("$99/mo")

    page.get_by_role("radio", name="Monthly").focus()
    page.keyboard.press("ArrowRight")

    expect(page.get_by_role("radio", name=re.compile("Yearly"))).to_be_checked()
    expect(pro.get_by_text("$82.17")).to_have_count(2)
    expect(pro.locator(".fb-when-year").first).to_be_visible()
    expect(pro.locator(".fb-when-month").first).to_be_hidden()
    expect(pro.locator(".fb-when-year").first).to_contain_text("billed $986.04 yearly")
    expect(pro.locator(".fb-when-year").first).to_contain_text("Save $201.96 a year")
    expect(page.get_by_role("radio", name="Save 17%")).to_be_visible()
    assert sent == []


def test_three_fast_clicks_are_one_checkout(host: Host, page: Page, address: str) -> None:
    sign_in(page, address, "/billing/plans")
    sent = _requests(page)
    button = page.get_by_role("button", name="Choose Starter")
    button.evaluate("button => { button.click(); button.click(); button.click(); }")
    page.wait_for_url("**/sandbox/stripe/**")

    assert [request.method for request in sent if request.url.endswith("/checkout")] == ["POST"]

    page.go_back()
    expect(page.get_by_role("button", name="Choose Starter")).to_be_enabled()
    assert page.locator(".htmx-request, [aria-busy]").count() == 0


def test_meters_have_a_name_a_level_and_the_figures(host: Host, page: Page, address: str) -> None:
    for user, used in (("1", 69_990), ("2", 70_000), ("3", 90_000), ("4", 130_000)):
        use(host, "tokens", used, user)

    levels = {}

    for user in ("1", "2", "3", "4"):
        sign_in(page, address, "/billing/usage", user)
        meter = page.get_by_role("meter", name="Tokens")
        expect(meter).to_have_count(1)
        levels[user] = page.locator("[data-fb-meter=tokens]").get_attribute("data-fb-level")

    assert levels == {"1": "ok", "2": "warn", "3": "crit", "4": "crit"}
    expect(page.locator("[data-fb-meter=tokens]")).to_contain_text("130,000 of 100,000 (130%)")
    expect(page.locator("[data-fb-meter=tokens]")).to_contain_text("Over by 30K")


def test_a_poll_without_news_leaves_the_page_alone(
    make_app: MakeApp, serve: Serve, page: Page
) -> None:
    host = make_app(BILLING_METER_POLL=_seconds(1))
    address = serve(furnish(host))
    sign_in(page, address, "/dashboard")
    page.locator("summary").click()
    page.evaluate("window.node = document.querySelector('[data-fb-meter]')")

    with page.expect_response("**/billing/meters/tokens**") as polled:
        pass

    assert polled.value.status == 204
    assert page.evaluate("window.node.isConnected")

    use(host, "tokens", 7234)
    expect(page.locator("[data-fb-meter=tokens]")).to_contain_text("7.2K of 100K")
    assert page.evaluate("document.querySelector('details').open")


def test_a_hidden_page_does_not_ask(make_app: MakeApp, serve: Serve, page: Page) -> None:
    address = serve(furnish(make_app(BILLING_METER_POLL=_seconds(1))))
    page.add_init_script("Object.defineProperty(document, 'hidden', {get: () => true})")
    sign_in(page, address)
    page.wait_for_load_state("networkidle")
    sent = _requests(page)
    page.wait_for_timeout(2500)

    assert sent == []


def test_a_metered_answer_makes_the_meter_look_again(host: Host, page: Page, address: str) -> None:
    sign_in(page, address, "/dashboard")
    use(host, "tokens", 95_000)
    page.evaluate("document.body.dispatchEvent(new CustomEvent('billing:usage'))")

    expect(page.locator("[data-fb-meter=tokens]")).to_have_attribute("data-fb-level", "crit")
    expect(page.get_by_text("Almost at your limit.")).to_be_visible()


def test_the_toast_shows_once(host: Host, page: Page, address: str) -> None:
    sign_in(page, address, "/billing/checkout/cancelled")
    toast = page.locator("#fb-toasts .fb-toast")
    expect(toast).to_have_text(re.compile("Checkout cancelled. You weren't charged."))
    toast.get_by_role("button", name="Dismiss").click()
    expect(toast).to_have_count(0)

    page.reload()
    expect(page.locator("#fb-toasts .fb-toast")).to_have_count(0)


def test_a_checkout_that_fails_says_so_and_can_be_tried_again(
    host: Host, page: Page, address: str
) -> None:
    sign_in(page, address, "/billing/plans")
    title = page.title()

    with host.sandbox.outage():
        page.get_by_role("button", name="Choose Starter").click()
        expect(page.get_by_role("alert")).to_contain_text("You haven't been charged. Try again.")

    assert page.title() == title
    expect(page.get_by_role("button", name="Choose Starter")).to_be_enabled()
    page.get_by_role("button", name="Choose Starter").click()
    page.wait_for_url("**/sandbox/stripe/**")


def test_without_a_connection_an_alert_says_so(page: Page, address: str) -> None:
    sign_in(page, address, "/billing/plans")
    page.context.set_offline(True)
    page.get_by_role("button", name="Choose Starter").click()

    expect(page.get_by_role("alert")).to_contain_text("That didn't work.")
    expect(page.get_by_role("button", name="Choose Starter")).to_be_enabled()


def test_an_outdated_form_is_renewed_and_works_at_the_second_press(
    page: Page, address: str
) -> None:
    sign_in(page, address, "/billing/plans")
    page.evaluate("document.querySelectorAll('[name=csrf_token]').forEach(f => f.value = 'old')")
    page.get_by_role("button", name="Choose Starter").click()
    expect(page.get_by_role("alert")).to_contain_text("Nothing was changed.")

    page.get_by_role("button", name="Choose Starter").click()
    page.wait_for_url("**/sandbox/stripe/**")


def test_a_choice_goes_on_to_checkout_once(page: Page, address: str) -> None:
    sent = _requests(page)
    start = "/billing/checkout/start%3Fplan%3Dstarter%26interval%3Dmonth"
    # The page goes on by itself, perhaps before all of it is there.
    page.goto(f"{address}/signin?next={start}", wait_until="commit")
    page.wait_for_url("**/sandbox/stripe/**")
    posts = [request for request in sent if request.method == "POST"]
    assert [request.headers.get("hx-request") for request in posts] == ["true"]

    page.go_back()
    expect(page.get_by_role("button", name="Continue to checkout")).to_be_enabled()
    sent.clear()
    page.wait_for_timeout(500)
    assert sent == []


def test_a_refusal_elsewhere_opens_the_dialog(page: Page, address: str) -> None:
    sign_in(page, address, "/dashboard")
    page.get_by_role("link", name="Billing").focus()
    page.evaluate(
        """detail => document.body.dispatchEvent(
          new CustomEvent("billing:quota-exceeded", {bubbles: true, detail}))""",
        {
            "title": "Quota exceeded",
            "detail": "Tokens: all used.",
            "upgrade_url": "/billing/plans",
        },
    )
    dialog = page.get_by_role("dialog", name="Quota exceeded")
    expect(dialog).to_contain_text("Tokens: all used.")
    expect(dialog.get_by_role("link", name="See plans")).to_have_attribute("href", "/billing/plans")
    expect(dialog.get_by_role("heading")).to_be_focused()

    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page.get_by_role("link", name="Billing")).to_be_focused()


def test_a_question_is_asked_in_the_dialog(page: Page, address: str) -> None:
    sign_in(page, address, "/billing/plans")
    sent = _requests(page)
    page.evaluate(
        """() => {
          const form = document.querySelector("form[data-fb-busy]");
          form.setAttribute("hx-confirm", "Choose Starter?");
        }"""
    )
    button = page.get_by_role("button", name="Choose Starter")
    button.click()
    dialog = page.get_by_role("dialog", name="Choose Starter?")
    dialog.get_by_role("button", name="Back").click()
    expect(button).to_be_focused()
    assert [request for request in sent if request.method == "POST"] == []

    button.click()
    dialog.get_by_role("button", name="Continue").click()
    page.wait_for_url("**/sandbox/stripe/**")


def test_everything_works_without_scripts(browser: Browser, address: str) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        sign_in(page, address, "/billing/plans?interval=year")
        pro = page.get_by_role("article", name="Pro", exact=True)
        expect(pro.get_by_role("button", name="Choose Pro")).to_be_visible()
        expect(pro.locator(".fb-when-year").first).to_contain_text("$82.17")
        page.locator("label", has_text="Monthly").click()
        expect(pro.locator(".fb-when-month").first).to_be_visible()


def test_a_form_without_scripts_redirects(browser: Browser, host: Host, serve: Serve) -> None:
    address = serve(furnish(host))

    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        sign_in(page, address)
        page.get_by_role("button", name="Choose Pro").click()
        page.wait_for_url("**/sandbox/stripe/**")


@pytest.mark.parametrize("path", [*PAGES, "/dashboard", "/billing/nowhere"])
def test_no_complaints_under_a_strict_policy(page: Page, address: str, path: str) -> None:
    complaints = Complaints(page)
    sign_in(page, address, path)
    page.wait_for_timeout(200)

    assert [text for text in complaints if "404" not in text] == []


@pytest.mark.parametrize("scheme", ["light", "dark", "forced colours"])
@pytest.mark.parametrize("path", [*PAGES, "/dashboard"])
def test_accessible_in_every_scheme(
    browser: Browser, host: Host, address: str, path: str, scheme: str
) -> None:
    use(host, "tokens", 95_000)
    use(host, "api_calls", 3)

    with browser.new_context(
        color_scheme="dark" if scheme == "dark" else "light",
        forced_colors="active" if scheme == "forced colours" else "none",
        reduced_motion="reduce",
    ) as context:
        page = context.new_page()
        page.route("**/billing/checkout", lambda route: route.abort())
        sign_in(page, address, path)
        found = Axe().run(
            page,
            options={
                "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
            },
        )

    assert found.violations_count == 0, found.generate_report()


@pytest.mark.parametrize("width", [320, 360])
@pytest.mark.parametrize("path", PAGES)
def test_narrow_screens_never_scroll_sideways(
    page: Page, host: Host, address: str, path: str, width: int
) -> None:
    use(host, "tokens", 95_000)
    page.set_viewport_size({"width": width, "height": 640})
    page.route("**/billing/checkout", lambda route: route.abort())
    sign_in(page, address, path)

    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_targets_are_large_enough(page: Page, host: Host, address: str) -> None:
    use(host, "tokens", 95_000)

    for path in PAGES[:3]:
        sign_in(page, address, path)
        small = page.evaluate(
            """() => [...document.querySelectorAll('.fb-root :is(a, button, label)')]
              .filter(e => e.checkVisibility() && getComputedStyle(e).display !== 'inline')
              .map(e => [e.textContent.trim(), e.getBoundingClientRect()])
              .filter(([, box]) => box.height < 24 || box.width < 24)
              .map(([text]) => text)"""
        )
        assert small == [], path


def test_a_hostile_host_does_not_reach_in(make_app: MakeApp, serve: Serve, page: Page) -> None:
    host = make_app(BILLING_METER_POLL=_seconds(1))
    address = serve(furnish(host, body_attributes=HOSTILE))
    sign_in(page, address, "/dashboard")
    sent = _requests(page)
    use(host, "tokens", 7234)

    expect(page.locator("[data-fb-meter=tokens]")).to_contain_text("7.2K of 100K")
    assert page.url == f"{address}/dashboard"
    expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()
    assert all("stray" not in request.url for request in sent)


def test_a_form_in_a_hostile_layout_does_only_its_own_thing(
    make_app: MakeApp, serve: Serve, page: Page
) -> None:
    host = furnish(make_app(BILLING_BASE_TEMPLATE="hostile.html"))
    layout = (
        '<!doctype html><html lang="en"><head>{% block billing_head %}{% endblock %}</head>'
        f"<body {HOSTILE}>{{% block billing_content %}}{{% endblock %}}"
        "{% block billing_scripts %}{% endblock %}</body></html>"
    )
    host.app.jinja_loader = jinja2.DictLoader({"hostile.html": layout})
    sign_in(page, serve(host), "/billing/")
    page.get_by_role("link", name="Plans", exact=True).click()
    page.wait_for_url("**/billing/plans")
    sent = _requests(page)
    button = page.get_by_role("button", name="Choose Starter")

    with host.sandbox.outage():
        button.click()
        expect(page.get_by_role("alert")).to_contain_text("You haven't been charged.")

    assert page.url.endswith("/billing/plans")
    expect(page.get_by_role("heading", name="Plans", exact=True)).to_be_visible()
    button.click()
    page.wait_for_url("**/sandbox/stripe/**")
    posts = [request for request in sent if request.method == "POST"]
    assert len(posts) == 2
    assert all("stray" not in (request.post_data or "") for request in posts)


def test_a_host_in_dark_turns_the_pages_dark(page: Page, address: str) -> None:
    page.emulate_media(color_scheme="light")
    sign_in(page, address, "/dashboard")
    light = _background(page)
    page.evaluate("document.documentElement.style.colorScheme = 'dark'")
    assert _background(page) != light

    page.evaluate("document.querySelectorAll('.fb-root').forEach(r => r.dataset.fbTheme = 'light')")
    assert _background(page) == light


def test_the_stylesheet_leaves_the_host_alone(page: Page, address: str) -> None:
    sign_in(page, address, "/dashboard")
    ask = """() => {
      const style = getComputedStyle(document.querySelector("main > p"));
      return [...style].map(name => name + style[name]).join();
    }"""
    with_ours = page.evaluate(ask)
    page.evaluate("document.querySelector('link[rel=stylesheet]').remove()")

    assert page.evaluate(ask) == with_ours


def _background(page: Page) -> str:
    found: str = page.evaluate(
        "getComputedStyle(document.querySelector('.fb-paywall')).backgroundColor"
    )
    return found


def _requests(page: Page) -> list[Request]:
    sent: list[Request] = []
    page.on("request", lambda request: sent.append(request))
    return sent


def _seconds(count: int) -> object:
    import datetime as dt

    return dt.timedelta(seconds=count)
