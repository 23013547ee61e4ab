"""What is sold is what the pages show."""

from __future__ import annotations

import collections.abc as c
import tomllib

import pytest

from flask_billing import checkout, stripe_prices
from flask_billing.catalog import Plan, Price
from flask_billing.catalog_push import push
from flask_billing.errors import StripeMisconfiguredError

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
