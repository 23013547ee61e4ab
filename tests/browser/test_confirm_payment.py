"""A payment that the bank wants confirmed, on a page of ours."""

from __future__ import annotations

import collections.abc as c

import jinja2
import pytest
from flask import render_template, request
from flask.typing import ResponseReturnValue
from playwright.sync_api import Browser, Page, expect

from flask_billing import sync
from flask_billing.customers import require_current_customer
from flask_billing.models import Subscription
from flask_billing.stripe_customers import ensure_stripe_customer

from ..host import Host
from .conftest import Serve
from .guest import Complaints, furnish, sign_in

PAGE = """{% extends "billing/base.html" %}
{% from "billing/_confirm_payment.html" import confirm_payment with context %}
{% block billing_page %}<section id="panel">{{ status }}
  {% if secret %}{{ confirm_payment(secret, "/look", return_url, hosted_url, target="#panel") }}{% endif %}
</section>{% endblock %}
{% block billing_scripts %}{{ super() }}{% include "billing/_stripe_script.html" %}{% endblock %}
"""  # noqa: E501
PANEL = '<section id="panel">{{ status }}</section>'


@pytest.fixture
def address(host: Host, serve: Serve) -> str:
    """An app with a page about a subscription that waits for the bank."""
    assert host.app.jinja_loader is not None
    pages = jinja2.DictLoader({"billing/waiting.html": PAGE, "billing/_panel.html": PANEL})
    host.app.jinja_loader = jinja2.ChoiceLoader([pages, host.app.jinja_loader])
    client = host.sandbox.client()
    made: dict[str, str] = {}

    @host.app.get("/waiting")
    def waiting() -> ResponseReturnValue:
        stripe_customer = ensure_stripe_customer(require_current_customer(), "A test")
        if not made:
            client.v1.payment_methods.attach(
                "pm_card_authenticationRequired", {"customer": stripe_customer}
            )
            card = client.v1.customers.payment_methods.list(stripe_customer).data[0].id
            price = client.v1.prices.create(
                {
                    "currency": "usd",
                    "unit_amount": 4900,
                    "recurring": {"interval": "month"},
                    "product_data": {"name": "Pro"},
                }
            )
            begun = client.v1.subscriptions.create(
                {
                    "customer": stripe_customer,
                    "items": [{"price": price.id}],
                    "default_payment_method": card,
                    "expand": ["latest_invoice.confirmation_secret"],
                }
            )
            invoice = begun.latest_invoice
            assert invoice is not None
            made["subscription"] = begun.id
            made["secret"] = invoice.confirmation_secret.client_secret  # type: ignore[union-attr]
            made["hosted_url"] = str(invoice.hosted_invoice_url)  # type: ignore[union-attr]

        return render_template(
            "billing/waiting.html", status="incomplete", return_url=request.url, **made
        )

    @host.app.post("/look")
    def look() -> ResponseReturnValue:
        found = sync.pull("subscription", made["subscription"])["subscription"]
        return render_template("billing/_panel.html", status=found["status"])

    return serve(furnish(host))


@pytest.fixture
def page(browser: Browser) -> c.Iterator[Page]:
    with browser.new_context() as context:
        yield context.new_page()


def test_the_bank_agrees_and_the_page_shows_it(host: Host, page: Page, address: str) -> None:
    complaints = Complaints(page)
    sign_in(page, address, "/waiting")
    page.get_by_role("button", name="Confirm with your bank").click()
    bank = page.get_by_role("dialog", name="Confirm with your bank")
    expect(bank).to_contain_text("$49.00")
    bank.get_by_role("button", name="Complete").click()

    expect(page.locator("#panel")).to_have_text("active")
    assert [row.status for row in host.rows(Subscription)] == ["active"]
    assert page.url.endswith("/waiting")
    assert complaints == []


def test_the_bank_refuses_and_the_page_says_so(host: Host, page: Page, address: str) -> None:
    sign_in(page, address, "/waiting")
    button = page.get_by_role("button", name="Confirm with your bank")
    button.click()
    page.get_by_role("dialog").get_by_role("button", name="Fail").click()

    expect(page.get_by_text("We are unable to authenticate your payment method.")).to_be_visible()
    expect(button).to_be_enabled()
    button.click()
    expect(page.get_by_text("Pay with another card.")).to_be_visible()
    assert host.rows(Subscription, status="active") == []


def test_two_clicks_ask_the_bank_once(page: Page, address: str) -> None:
    sign_in(page, address, "/waiting")
    button = page.get_by_role("button", name="Confirm with your bank")
    button.evaluate("(button) => { button.click(); button.click(); }")

    expect(page.get_by_role("dialog")).to_have_count(1)


def test_where_stripe_js_is_blocked_there_is_stripes_own_page(page: Page, address: str) -> None:
    page.route("**/endive/stripe.js", lambda route: route.abort())
    sign_in(page, address, "/waiting")
    button = page.get_by_role("button", name="Confirm with your bank")
    button.click()

    expect(page.locator("[data-fb-stripe-error]")).to_contain_text("didn't load")
    expect(page.get_by_role("link", name="Confirm on Stripe instead")).to_be_visible()
    page.unroute("**/endive/stripe.js")
    button.click()
    expect(page.get_by_role("dialog")).to_have_count(1)


def test_without_scripts_the_way_leads_to_stripe(browser: Browser, address: str) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        sign_in(page, address, "/waiting")

        expect(page.get_by_role("link", name="Confirm on Stripe", exact=True)).to_be_visible()
        expect(page.get_by_role("button", name="Confirm with your bank")).to_be_hidden()
