"""The customer portal: configurations, sessions, and what a person does in it."""

from __future__ import annotations

import re
import typing as t

import pytest
import stripe
from werkzeug.test import Client

from flask_billing.sandbox import Sandbox, Settings

from .conftest import Shop

BACK = "https://app.example/billing"


@pytest.fixture
def browser(sandbox: Sandbox) -> Client:
    """A browser on the sandbox itself."""
    return Client(sandbox.wsgi_app)


def configuration(client: stripe.StripeClient, **features: t.Any) -> str:
    params = {"features": features, "business_profile": {"headline": "Your plan"}}
    return client.v1.billing_portal.configurations.create(t.cast(t.Any, params)).id


def plans(shop: Shop) -> dict[str, t.Any]:
    return {
        "enabled": True,
        "default_allowed_updates": ["price"],
        "proration_behavior": "always_invoice",
        "products": [{"product": shop.product, "prices": [shop.month, shop.year]}],
    }


def opened(client: stripe.StripeClient, sandbox: Sandbox, customer: str, **more: t.Any) -> str:
    """The path of a new portal session."""
    params = {"customer": customer, "return_url": BACK, **more}
    url = client.v1.billing_portal.sessions.create(t.cast(t.Any, params)).url
    return url.removeprefix(sandbox.public_url)


def test_a_configuration_has_what_it_names(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    made = client.v1.billing_portal.configurations.create(
        {"features": {"invoice_history": {"enabled": True}}, "name": "Small"}
    )
    assert made.features.invoice_history.enabled
    assert not made.features.subscription_cancel.enabled
    assert (made.active, made.is_default, made.name) == (True, False, "Small")
    changed = client.v1.billing_portal.configurations.update(
        made.id,
        {
            "active": False,
            "features": {"subscription_cancel": {"enabled": True, "mode": "immediately"}},
            "business_profile": {"headline": "Hello"},
            "metadata": {"a": "1"},
        },
    )
    assert changed.features.subscription_cancel.mode == "immediately"
    assert changed.features.invoice_history.enabled
    assert sandbox.events("billing_portal.configuration.updated")[0]["data"][
        "previous_attributes"
    ] == {
        "active": True,
        "business_profile": {"headline": None},
        "features": {"subscription_cancel": {"enabled": False, "mode": "at_period_end"}},
        "metadata": {"a": None},
    }
    inactive = client.v1.billing_portal.configurations.list({"active": False}).data
    assert [one.id for one in inactive] == [made.id]
    with pytest.raises(stripe.InvalidRequestError, match="not active"):
        opened(client, sandbox, shop.customer(), configuration=made.id)


@pytest.mark.parametrize(
    ("features", "status", "param"),
    [
        (None, 400, "features"),
        ({"customer_update": {"enabled": True}}, 400, "features[customer_update][allowed_updates]"),
        (
            {"subscription_update": {"enabled": True}},
            400,
            "features[subscription_update][default_allowed_updates]",
        ),
        (
            {"subscription_update": {"enabled": True, "default_allowed_updates": ["price"]}},
            400,
            "features[subscription_update][products]",
        ),
        (
            {
                "subscription_update": {
                    "enabled": True,
                    "default_allowed_updates": ["price"],
                    "products": [{"product": "prod_x", "prices": ["price_x"]}],
                }
            },
            400,
            "features[subscription_update][products][0][product]",
        ),
        (
            {"subscription_cancel": {"enabled": True, "mode": "later"}},
            400,
            "features[subscription_cancel][mode]",
        ),
        ({"subscription_pause": {"enabled": True}}, 404, "features[subscription_pause][enabled]"),
    ],
)
def test_configurations_that_make_no_sense(
    client: stripe.StripeClient, features: t.Any, status: int, param: str
) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.billing_portal.configurations.create({"features": features})
    assert (caught.value.http_status, caught.value.param) == (status, param)


def test_a_fresh_account_has_no_default(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    sandbox.settings = Settings(portal_is_set_up=False)
    customer = shop.customer(card=None)
    with pytest.raises(stripe.InvalidRequestError, match="No configuration provided"):
        opened(client, sandbox, customer)
    own = configuration(client, invoice_history={"enabled": True})
    assert opened(client, sandbox, customer, configuration=own)


def test_the_default_stays_active(client: stripe.StripeClient, shop: Shop) -> None:
    client.v1.billing_portal.sessions.create({"customer": shop.customer()})
    default = client.v1.billing_portal.configurations.list({"is_default": True}).data[0]
    with pytest.raises(stripe.InvalidRequestError, match="cannot be deactivated"):
        client.v1.billing_portal.configurations.update(default.id, {"active": False})


@pytest.mark.parametrize(
    ("params", "status", "param"),
    [
        ({"customer": None}, 400, "customer"),
        ({"customer": "cus_x"}, 400, "customer"),
        ({"configuration": "bpc_x"}, 400, "configuration"),
        ({"flow_data": {"type": "subscription_cancel"}}, 400, "flow_data[subscription_cancel]"),
        (
            {
                "flow_data": {
                    "type": "subscription_cancel",
                    "subscription_cancel": {"subscription": "sub_x"},
                }
            },
            400,
            "flow_data[subscription_cancel][subscription]",
        ),
        ({"flow_data": {"type": "subscription_update"}}, 400, "flow_data[type]"),
        ({"flow_data": {"type": "dance"}}, 400, "flow_data[type]"),
        (
            {
                "flow_data": {
                    "type": "payment_method_update",
                    "after_completion": {"type": "redirect"},
                }
            },
            400,
            "flow_data[after_completion][redirect]",
        ),
        ({"on_behalf_of": "acct_x"}, 404, "on_behalf_of"),
    ],
)
def test_sessions_that_make_no_sense(
    client: stripe.StripeClient,
    shop: Shop,
    sandbox: Sandbox,
    params: dict[str, t.Any],
    status: int,
    param: str,
) -> None:
    asked = {"customer": shop.customer(card=None), **params}
    with pytest.raises(stripe.InvalidRequestError) as caught:
        opened(client, sandbox, **asked)
    assert (caught.value.http_status, caught.value.param) == (status, param)


def test_a_flow_leads_to_its_step_and_back(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox, browser: Client
) -> None:
    customer = shop.customer()
    subscription = shop.subscribe(customer)
    other = shop.subscribe()
    flow: dict[str, t.Any] = {
        "type": "subscription_cancel",
        "subscription_cancel": {"subscription": subscription},
        "after_completion": {"type": "redirect", "redirect": {"return_url": f"{BACK}?gone"}},
    }
    foreign = {**flow, "subscription_cancel": {"subscription": other}}
    with pytest.raises(stripe.InvalidRequestError, match="another customer"):
        opened(client, sandbox, customer, flow_data=foreign)
    home = opened(client, sandbox, customer, flow_data=flow)
    step = browser.get(home)
    assert step.headers["Location"] == f"{home}/cancel/{subscription}"
    assert "You keep it until 28 February 2026" in browser.get(step.headers["Location"]).text
    done = browser.post(step.headers["Location"])
    assert done.headers["Location"] == f"{BACK}?gone"
    assert client.v1.subscriptions.retrieve(subscription).cancel_at_period_end
    with pytest.raises(stripe.InvalidRequestError, match="already set to be canceled"):
        opened(client, sandbox, customer, flow_data=flow)


def test_a_plan_is_canceled_for_a_reason_and_kept(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox, browser: Client
) -> None:
    customer = shop.customer()
    subscription = shop.subscribe(customer)
    reason = {"enabled": True, "options": ["too_expensive", "unused"]}
    own = configuration(
        client, subscription_cancel={"enabled": True, "cancellation_reason": reason}
    )
    home = opened(client, sandbox, customer, configuration=own)
    assert "It is too expensive" in browser.get(f"{home}/cancel/{subscription}").text
    browser.post(f"{home}/cancel/{subscription}", data={"feedback": "unused"})
    canceled = client.v1.subscriptions.retrieve(subscription)
    assert canceled.cancel_at_period_end
    assert canceled.cancellation_details is not None
    assert canceled.cancellation_details.feedback == "unused"
    assert "Ends on 28 February 2026" in browser.get(home).text
    browser.post(f"{home}/renew/{subscription}")
    assert not client.v1.subscriptions.retrieve(subscription).cancel_at_period_end


def test_a_plan_may_end_at_once(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox, browser: Client
) -> None:
    customer = shop.customer()
    subscription = shop.subscribe(customer)
    own = configuration(client, subscription_cancel={"enabled": True, "mode": "immediately"})
    home = opened(client, sandbox, customer, configuration=own)
    assert "It ends at once." in browser.get(f"{home}/cancel/{subscription}").text
    browser.post(f"{home}/cancel/{subscription}")
    assert client.v1.subscriptions.retrieve(subscription).status == "canceled"
    assert browser.get(f"{home}/cancel/{subscription}").status_code == 404


def test_a_plan_is_changed(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox, browser: Client
) -> None:
    customer = shop.customer()
    subscription = shop.subscribe(customer)
    home = opened(
        client,
        sandbox,
        customer,
        configuration=configuration(client, subscription_update=plans(shop)),
    )
    page = browser.get(f"{home}/plan/{subscription}")
    assert "$250.00" in page.text
    assert browser.post(f"{home}/plan/{subscription}", data={"price": shop.team}).status_code == 404
    browser.post(f"{home}/plan/{subscription}", data={"price": shop.year})
    changed = client.v1.subscriptions.retrieve(subscription)
    assert changed["items"].data[0].price.id == shop.year


def test_a_refused_card_changes_no_plan(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox, browser: Client
) -> None:
    customer = shop.customer()
    subscription = shop.subscribe(customer)
    failing = client.v1.payment_methods.attach("pm_card_chargeCustomerFail", {"customer": customer})
    client.v1.customers.update(
        customer, {"invoice_settings": {"default_payment_method": failing.id}}
    )
    own = configuration(client, subscription_update=plans(shop))
    home = opened(client, sandbox, customer, configuration=own)
    page = browser.post(f"{home}/plan/{subscription}", data={"price": shop.year})
    assert page.status_code == 402
    assert "Your card was declined." in page.text
    kept = client.v1.subscriptions.retrieve(subscription)
    assert kept["items"].data[0].price.id == shop.month


def test_cards_are_added_chosen_and_removed(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox, browser: Client
) -> None:
    customer = shop.customer()
    home = opened(client, sandbox, customer)
    typed = {"number": "5555555555554444", "expiry": "12 / 34", "cvc": "123"}
    assert "Enter the card number." in browser.post(f"{home}/card", data={}).text
    declined = browser.post(f"{home}/card", data={**typed, "number": "4000000000000002"})
    assert declined.status_code == 402
    assert "Your card was declined." in declined.text
    assert browser.post(f"{home}/card", data=typed).headers["Location"] == home
    cards = client.v1.customers.payment_methods.list(customer).data
    new, old = cards[0].id, cards[1].id
    assert default(client, customer) == new
    browser.post(f"{home}/card/{new}", data={"do": "remove"})
    assert default(client, customer) == new
    browser.post(f"{home}/card/{old}", data={"do": "default"})
    assert default(client, customer) == old
    browser.post(f"{home}/card/{new}", data={"do": "remove"})
    left = client.v1.customers.payment_methods.list(customer).data
    assert [card.id for card in left] == [old]
    assert browser.post(f"{home}/card/{new}", data={"do": "default"}).status_code == 404


def default(client: stripe.StripeClient, customer: str) -> object:
    settings = client.v1.customers.retrieve(customer).invoice_settings
    return settings and settings.default_payment_method


@pytest.mark.parametrize(("answer", "number"), [("complete", 1), ("fail", 0)])
def test_the_bank_asks_for_a_new_card(
    client: stripe.StripeClient,
    shop: Shop,
    sandbox: Sandbox,
    browser: Client,
    answer: str,
    number: int,
) -> None:
    customer = shop.customer(card=None)
    home = opened(client, sandbox, customer)
    typed = {"number": "4000002760003184", "expiry": "12 / 34", "cvc": "123"}
    at_bank = browser.post(f"{home}/card", data=typed).headers["Location"]
    path, _, secret = at_bank.partition("?client_secret=")
    back = browser.post(path, data={"client_secret": secret, "answer": answer})
    page = browser.get(back.headers["Location"].removeprefix(sandbox.public_url))
    assert page.status_code == (303 if number else 402)
    assert ("unable to authenticate" in page.text) is not bool(number)
    assert len(client.v1.customers.payment_methods.list(customer).data) == number


def test_details_are_changed_as_allowed(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox, browser: Client
) -> None:
    customer = shop.customer()
    own = configuration(
        client, customer_update={"enabled": True, "allowed_updates": ["email", "address"]}
    )
    home = opened(client, sandbox, customer, configuration=own)
    assert 'value="ada@example.com"' in browser.get(f"{home}/details").text
    assert browser.post(f"{home}/details", data={"email": "nobody"}).status_code == 422
    browser.post(
        f"{home}/details", data={"email": "ada@lovelace.example", "city": "Ely", "name": "Eve"}
    )
    changed = client.v1.customers.retrieve(customer)
    assert (changed.email, changed.name) == ("ada@lovelace.example", "Ada")
    assert changed.address is not None
    assert (changed.address.city, changed.address.line1) == ("Ely", None)


def test_invoices_are_linked_though_the_address_has_changed(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox, browser: Client
) -> None:
    customer = shop.customer()
    shop.subscribe(customer)
    sandbox.note_public_url("http://127.0.0.1:5001/sandbox/stripe")
    home = opened(client, sandbox, customer)
    links = re.findall(r'href="([^"]*)">\d', browser.get(home).text)

    assert len(links) == 1
    page = browser.get(links[0])
    assert page.status_code == 200
    assert "-0001" in page.text


def test_the_portal_shows_no_more_than_it_may(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox, browser: Client
) -> None:
    customer = shop.customer()
    subscription, foreign = shop.subscribe(customer), shop.subscribe()
    own = configuration(client, invoice_history={"enabled": True})
    home = opened(client, sandbox, customer, configuration=own)
    page = browser.get(home)
    for text in ("Cancel plan", "Change plan", "Add card", "Billing details"):
        assert text not in page.text
    assert "-0001" in page.text
    for path in (f"/cancel/{subscription}", f"/plan/{subscription}", "/card", "/details"):
        assert browser.get(home + path).status_code == 404
        assert browser.post(home + path).status_code == 404
    everything = opened(client, sandbox, customer)
    assert browser.get(f"{everything}/cancel/{foreign}").status_code == 404
    client.v1.customers.delete(customer)
    assert browser.get(home).status_code == 404
