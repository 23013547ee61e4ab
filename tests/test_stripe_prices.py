"""What is sold is what the pages show."""

from __future__ import annotations

import collections.abc as c
import tomllib

import pytest

from flask_billing import checkout, stripe_prices
from flask_billing.catalog import Plan, Price
from flask_billing.catalog_push import push
from flask_billing.errors import StripeMisconfiguredError
from flask_billing.sandbox import Sandbox

from .host import CATALOGS, Host


def buy_starter(host: Host) -> str:
    """Start a checkout of Starter by the month; the session's id."""
    started = checkout.start(
        host.customer(),
        plan="starter",
        interval="month",
        success_url="http://localhost/done?id={CHECKOUT_SESSION_ID}",
        cancel_url="http://localhost/",
    )
    assert started.session_id is not None
    return started.session_id


def starter(host: Host) -> tuple[Plan, Price]:
    """The plan Starter and its monthly price."""
    plan = host.state.catalog.plan("starter")
    assert plan is not None
    price = plan.price("month", "usd")
    assert price is not None
    return plan, price


def test_the_sandbox_is_filled_from_the_catalog_when_a_price_is_missing(host: Host) -> None:
    with host.app.app_context():
        session_id = buy_starter(host)

    session = host.sandbox.client().v1.checkout.sessions.retrieve(session_id)
    assert session.amount_total == 2900


def test_a_price_is_looked_up_once(host: Host) -> None:
    with host.app.app_context():
        first = stripe_prices.stripe_price_of(*starter(host))
        host.sandbox.forget_requests()

        assert stripe_prices.stripe_price_of(*starter(host)) == first

    assert host.sandbox.requests == []


def test_a_price_of_another_amount_is_not_sold(make_app: c.Callable[..., Host]) -> None:
    host = make_app()

    with host.app.app_context():
        push()

    cheaper = tomllib.loads((CATALOGS / "ladder.toml").read_text(encoding="utf-8"))
    cheaper["plans"]["starter"]["prices"][0]["amount"] = 2500
    changed = make_app("sqlite://", catalog=cheaper, sandbox=host.sandbox)
    # As on a real account, where nothing pushes by itself.
    changed.state.stripe.sandbox = False

    with changed.app.app_context(), pytest.raises(StripeMisconfiguredError, match="catalog push"):
        buy_starter(changed)


def test_a_price_that_nobody_pushed_is_not_sold(host: Host) -> None:
    host.state.stripe.sandbox = False

    with host.app.app_context(), pytest.raises(StripeMisconfiguredError, match="catalog push"):
        stripe_prices.stripe_price_of(*starter(host))


def named_catalog(stripe_price: str, amount: int) -> dict[str, object]:
    """A catalog that sells Starter at a price made at Stripe."""
    prices = [{"interval": "month", "stripe_price": stripe_price, "amount": amount}]
    return {"plans": {"starter": {"name": "Starter", "prices": prices}}}


def test_a_named_price_is_checked_once_and_sold(make_app: c.Callable[..., Host]) -> None:
    sandbox = Sandbox()
    named = own_price(sandbox)
    host = make_app(catalog=named_catalog(named, 4900), sandbox=sandbox)

    with host.app.app_context():
        buy_starter(host)
        host.sandbox.forget_requests()
        buy_starter(host)

    assert f"/v1/prices/{named}" not in [request.path for request in host.sandbox.requests]


def test_a_named_price_of_another_amount_is_not_sold(make_app: c.Callable[..., Host]) -> None:
    sandbox = Sandbox()
    host = make_app(catalog=named_catalog(own_price(sandbox), 3900), sandbox=sandbox)

    with host.app.app_context(), pytest.raises(StripeMisconfiguredError, match="4900 usd"):
        buy_starter(host)


def own_price(sandbox: Sandbox) -> str:
    """A price of $49 a month that somebody made in Stripe's dashboard."""
    client = sandbox.client()
    product = client.v1.products.create({"name": "Starter"})
    price = client.v1.prices.create(
        {
            "product": product.id,
            "currency": "usd",
            "unit_amount": 4900,
            "recurring": {"interval": "month"},
        }
    )
    return price.id
