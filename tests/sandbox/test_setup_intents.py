"""Setup intents: cards saved for later, from the server and from the browser."""

from __future__ import annotations

import json
import typing as t

import pytest
import stripe
from werkzeug.test import Client

from flask_billing.sandbox import Sandbox

from .conftest import Shop

BACK = "https://app.example/cards?from=bank"
NEVER: t.Final = {"enabled": True, "allow_redirects": "never"}
KEY = {"Authorization": "Bearer pk_test_browser"}


def saved(client: stripe.StripeClient, shop: Shop, **more: t.Any) -> stripe.SetupIntent:
    """A setup intent that is confirmed at once."""
    params = {
        "customer": shop.customer(card=None),
        "payment_method": "pm_card_visa",
        "confirm": True,
        "return_url": BACK,
        **more,
    }
    return client.v1.setup_intents.create(t.cast(t.Any, params))


def types(sandbox: Sandbox) -> list[str]:
    names = [event["type"] for event in sandbox.events()]
    return [name for name in names if name.startswith(("setup_intent.", "payment_method."))]


def test_a_card_is_saved(client: stripe.StripeClient, shop: Shop, sandbox: Sandbox) -> None:
    intent = saved(client, shop, metadata={"a": "1"}, description="Second card")
    assert (intent.status, intent.usage) == ("succeeded", "off_session")
    assert intent.automatic_payment_methods is not None
    assert intent.automatic_payment_methods.allow_redirects == "always"
    cards = client.v1.customers.payment_methods.list(str(intent.customer)).data
    assert [card.id for card in cards] == [intent.payment_method]
    assert types(sandbox) == [
        "setup_intent.created",
        "payment_method.attached",
        "setup_intent.succeeded",
    ]
    created = sandbox.events("setup_intent.created")[0]["data"]["object"]
    assert (created["status"], created["latest_attempt"]) == ("succeeded", intent.latest_attempt)
    expanded = client.v1.setup_intents.retrieve(
        intent.id, {"expand": ["latest_attempt", "payment_method"]}
    )
    attempt = expanded.latest_attempt
    assert isinstance(attempt, stripe.SetupAttempt)
    assert (attempt.status, attempt.setup_intent) == ("succeeded", intent.id)


def test_the_steps_before_it(client: stripe.StripeClient, shop: Shop, sandbox: Sandbox) -> None:
    customer = shop.customer(card=None)
    intent = client.v1.setup_intents.create({"customer": customer, "usage": "on_session"})
    assert (intent.status, intent.payment_method) == ("requires_payment_method", None)
    with pytest.raises(stripe.InvalidRequestError, match="missing a payment method") as caught:
        client.v1.setup_intents.confirm(intent.id, {"return_url": BACK})
    assert caught.value.code == "setup_intent_unexpected_state"
    waiting = client.v1.setup_intents.update(
        intent.id, {"payment_method": "pm_card_visa", "metadata": {"a": "1"}}
    )
    assert (waiting.status, waiting.usage) == ("requires_confirmation", "on_session")
    assert client.v1.setup_intents.confirm(intent.id, {"return_url": BACK}).status == "succeeded"
    assert len(sandbox.events("setup_intent.succeeded")) == 1


def test_redirects_need_a_way_back(client: stripe.StripeClient, shop: Shop) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="A `return_url` must be specified"):
        saved(client, shop, return_url=None)
    intent = saved(client, shop, return_url=None, automatic_payment_methods=NEVER)
    assert intent.status == "succeeded"
    with pytest.raises(stripe.InvalidRequestError, match="together with `confirm`"):
        saved(client, shop, confirm=None)


def test_a_refused_card_leaves_the_intent_waiting(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    with pytest.raises(stripe.CardError) as caught:
        saved(client, shop, payment_method="pm_card_chargeDeclinedIncorrectCvc")
    error = caught.value.error
    assert error is not None
    assert error.setup_intent is not None
    assert (error.code, error.setup_intent.status) == ("incorrect_cvc", "requires_payment_method")
    assert types(sandbox) == ["setup_intent.created", "setup_intent.setup_failed"]
    intent = client.v1.setup_intents.retrieve(error.setup_intent.id)
    assert intent.last_setup_error is not None
    assert (intent.last_setup_error.code, intent.payment_method) == ("incorrect_cvc", None)
    client.v1.setup_intents.confirm(
        intent.id, {"payment_method": "pm_card_visa", "return_url": BACK}
    )
    attempts = client.v1.setup_attempts.list({"setup_intent": intent.id}).data
    assert [attempt.status for attempt in attempts] == ["succeeded", "failed"]


@pytest.mark.parametrize(("answer", "status"), [("complete", "succeeded"), ("fail", "failed")])
def test_the_bank_asks_the_person(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox, answer: str, status: str
) -> None:
    intent = saved(client, shop, payment_method="pm_card_authenticationRequiredOnSetup")
    assert intent.status == "requires_action"
    assert intent.next_action is not None
    redirect = intent.next_action.redirect_to_url
    assert redirect is not None
    assert redirect.return_url == BACK
    assert redirect.url is not None
    browser = Client(sandbox.wsgi_app)
    assert browser.get(redirect.url.removeprefix(sandbox.public_url)).status_code == 200
    back = browser.post(
        f"/3ds/{intent.id}", data={"client_secret": intent.client_secret, "answer": answer}
    )
    assert back.headers["Location"] == (
        f"{BACK}&setup_intent={intent.id}&setup_intent_client_secret={intent.client_secret}"
        f"&redirect_status={status}"
    )
    after = client.v1.setup_intents.retrieve(intent.id)
    assert after.next_action is None
    attempts = client.v1.setup_attempts.list({"setup_intent": intent.id}).data
    assert [attempt.status for attempt in attempts] == [status]
    if status == "failed":
        assert after.last_setup_error is not None
        assert after.last_setup_error.code == "setup_intent_authentication_failure"
        assert after.status == "requires_payment_method"


def test_every_card_may_be_asked_for(client: stripe.StripeClient, shop: Shop) -> None:
    options = {"card": {"request_three_d_secure": "any"}}
    assert saved(client, shop, payment_method_options=options).status == "requires_action"


def test_an_ended_intent_stays_as_it_is(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    intent = saved(client, shop)
    steps: tuple[t.Callable[[], object], ...] = (
        lambda: client.v1.setup_intents.confirm(intent.id, {"payment_method": "pm_card_visa"}),
        lambda: client.v1.setup_intents.cancel(intent.id),
        lambda: client.v1.setup_intents.update(intent.id, {"payment_method": "pm_card_visa"}),
    )
    for step in steps:
        with pytest.raises(stripe.InvalidRequestError, match="already succeeded") as caught:
            step()
        assert caught.value.code == "setup_intent_unexpected_state"
        assert caught.value.error is not None
        assert caught.value.error.setup_intent is not None
    assert client.v1.setup_intents.update(intent.id, {"description": "Kept"}).description == "Kept"
    other = client.v1.setup_intents.create({"customer": shop.customer(card=None)})
    canceled = client.v1.setup_intents.cancel(other.id, {"cancellation_reason": "abandoned"})
    assert (canceled.status, canceled.cancellation_reason) == ("canceled", "abandoned")
    assert len(sandbox.events("setup_intent.canceled")) == 1
    with pytest.raises(stripe.InvalidRequestError, match="has been canceled"):
        client.v1.setup_intents.confirm(other.id, {"return_url": BACK})


def test_a_card_serves_its_own_customer(client: stripe.StripeClient, shop: Shop) -> None:
    card = client.v1.payment_methods.attach("pm_card_visa", {"customer": shop.customer(card=None)})
    with pytest.raises(stripe.InvalidRequestError, match="attached to another customer"):
        saved(client, shop, payment_method=card.id)
    with pytest.raises(stripe.InvalidRequestError, match="include the customer"):
        saved(client, shop, payment_method=card.id, customer=None)
    client.v1.payment_methods.detach(card.id)
    with pytest.raises(stripe.InvalidRequestError, match="may not be used again"):
        saved(client, shop, payment_method=card.id)


@pytest.mark.parametrize(
    ("params", "status", "param"),
    [
        ({"customer": "cus_x"}, 400, "customer"),
        ({"payment_method": "pm_x"}, 400, "payment_method"),
        ({"usage": "sometimes"}, 400, "usage"),
        ({"payment_method_types": ["card"]}, 400, "payment_method_types"),
        ({"allowed_payment_method_types": ["ideal"]}, 400, "allowed_payment_method_types"),
        ({"payment_method_data": {"type": "klarna"}}, 404, "payment_method_data"),
        ({"confirmation_token": "ctoken_x"}, 404, "confirmation_token"),
    ],
)
def test_setup_intents_that_make_no_sense(
    client: stripe.StripeClient, params: dict[str, t.Any], status: int, param: str
) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.setup_intents.create(t.cast(t.Any, params))
    assert (caught.value.http_status, caught.value.param) == (status, param)
    assert client.v1.setup_intents.list().data == []


def test_setup_intents_are_listed(client: stripe.StripeClient, shop: Shop) -> None:
    first, second = saved(client, shop), saved(client, shop)
    listed = client.v1.setup_intents.list({"customer": str(first.customer)}).data
    assert [intent.id for intent in listed] == [first.id]
    listed = client.v1.setup_intents.list({"payment_method": str(second.payment_method)}).data
    assert [intent.id for intent in listed] == [second.id]
    with pytest.raises(stripe.InvalidRequestError, match="No such setupintent"):
        client.v1.setup_intents.retrieve("seti_x")
    with pytest.raises(stripe.InvalidRequestError, match="No such setupintent"):
        client.v1.setup_attempts.list({"setup_intent": "seti_x"})


@pytest.mark.parametrize(
    ("number", "status", "code"),
    [
        ("4242424242424242", 200, None),
        ("4000000000000002", 402, "card_declined"),
        ("4242424242424241", 402, "incorrect_number"),
        ("4000002500003155", 200, None),
    ],
)
def test_the_browser_confirms_with_a_number(
    client: stripe.StripeClient,
    shop: Shop,
    sandbox: Sandbox,
    number: str,
    status: int,
    code: str | None,
) -> None:
    intent = client.v1.setup_intents.create({"customer": shop.customer(card=None)})
    answer = Client(sandbox.wsgi_app).post(
        f"/v1/setup_intents/{intent.id}/confirm",
        headers=KEY,
        data={
            "client_secret": intent.client_secret,
            "use_stripe_sdk": "true",
            "payment_method_data[type]": "card",
            "payment_method_data[card][number]": number,
            "payment_method_data[card][exp_month]": "12",
            "payment_method_data[card][exp_year]": "34",
            "payment_method_data[card][cvc]": "123",
            "payment_method_data[billing_details][name]": "Ada",
        },
    )
    body = json.loads(answer.text)
    assert answer.status_code == status
    assert body.get("error", {}).get("code") == code
    if number.endswith("3155"):
        assert body["next_action"]["type"] == "use_stripe_sdk"
    elif code is None:
        card = client.v1.payment_methods.retrieve(body["payment_method"])
        assert (card.customer, card.billing_details.name) == (intent.customer, "Ada")


def test_the_browser_needs_the_secret(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    intent = client.v1.setup_intents.create({"customer": shop.customer(card=None)})
    browser = Client(sandbox.wsgi_app)
    path = f"/v1/setup_intents/{intent.id}"
    assert browser.get(path, headers=KEY).status_code == 400
    assert browser.get(f"{path}?client_secret=wrong", headers=KEY).status_code == 400
    answer = browser.get(f"{path}?client_secret={intent.client_secret}", headers=KEY)
    assert json.loads(answer.text)["id"] == intent.id
    assert browser.post(f"{path}/cancel", headers=KEY).status_code == 401


def test_checkout_keeps_its_own(client: stripe.StripeClient, shop: Shop, sandbox: Sandbox) -> None:
    session = client.v1.checkout.sessions.create(
        {
            "mode": "setup",
            "currency": "usd",
            "customer": shop.customer(card=None),
            "success_url": "https://app.example/",
            "setup_intent_data": {"metadata": {"a": "1"}, "description": "Card"},
        }
    )
    intent = client.v1.setup_intents.retrieve(str(session.setup_intent))
    assert intent.description == "Card"
    with pytest.raises(stripe.InvalidRequestError, match="expire the session"):
        client.v1.setup_intents.cancel(intent.id)
    client.v1.checkout.sessions.expire(session.id)
    assert client.v1.setup_intents.retrieve(intent.id).status == "canceled"
    assert types(sandbox)[-1] == "setup_intent.canceled"
