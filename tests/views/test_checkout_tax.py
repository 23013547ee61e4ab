"""Tax at Checkout, where the host turns it on."""

from __future__ import annotations

import collections.abc as c
import typing as t

import pytest

from ..host import Host
from .person import Person

MakeApp = c.Callable[..., Host]


def asked(host: Host) -> t.Any:
    """What Stripe was asked for the checkout."""
    sent = [one for one in host.sandbox.requests if one.path == "/v1/checkout/sessions"]
    return sent[-1].params


def test_without_it_checkout_asks_for_no_address(host: Host) -> None:
    Person(host).choose("starter")

    assert not {"automatic_tax", "customer_update", "billing_address_collection"} & set(asked(host))


def test_stripe_tax_calculates_by_the_address_that_checkout_keeps(make_app: MakeApp) -> None:
    host = make_app(BILLING_STRIPE_TAX=True)
    Person(host, "2").choose("starter")  # by which the sandbox has its prices
    host.state.use_stripe(  # as if it were Stripe's own API
        http_client=host.sandbox.http_client,
        api_key=host.sandbox.api_key,
        webhook_secrets=("whsec_x",),
    )
    Person(host).choose("starter")

    assert asked(host)["automatic_tax"] == {"enabled": "true"}
    assert asked(host)["customer_update"] == {"address": "auto", "name": "auto"}


def test_the_sandbox_calculates_none_and_the_log_says_so(
    make_app: MakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    host = make_app(BILLING_STRIPE_TAX=True)

    assert Person(host).choose("starter").status_code == 303
    assert asked(host)["billing_address_collection"] == "required"
    assert "the sandbox calculates no tax" in caplog.text


def test_businesses_give_their_tax_id(make_app: MakeApp) -> None:
    host = make_app(BILLING_CHECKOUT_TAX_IDS=True)

    assert Person(host).choose("starter").status_code == 303
    assert asked(host)["tax_id_collection"] == {"enabled": "true"}
    assert asked(host)["customer_update"]["name"] == "auto"
