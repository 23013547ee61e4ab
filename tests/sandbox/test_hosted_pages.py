"""The hosted pages over HTTP, as a browser without scripts uses them."""

from __future__ import annotations

import pytest
import stripe
from werkzeug.test import Client, TestResponse

from flask_billing.sandbox import Sandbox

from .conftest import Shop

CARD = {"number": "4242424242424242", "expiry": "12 / 34", "cvc": "123", "name": "Ada"}


@pytest.fixture
def browser(sandbox: Sandbox) -> Client:
    """A browser on the sandbox itself."""
    return Client(sandbox.wsgi_app)


def pay(browser: Client, session: str, **typed: str) -> TestResponse:
    return browser.post(f"/c/pay/{session}", data={**CARD, **typed})


def test_the_page_shows_what_is_bought(browser: Client, shop: Shop) -> None:
    page = browser.get(f"/c/pay/{shop.checkout(shop.customer(card=None))}")
    assert page.status_code == 200
    for text in ("Subscribe to Pro", "$25.00", "no real money moves", "ada@example.com"):
        assert text in page.text
    assert 'href="https://app.example/pricing"' in page.text
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "form-action 'self' https://app.example" in policy
    assert "<script" not in page.text
    assert "style=" not in page.text


def test_paying_leads_back_to_the_app(browser: Client, shop: Shop) -> None:
    session = shop.checkout(shop.customer(card=None))
    answer = pay(browser, session)
    assert answer.status_code == 303
    assert answer.headers["Location"] == f"https://app.example/done?session={session}"
    again = browser.get(f"/c/pay/{session}")
    assert "This payment is complete" in again.text


def test_a_decline_keeps_what_was_typed(browser: Client, shop: Shop) -> None:
    session = shop.checkout(shop.customer(card=None))
    page = pay(browser, session, number="4000 0000 0000 0002", name="Ada L.")
    assert page.status_code == 402
    assert "Your card was declined." in page.text
    assert 'role="alert"' in page.text
    assert 'value="4000 0000 0000 0002"' in page.text
    assert 'value="Ada L."' in page.text
    assert pay(browser, session).status_code == 303


@pytest.mark.parametrize(
    ("typed", "text"),
    [
        ({"number": ""}, "Enter the card number."),
        ({"number": "4242424242424241"}, "Your card number is incorrect."),
        ({"expiry": "soon"}, "Enter the expiry date"),
        ({"expiry": "12 / 20"}, "expiration year is invalid"),
        ({"expiry": "13 / 34"}, "expiration month is invalid"),
        ({"cvc": "12"}, "security code is invalid"),
        ({"cvc": ""}, "Enter the security code."),
    ],
)
def test_mistakes_are_shown_at_their_field(
    browser: Client, shop: Shop, typed: dict[str, str], text: str
) -> None:
    page = pay(browser, shop.checkout(shop.customer(card=None)), **typed)
    assert page.status_code in {402, 422}
    assert text in page.text.replace("&#39;", "'")
    assert 'aria-invalid="true"' in page.text


@pytest.mark.parametrize(("answer", "status"), [("complete", 303), ("fail", 402)])
def test_the_bank_asks(browser: Client, shop: Shop, answer: str, status: int) -> None:
    session = shop.checkout(shop.customer(card=None))
    challenged = pay(browser, session, number="4000002760003184")
    assert challenged.headers["Location"] == f"/c/pay/{session}/bank"
    page = browser.get(f"/c/pay/{session}/bank")
    assert "Complete" in page.text
    assert "Fail" in page.text
    answered = browser.post(f"/c/pay/{session}/bank", data={"answer": answer})
    assert answered.status_code == status
    if answer == "fail":
        assert "unable to authenticate" in answered.text


def test_a_test_card_fills_the_form(browser: Client, shop: Shop) -> None:
    session = shop.checkout(shop.customer(card=None))
    page = browser.post(f"/c/pay/{session}", data={"fill": "4000002760003184"})
    assert page.status_code == 200
    assert 'value="4000 0027 6000 3184"' in page.text
    assert 'value="12 / 34"' in page.text


def test_a_promotion_code_is_typed_and_removed(
    browser: Client, client: stripe.StripeClient, shop: Shop
) -> None:
    coupon = client.v1.coupons.create({"percent_off": 20, "duration": "once", "name": "Launch"})
    client.v1.promotion_codes.create(
        {"promotion": {"type": "coupon", "coupon": coupon.id}, "code": "LAUNCH"}
    )
    session = shop.checkout(shop.customer(card=None), allow_promotion_codes=True)
    wrong = browser.post(f"/c/pay/{session}/code", data={"code": "NOPE"})
    assert wrong.status_code == 422
    assert "This code is invalid." in wrong.text
    page = browser.post(f"/c/pay/{session}/code", data={"code": "launch"}, follow_redirects=True)
    assert "$20.00" in page.text
    assert "20 % off" in page.text
    page = browser.post(f"/c/pay/{session}/code", data={"remove": "1"}, follow_redirects=True)
    assert "20 % off" not in page.text


def test_a_trial_is_told(browser: Client, shop: Shop) -> None:
    session = shop.checkout(shop.customer(card=None), subscription_data={"trial_period_days": 14})
    page = browser.get(f"/c/pay/{session}")
    assert "Free until 14 February 2026, then $25.00 per month." in page.text
    assert "Start trial" in page.text


def test_an_expired_session_says_so(
    browser: Client, client: stripe.StripeClient, shop: Shop
) -> None:
    session = shop.checkout(shop.customer(card=None))
    client.v1.checkout.sessions.expire(session)
    page = browser.get(f"/c/pay/{session}")
    assert page.status_code == 410
    assert "You haven&#39;t been charged" in page.text
    assert "https://app.example/pricing" in page.text
    assert pay(browser, session).status_code == 410


def test_markup_in_names_is_text(browser: Client, client: stripe.StripeClient, shop: Shop) -> None:
    client.v1.products.update(shop.product, {"name": "<script>alert(1)</script>"})
    page = browser.get(f"/c/pay/{shop.checkout(shop.customer(card=None))}")
    assert "<script" not in page.text


def test_the_portal_lists_what_there_is(
    browser: Client, client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    customer = shop.customer()
    shop.subscribe(customer)
    url = client.v1.billing_portal.sessions.create(
        {"customer": customer, "return_url": "https://app.example/billing"}
    ).url
    page = browser.get(url.removeprefix(sandbox.public_url))
    for text in ("Pro", "Renews on 28 February 2026", "4242", "https://app.example/billing"):
        assert text in page.text


def test_an_invoice_has_a_page(
    browser: Client, client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    shop.subscribe()
    url = client.v1.invoices.list().data[0].hosted_invoice_url
    assert url is not None
    page = browser.get(url.removeprefix(sandbox.public_url))
    assert "1 × Pro (at $25.00 / month)" in page.text


def owed(client: stripe.StripeClient, shop: Shop, card: str) -> stripe.Invoice:
    """An invoice that its customer's card does not pay by itself."""
    customer = shop.customer(card)
    client.v1.invoice_items.create({"customer": customer, "amount": 2500, "currency": "usd"})
    draft = client.v1.invoices.create(
        {"customer": customer, "pending_invoice_items_behavior": "include"}
    )
    return client.v1.invoices.finalize_invoice(draft.id)


def page_of(sandbox: Sandbox, invoice: stripe.Invoice) -> str:
    """The path of an invoice's page."""
    assert invoice.hosted_invoice_url is not None
    return invoice.hosted_invoice_url.removeprefix(sandbox.public_url)


def test_an_open_invoice_is_paid_on_its_page(
    browser: Client, client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    invoice = owed(client, shop, "pm_card_chargeCustomerFail")
    path = page_of(sandbox, invoice)
    assert "Pay $25.00" in browser.get(path).text

    declined = browser.post(path, data={**CARD, "number": "4000000000000002"})
    assert declined.status_code == 402
    assert "Your card was declined." in declined.text
    assert browser.post(path, data={**CARD, "number": ""}).status_code == 422

    paid = browser.post(path, data=CARD, follow_redirects=True)
    assert "Pay $25.00" not in paid.text
    assert client.v1.invoices.retrieve(invoice.id).status == "paid"
    assert "paid" in browser.post(path, data=CARD).text
    assert len(sandbox.events("charge.succeeded")) == 1


@pytest.mark.parametrize(("answer", "status"), [("complete", "paid"), ("fail", "open")])
def test_a_payment_that_waits_for_the_bank_is_confirmed_from_its_page(
    browser: Client,
    client: stripe.StripeClient,
    shop: Shop,
    sandbox: Sandbox,
    answer: str,
    status: str,
) -> None:
    invoice = owed(client, shop, "pm_card_authenticationRequired")

    with pytest.raises(stripe.CardError):
        client.v1.invoices.pay(invoice.id)

    path = page_of(sandbox, invoice)
    assert "Confirm with your bank" in browser.get(path).text
    bank = browser.post(path, data={"do": "confirm"})
    secret = bank.headers["Location"].partition("client_secret=")[2]
    answered = browser.post(
        bank.headers["Location"].partition("?")[0],
        data={"client_secret": secret, "answer": answer},
    )

    assert answered.headers["Location"].startswith(f"{sandbox.public_url}{path}")
    assert client.v1.invoices.retrieve(invoice.id).status == status


def test_a_card_typed_on_the_page_may_want_the_bank_too(
    browser: Client, client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    invoice = owed(client, shop, "pm_card_visa")
    answer = browser.post(page_of(sandbox, invoice), data={**CARD, "number": "4000002760003184"})

    assert answer.headers["Location"].startswith("/3ds/pi_")


def test_invoices_and_credit_notes_are_documents_too(
    browser: Client, client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    shop.subscribe()
    invoice = client.v1.invoices.list().data[0]
    note = client.v1.credit_notes.create(
        {"invoice": invoice.id, "amount": 500, "refund_amount": 500}
    )

    for link, number in ((invoice.invoice_pdf, invoice.number), (note.pdf, note.number)):
        assert link is not None
        document = browser.get(link.removeprefix(sandbox.public_url))
        assert document.content_type == "application/pdf"
        assert document.data.startswith(b"%PDF-1.4")
        assert str(number).encode() in document.data


def test_links_lead_to_where_the_sandbox_is_now(
    browser: Client, client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    shop.subscribe()
    sandbox.public_url = "http://127.0.0.1:5000/elsewhere"
    invoice = client.v1.invoices.list().data[0]
    note = client.v1.credit_notes.create(
        {"invoice": invoice.id, "amount": 500, "refund_amount": 500}
    )

    for link in (invoice.hosted_invoice_url, invoice.invoice_pdf, note.pdf):
        assert link is not None
        assert link.startswith("http://127.0.0.1:5000/elsewhere/")
        assert browser.get(link.removeprefix(sandbox.public_url)).status_code == 200


@pytest.mark.parametrize(
    "path", ["/i/acct_x/test_x", "/invoice/acct_x/test_x/pdf", "/credit_notes/acct_x/test_x/pdf"]
)
def test_a_link_that_was_made_up_shows_nothing(browser: Client, path: str) -> None:
    assert browser.get(path).status_code == 404


@pytest.mark.parametrize("path", ["/c/pay/cs_x", "/nowhere", "/p/session/test_x", "/static/../x"])
def test_there_is_nothing_elsewhere(browser: Client, path: str) -> None:
    assert browser.get(path).status_code == 404


def test_a_payment_intent_is_confirmed_on_the_banks_page(
    browser: Client, client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    customer = shop.customer("pm_card_authenticationRequired")
    subscription = client.v1.subscriptions.create(
        {
            "customer": customer,
            "items": [{"price": shop.month}],
            "expand": ["latest_invoice.payments"],
        }
    )
    assert subscription.status == "incomplete"
    payments = subscription.latest_invoice.payments  # type: ignore[union-attr]
    assert payments is not None
    intent = client.v1.payment_intents.retrieve(str(payments.data[0].payment.payment_intent))
    address = f"/3ds/{intent.id}"
    for wrong in ("wrong", "ü", "💳"):
        assert browser.get(address, query_string={"client_secret": wrong}).status_code == 404

    assert browser.get(f"{address}?client_secret={intent.client_secret}").status_code == 200
    browser.post(address, data={"client_secret": intent.client_secret, "answer": "complete"})
    assert client.v1.subscriptions.retrieve(subscription.id).status == "active"


def test_the_page_asks_for_what_the_session_wants(
    browser: Client, client: stripe.StripeClient, shop: Shop
) -> None:
    customer = shop.customer(card=None)
    session = shop.checkout(
        customer,
        billing_address_collection="required",
        tax_id_collection={"enabled": True},
        phone_number_collection={"enabled": True},
        customer_update={"name": "auto", "address": "auto"},
    )
    page = pay(browser, session)
    assert page.status_code == 422
    for text in ("Enter the street and number.", "Enter a phone number.", "Choose the country."):
        assert text in page.text
    given = {
        "line1": "1 Main St",
        "city": "Berlin",
        "postal_code": "10115",
        "country": "DE",
        "phone": "+49301234567",
        "tax_id_type": "eu_vat",
    }
    page = pay(browser, session, **given, tax_id="nonsense")
    assert page.status_code == 400
    assert "Invalid value for eu_vat." in page.text
    assert pay(browser, session, **given, tax_id="DE123456789").status_code == 303
    details = client.v1.checkout.sessions.retrieve(session).customer_details
    assert details is not None
    assert details.address is not None
    assert (details.address.city, details.phone) == ("Berlin", "+49301234567")
    assert details.tax_ids is not None
    assert [one.value for one in details.tax_ids] == ["DE123456789"]
    saved = client.v1.customers.retrieve(customer)
    assert saved.address is not None
    assert (saved.name, saved.address.country) == ("Ada", "DE")
    assert len(client.v1.customers.tax_ids.list(customer).data) == 1


def test_a_customer_stays_as_is_unless_asked(
    browser: Client, client: stripe.StripeClient, shop: Shop
) -> None:
    customer = shop.customer(card=None)
    given = {"line1": "1 Main St", "city": "Ely", "postal_code": "CB7", "country": "GB"}
    session = shop.checkout(customer, billing_address_collection="required")
    assert pay(browser, session, **given, name="Eve").status_code == 303
    saved = client.v1.customers.retrieve(customer)
    assert (saved.name, saved.address) == ("Ada", None)
    card = client.v1.customers.payment_methods.list(customer).data[0]
    assert card.billing_details.address is not None
    assert (card.billing_details.name, card.billing_details.address.city) == ("Eve", "Ely")
