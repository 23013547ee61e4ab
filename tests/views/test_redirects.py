"""Where redirects may lead, and where not."""

from __future__ import annotations

import collections.abc as c

import pytest

from flask_billing.errors import ConfigError
from flask_billing.models import Checkout
from flask_billing.views.redirects import (
    UnsafeRedirectError,
    checked,
    external_url,
    is_allowed,
    is_local_path,
)

from ..host import Host
from .person import Person

MakeApp = c.Callable[..., Host]


@pytest.mark.parametrize(
    "url",
    [
        "/billing/",
        "/billing/plans?interval=year#fb-plan-pro",
        "http://localhost/billing/",
        "http://localhost/sandbox/stripe/c/pay/cs_test_1",
        "http://127.0.0.1:5000/sandbox/stripe/c/pay/cs_test_1",
        "https://checkout.stripe.com/c/pay/cs_test_1#fid",
        "https://billing.stripe.com/p/session/1",
        "https://invoice.stripe.com/i/acct_1/in_1",
        "https://pay.stripe.com/receipts/1",
        "https://pay.example.com/c/1",
    ],
)
def test_allowed(make_app: MakeApp, url: str) -> None:
    host = make_app(BILLING_REDIRECT_HOSTS=("pay.example.com",))

    with host.app.test_request_context():
        assert is_allowed(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "billing",
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        " /billing",
        "/billing\n",
        "javascript:alert(1)",
        "data:text/html,x",
        "https:evil.example",
        "https:///evil.example",
        "https://evil.example/checkout.stripe.com",
        "https://checkout.stripe.com.evil.example/",
        "https://checkout.stripe.com@evil.example/",
        "https://user@checkout.stripe.com/",
        "https://checkout.stripe.com:444/",
        "https://checkout.stripe.com:port/",
        "http://checkout.stripe.com/c/pay/1",
        "http://localhost:81/billing/",
        "ftp://localhost/billing/",
        "http://127.0.0.1:5000/elsewhere/",
        "http://evil.example/sandbox/stripe/c/pay/cs_test_1",
        "http://[::1",
    ],
)
def test_refused(host: Host, url: str) -> None:
    with host.app.test_request_context():
        assert not is_allowed(url)


def test_a_domain_of_ones_own_for_stripes_pages_is_told_where_to_stand(host: Host) -> None:
    with (
        host.app.test_request_context(),
        pytest.raises(UnsafeRedirectError, match=r"'https://pay\.example\.com'") as refused,
    ):
        checked("https://pay.example.com/c/pay/cs_live_1")

    assert "cs_live_1" not in str(refused.value)
    assert "BILLING_REDIRECT_HOSTS" in str(refused.value)


@pytest.mark.parametrize(
    "url", ["https://checkout.stripe.com/", "http://localhost/", "//x", "/\\x"]
)
def test_the_way_back_is_a_path_of_this_site(url: str) -> None:
    assert not is_local_path(url)
    assert is_local_path("/billing/?a=//x")


def test_with_a_base_url_the_host_header_counts_for_nothing(make_app: MakeApp) -> None:
    host = make_app(BILLING_BASE_URL="https://app.example.com")

    with host.app.test_request_context(headers={"Host": "evil.example"}):
        assert external_url("billing.plans") == "https://app.example.com/billing/plans"
        assert not is_allowed("http://evil.example/billing/")
        assert is_allowed("https://app.example.com/billing/")


def test_a_base_url_with_a_path_is_not_doubled(make_app: MakeApp) -> None:
    host = make_app(BILLING_BASE_URL="https://example.com/app/")

    with host.app.test_request_context(environ_overrides={"SCRIPT_NAME": "/app"}):
        assert external_url("billing.plans") == "https://example.com/app/billing/plans"


def test_a_landing_page_that_is_not_there_fails_before_anybody_pays(make_app: MakeApp) -> None:
    host = make_app(BILLING_CHECKOUT_DONE_ENDPOINT="dashbord")

    with pytest.raises(ConfigError, match=r"BILLING_CHECKOUT_DONE_ENDPOINT is 'dashbord'"):
        Person(host).choose("starter")

    assert host.rows(Checkout) == []
    assert host.sandbox.requests == []


@pytest.mark.parametrize("path", ["/billing/", "/billing/plans"])
def test_a_sign_in_page_that_is_not_there_is_named(make_app: MakeApp, path: str) -> None:
    host = make_app(BILLING_LOGIN_ENDPOINT="auth.login")

    with pytest.raises(ConfigError, match=r"BILLING_LOGIN_ENDPOINT is 'auth\.login'"):
        Person(host, None).open(path)
