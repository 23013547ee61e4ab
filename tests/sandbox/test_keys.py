"""API keys, versions and limits of the account."""

from __future__ import annotations

import dataclasses
import time
import typing as t

import pytest
import stripe
from werkzeug.test import Client, TestResponse

from flask_billing.sandbox import Sandbox

from .conftest import Shop


def get(sandbox: Sandbox, path: str, key: str = "sk_test_x", **headers: str) -> TestResponse:
    """The answer to a GET with this key."""
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    fields["Authorization"] = f"Bearer {key}"
    return Client(sandbox.wsgi_app).get(path, headers=fields)


def error_of(answer: TestResponse) -> dict[str, t.Any]:
    body: dict[str, t.Any] = answer.get_json()["error"]
    return body


@pytest.mark.parametrize("key", ["sk_live_51Secret99", "rk_live_51Secret99", "sk_test", "nonsense"])
def test_only_keys_of_the_test_mode_are_let_in(sandbox: Sandbox, key: str) -> None:
    answer = get(sandbox, "/v1/customers", key)
    assert answer.status_code == 401
    error = error_of(answer)
    assert error["type"] == "invalid_request_error"
    assert error["message"].startswith("Invalid API Key provided: ")
    assert "Secret" not in error["message"]


def test_a_publishable_key_may_next_to_nothing(sandbox: Sandbox) -> None:
    answer = get(sandbox, "/v1/customers", sandbox.publishable_key)
    assert answer.status_code == 401
    assert error_of(answer)["code"] == "secret_key_required"


def test_a_publishable_key_confirms_the_intent_whose_secret_it_has(
    sandbox: Sandbox, client: stripe.StripeClient, shop: Shop
) -> None:
    intent = client.v1.setup_intents.create({"customer": shop.customer(card=None)})
    http = Client(sandbox.wsgi_app)
    key = {"Authorization": f"Bearer {sandbox.publishable_key}"}
    path = f"/v1/setup_intents/{intent.id}"
    assert error_of(http.get(path, headers=key))["param"] == "client_secret"
    wrong = http.get(f"{path}?client_secret=seti_x_secret_x", headers=key)
    assert (wrong.status_code, error_of(wrong)["param"]) == (400, "client_secret")
    data = {
        "client_secret": intent.client_secret,
        "payment_method": "pm_card_visa",
        "use_stripe_sdk": "true",
    }
    answer = http.post(f"{path}/confirm", data=data, headers=key)
    assert answer.get_json()["status"] == "succeeded"


def test_a_restricted_key_may_what_its_permissions_say(sandbox: Sandbox) -> None:
    permissions = frozenset(["customer_read", "checkout_session_write"])
    key = "rk_test_reader"
    assert get(sandbox, "/v1/invoices", key).status_code == 200
    sandbox.settings = dataclasses.replace(sandbox.settings, restricted_keys={key: permissions})
    assert get(sandbox, "/v1/customers", key).status_code == 200
    assert get(sandbox, "/v1/checkout/sessions", key).status_code == 200
    assert get(sandbox, "/v1/invoices", "rk_test_other").status_code == 200
    client = stripe.StripeClient(key, http_client=sandbox.http_client())
    with pytest.raises(stripe.PermissionError) as caught:
        client.v1.customers.create({"name": "Ada"})
    assert caught.value.http_status == 403
    assert "'rak_customer_write'" in str(caught.value)


def test_another_account_is_not_open_to_the_key(sandbox: Sandbox) -> None:
    with pytest.raises(stripe.PermissionError) as caught:
        sandbox.client().v1.customers.list(options={"stripe_account": "acct_other"})
    assert caught.value.error is not None
    assert caught.value.error.code == "account_invalid"


@pytest.mark.parametrize("version", ["2019-99", "tomorrow", "2026-03-25.dahlia"])
def test_a_version_it_does_not_speak_is_refused(sandbox: Sandbox, version: str) -> None:
    answer = get(sandbox, "/v1/customers", Stripe_Version=version)
    assert answer.status_code == 400
    assert error_of(answer)["message"].startswith(f"Invalid Stripe API version: {version}")
    assert answer.headers["Stripe-Version"] == "2026-10-28.endive"


def test_a_rate_limit_may_be_set(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    second = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: second)
    sandbox.settings = dataclasses.replace(sandbox.settings, requests_per_second=3)
    client = sandbox.client()
    for _ in range(3):
        client.v1.customers.list()
    with pytest.raises(stripe.RateLimitError) as caught:
        client.v1.customers.list()
    assert caught.value.http_status == 429
    assert caught.value.error is not None
    assert caught.value.error.code == "rate_limit"
    monkeypatch.setattr(time, "monotonic", lambda: second + 1)
    client.v1.customers.list()
