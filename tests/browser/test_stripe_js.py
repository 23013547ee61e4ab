"""The sandbox's stand-in for Stripe.js, called as a page calls Stripe's, under a strict policy."""

from __future__ import annotations

import collections.abc as c
import typing as t

import pytest
import stripe
from playwright.sync_api import Browser, Page, expect

from ..host import Host
from .conftest import Serve
from .guest import Complaints, furnish

PAYS, CHALLENGED, DECLINED = "4242424242424242", "4000002500003155", "4000000000000002"


@pytest.fixture
def page(browser: Browser, host: Host, serve: Serve) -> c.Iterator[Page]:
    """A page of the app, at which Stripe.js is loaded and has a place to mount."""
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{serve(furnish(host))}/billing/plans")
        page.evaluate(
            """() => new Promise((resolve) => {
              const script = document.createElement("script");
              script.src = "/sandbox/stripe/endive/stripe.js";
              script.onload = resolve;
              document.head.append(script);
              const place = document.createElement("div");
              place.id = "place";
              document.querySelector(".fb-page").replaceChildren(place);
            })"""
        )
        page.evaluate("window.stripe = Stripe('pk_test_sandbox')")
        yield page


def mount(page: Page, options: str = "{mode: 'setup', currency: 'usd'}") -> None:
    page.evaluate(
        f"""() => {{
          window.elements = stripe.elements({options});
          window.said = [];
          const element = elements.create("payment");
          for (const name of ["ready", "change", "focus"]) element.on(name, (event) => said.push([name, event.complete]));
          element.mount("#place");
        }}"""  # noqa: E501
    )


def type_card(page: Page, number: str) -> None:
    page.get_by_label("Card number").press_sequentially(number)
    page.get_by_label("Expiration date").press_sequentially("1234")
    page.get_by_label("Security code").press_sequentially("123")


def setup_intent(client: stripe.StripeClient) -> stripe.SetupIntent:
    return client.v1.setup_intents.create({"customer": client.v1.customers.create().id})


def confirm(page: Page, intent: stripe.SetupIntent, redirect: str = "if_required") -> None:
    """Send what was typed; ``window.outcome`` is the promise of what becomes of it."""
    page.evaluate(
        """([clientSecret, redirect]) => {
          const confirmParams = { return_url: location.origin + "/" };
          const options = { elements, clientSecret, redirect, confirmParams };
          window.outcome = elements.submit().then(
            ({ error }) => error ? { error } : stripe.confirmSetup(options));
        }""",
        [intent.client_secret, redirect],
    )


def outcome(page: Page) -> dict[str, t.Any]:
    found: dict[str, t.Any] = page.evaluate("window.outcome")
    return found


def test_a_typed_card_is_saved_without_a_complaint(host: Host, page: Page) -> None:
    complaints = Complaints(page)
    client = host.sandbox.client()
    mount(page)
    type_card(page, PAYS)
    assert page.evaluate("said.at(-1)") == ["change", True]
    assert page.evaluate("said[0]") == ["ready", None]

    intent = setup_intent(client)
    confirm(page, intent)

    assert outcome(page)["setupIntent"]["status"] == "succeeded"
    cards = client.v1.customers.payment_methods.list(str(intent.customer))
    assert [(card.card.last4, card.card.exp_year) for card in cards.data if card.card] == [
        ("4242", 2034)
    ]
    assert complaints == []


def test_mistakes_are_errors_at_their_fields(host: Host, page: Page) -> None:
    mount(page)
    type_card(page, "4242424242424241")
    intent = setup_intent(host.sandbox.client())
    confirm(page, intent)

    assert outcome(page)["error"] == {
        "type": "validation_error",
        "code": "invalid_number",
        "message": "Your card number is invalid.",
    }
    field = page.get_by_label("Card number")
    expect(field).to_be_focused()
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_have_accessible_description("Your card number is invalid.")


def test_a_decline_is_an_error_and_another_card_can_be_tried(host: Host, page: Page) -> None:
    mount(page)
    type_card(page, DECLINED)
    intent = setup_intent(host.sandbox.client())
    confirm(page, intent)
    error = outcome(page)["error"]
    assert (error["type"], error["decline_code"]) == ("card_error", "generic_decline")

    page.get_by_role("button", name="Pays").click()
    confirm(page, intent)
    assert outcome(page)["setupIntent"]["status"] == "succeeded"


@pytest.mark.parametrize(
    ("button", "status"), [("Complete", "succeeded"), ("Fail", "requires_payment_method")]
)
def test_the_bank_asks_in_a_dialog(host: Host, page: Page, button: str, status: str) -> None:
    client = host.sandbox.client()
    mount(page)
    type_card(page, CHALLENGED)
    intent = setup_intent(client)
    confirm(page, intent)
    bank = page.get_by_role("dialog", name="Confirm with your bank")
    bank.get_by_role("button", name=button).click()

    found = outcome(page)
    assert client.v1.setup_intents.retrieve(intent.id).status == status

    if button == "Fail":
        assert found["error"]["code"] == "setup_intent_authentication_failure"
    else:
        assert found["setupIntent"]["status"] == "succeeded"

    expect(bank).to_have_count(0)


def test_closing_the_bank_proves_nothing(host: Host, page: Page) -> None:
    mount(page)
    type_card(page, CHALLENGED)
    confirm(page, setup_intent(host.sandbox.client()))
    expect(page.get_by_role("dialog", name="Confirm with your bank")).to_be_visible()
    page.keyboard.press("Escape")

    assert outcome(page)["error"]["code"] == "setup_intent_authentication_failure"


def test_a_page_that_wants_a_redirect_is_left_with_the_intent(host: Host, page: Page) -> None:
    mount(page)
    type_card(page, PAYS)
    intent = setup_intent(host.sandbox.client())
    confirm(page, intent, redirect="always")
    page.wait_for_url("**/?setup_intent=*")

    assert f"setup_intent={intent.id}" in page.url
    assert "redirect_status=succeeded" in page.url


def test_elements_come_and_go_and_leave_nothing_behind(page: Page) -> None:
    for _ in range(3):
        mount(page)
        expect(page.locator(".StripeElement")).to_have_count(1)
        page.evaluate("elements.getElement('payment').destroy()")

    expect(page.locator(".StripeElement, iframe")).to_have_count(0)
    assert page.evaluate("elements.getElement('payment')") is None


def test_the_address_element_tells_what_was_typed(page: Page) -> None:
    page.evaluate(
        """() => {
          window.elements = stripe.elements({ mode: "setup", currency: "usd" });
          const options = { mode: "billing", defaultValues: { name: "Ada", address: { city: "Ely" } } };
          elements.create("address", options).mount("#place");
        }"""  # noqa: E501
    )
    page.get_by_label("Address line 1").fill("1 Main St")
    assert page.evaluate("elements.getElement('address').getValue().then((it) => it.complete)") is (
        False
    )
    page.get_by_label("Country").fill("gb")
    found = page.evaluate("elements.getElement('address').getValue()")

    assert found["complete"] is True
    assert found["value"]["name"] == "Ada"
    assert (found["value"]["address"]["city"], found["value"]["address"]["country"]) == (
        "Ely",
        "GB",
    )


def test_a_payment_method_is_made_of_the_element(page: Page) -> None:
    mount(page)
    page.get_by_role("button", name="Pays").click()
    made = page.evaluate("stripe.createPaymentMethod({ elements })")

    assert made["paymentMethod"]["card"]["last4"] == "4242"


def test_an_intent_is_read_with_its_secret_only(host: Host, page: Page) -> None:
    intent = setup_intent(host.sandbox.client())
    found = page.evaluate("(secret) => stripe.retrieveSetupIntent(secret)", intent.client_secret)
    assert found["setupIntent"]["id"] == intent.id

    wrong = page.evaluate(
        "(secret) => stripe.retrieveSetupIntent(secret)", f"{intent.id}_secret_guess"
    )
    assert wrong["error"]["param"] == "client_secret"


def test_a_sandbox_that_is_down_is_an_error_object(host: Host, page: Page) -> None:
    intent = setup_intent(host.sandbox.client())
    page.route("**/v1/**", lambda route: route.abort())
    found = page.evaluate("(secret) => stripe.retrieveSetupIntent(secret)", intent.client_secret)

    assert found["error"]["type"] == "api_connection_error"


@pytest.mark.parametrize("key", ["sk_test_sandbox", "pk_live_1", ""])
def test_only_a_publishable_test_key_opens_it(page: Page, key: str) -> None:
    thrown = page.evaluate(
        "(key) => { try { Stripe(key); return ''; } catch (error) { return error.name; } }", key
    )
    assert thrown == "IntegrationError"
