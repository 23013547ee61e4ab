"""An app on the sandbox, through the duck-typed contract with the extension."""

from __future__ import annotations

import collections.abc as c
from datetime import datetime

import pytest
from flask import Flask, request
from werkzeug.middleware.proxy_fix import ProxyFix

from flask_billing.sandbox import Sandbox, SandboxError

from .conftest import START


class Billing:
    """What the extension offers to the sandbox."""

    webhook_path = "/billing/webhooks/stripe"

    def use_stripe(
        self,
        *,
        http_client: c.Callable[[], object],
        api_key: str,
        webhook_secrets: tuple[str, ...],
        now: c.Callable[[], datetime],
        sandbox: object,
    ) -> None:
        """Remember what was given."""
        self.http_client = http_client
        self.api_key = api_key
        self.webhook_secrets = webhook_secrets
        self.now = now


@pytest.fixture
def app() -> Flask:
    """An app with a webhook route."""
    app = Flask(__name__)
    app.extensions["billing"] = Billing()
    received: list[str] = []
    app.extensions["received"] = received

    @app.post("/billing/webhooks/stripe")
    def webhook() -> str:
        received.append(request.get_json()["type"])
        return ""

    return app


def test_the_app_is_given_gateway_clock_and_webhooks(app: Flask, sandbox: Sandbox) -> None:
    sandbox.connect(app)
    billing: Billing = app.extensions["billing"]
    assert billing.api_key.startswith("sk_test_")
    assert [secret[:6] for secret in billing.webhook_secrets] == ["whsec_"] * 2
    assert billing.now() == START
    sandbox.client().v1.customers.create({"name": "Ada"})
    assert sandbox.webhooks.deliver() == [("customer.created", 200)]
    assert app.extensions["received"] == ["customer.created"]


def test_connecting_again_adds_no_second_receiver(app: Flask, sandbox: Sandbox) -> None:
    sandbox.connect(app)
    sandbox.connect(app)
    sandbox.client().v1.customers.create({"name": "Ada"})
    assert len(sandbox.webhooks.deliver()) == 1


def test_the_mounted_sandbox_answers_this_machine_only(app: Flask, sandbox: Sandbox) -> None:
    sandbox.connect(app, mount="/sandbox/stripe")
    browser = app.test_client()
    assert browser.get("/sandbox/stripe/").status_code == 200
    far = {"REMOTE_ADDR": "203.0.113.9"}
    assert browser.get("/sandbox/stripe/", environ_base=far).status_code == 403
    answer = browser.get(
        "/sandbox/stripe/v1/customers", headers={"Authorization": "Bearer sk_test_x"}
    )
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-For": "203.0.113.9"},
        {"X-Forwarded-For": "127.0.0.1, 203.0.113.9"},
        {"X-Forwarded-For": ""},
        {"X-Real-IP": "203.0.113.9"},
        {"Forwarded": "for=203.0.113.9"},
    ],
)
def test_a_proxy_on_this_machine_lets_nobody_in(
    app: Flask, sandbox: Sandbox, headers: dict[str, str]
) -> None:
    sandbox.connect(app, mount="/sandbox/stripe")
    browser = app.test_client()
    assert browser.get("/sandbox/stripe/", headers=headers).status_code == 403
    near = {"X-Forwarded-For": "127.0.0.1, ::1"}
    assert browser.get("/sandbox/stripe/", headers=near).status_code == 200


def test_a_forged_header_that_the_app_trusts_lets_nobody_in(app: Flask, sandbox: Sandbox) -> None:
    sandbox.connect(app, mount="/sandbox/stripe")
    app.wsgi_app = ProxyFix(app.wsgi_app)  # type: ignore[method-assign]
    answer = app.test_client().get(
        "/sandbox/stripe/",
        environ_base={"REMOTE_ADDR": "203.0.113.9"},
        headers={"X-Forwarded-For": "127.0.0.1"},
    )
    assert answer.status_code == 403


def test_remote_visitors_must_be_allowed(app: Flask, sandbox: Sandbox) -> None:
    sandbox.connect(app, mount="/sandbox/stripe", allow_remote=True)
    far = {"REMOTE_ADDR": "203.0.113.9"}
    assert app.test_client().get("/sandbox/stripe/", environ_base=far).status_code == 200


def test_the_pages_are_found_where_the_browser_is(app: Flask, sandbox: Sandbox) -> None:
    sandbox.connect(app, mount="/sandbox/stripe")
    app.test_client().get("/", base_url="http://127.0.0.1:5123")
    assert sandbox.public_url == "http://127.0.0.1:5123/sandbox/stripe"
    sandbox.public_url = "https://demo.example/stripe/"
    app.test_client().get("/", base_url="http://127.0.0.1:5123")
    assert sandbox.public_url == "https://demo.example/stripe"


def test_an_app_without_billing_is_told(sandbox: Sandbox) -> None:
    with pytest.raises(SandboxError, match=r"billing\.init_app"):
        sandbox.connect(Flask(__name__))
